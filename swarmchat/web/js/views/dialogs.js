// Questions to the user, in the browser's own <dialog>: it keeps the focus inside and gives it back.

import { h } from "../dom.js";
import { iconButton } from "./parts.js";

/** Show a dialog; `close()` ends it, and `closed` runs however it ends. `build(close)` gives its contents. */
export function open(title, build, { wide = false, closed = () => {} } = {}) {
  const close = () => dialog.close();
  const heading = `dialog-${Math.random().toString(36).slice(2)}`;
  const dialog = h(
    "dialog",
    { class: wide ? "dialog wide" : "dialog", "aria-labelledby": heading },
    h("header", {}, h("h2", { id: heading }, title), iconButton("close", "Close", close)),
    h("div", { class: "dialog-body" }, build(close)),
  );
  dialog.addEventListener("close", () => { dialog.remove(); closed(); });
  dialog.addEventListener("click", (event) => event.target === dialog && close());
  document.body.append(dialog);
  dialog.showModal();
  dialog.querySelector("[autofocus], .dialog-body input, .dialog-body textarea, .dialog-body button")?.focus();
  return close;
}

/** A form of `fields` [{name, label, hint, type, choices, value, required}]; `submit(values)` may raise, and its words are shown; `declined` runs when it is left without sending. */
export function form(title, fields, { submit, does, intro = null, danger = false, declined = () => {} }) {
  let sent = false;
  return open(title, (close) => {
    const fault = h("p", { class: "fault", role: "alert" });
    const go = h("button", { type: "submit", class: danger ? "button danger" : "button primary" }, does);
    const send = async (event) => {
      event.preventDefault();
      const values = Object.fromEntries(fields.map(({ name }) => [name, valueOf(event.target.elements[name])]));
      go.disabled = true;
      fault.textContent = "";
      sent = true;
      try {
        await submit(values);
        close();
      } catch (error) {
        sent = false;
        fault.textContent = told(error);
        go.disabled = false;
      }
    };
    return h(
      "form",
      { onsubmit: send },
      intro && h("p", { class: "intro" }, intro),
      fields.map(fieldNode),
      fault,
      h("footer", {}, h("button", { type: "button", class: "button", onclick: close }, "Cancel"), go),
    );
  }, { closed: () => sent || declined() });
}

/** A question with one way to go on. */
export function confirm(title, words, does, submit, { danger = true, declined } = {}) {
  return form(title, [], { intro: words, does, submit, danger, declined });
}

/** The words of an error and its hint, for people. */
export function told(error) {
  return error.hint ? `${error.message}. ${error.hint}` : error.message;
}

function fieldNode(field) {
  const id = `field-${field.name}`;
  const described = field.hint ? `${id}-hint` : null;
  const common = { id, name: field.name, required: field.required, "aria-describedby": described, autocomplete: "off" };
  const value = field.value ?? "";
  let input;
  if (field.choices) {
    input = h("select", common, field.choices.map(([key, words]) => h("option", { value: key, selected: key === value }, words)));
  } else if (field.type === "checkbox") {
    input = h("input", { ...common, type: "checkbox", checked: Boolean(value) });
    return h("div", { class: "field check" }, input, h("label", { for: id }, field.label), field.hint && h("small", { id: described }, field.hint));
  } else if (field.type === "textarea") {
    input = h("textarea", { ...common, rows: 3, value, maxlength: field.most });
  } else {
    input = h("input", { ...common, type: "text", value, maxlength: field.most, spellcheck: field.plain ? "false" : null, placeholder: field.placeholder });
  }
  return h("div", { class: "field" }, h("label", { for: id }, field.label), input, field.hint && h("small", { id: described }, field.hint));
}

const valueOf = (input) => (input.type === "checkbox" ? input.checked : input.value.trim());
