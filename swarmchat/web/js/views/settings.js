// Who I am to others, what they are told of me, and how this page looks.

import { h } from "../dom.js";
import { THEMES, setTheme, theme } from "../theme.js";
import { form } from "./dialogs.js";
import { button, copyable } from "./parts.js";
import { trying } from "./toast.js";

export async function drawSettings(app, again) {
  await app.state.loadMe();
  const { me } = app.state;
  const set = (params) => trying(() => app.api.call("account.set", params).then(again));
  const toggle = (key, words, explained) =>
    h("div", { class: "field check" },
      h("input", { type: "checkbox", id: `set-${key}`, "data-key": key, checked: me[key], "aria-describedby": `set-${key}-hint`, onchange: (event) => set({ [key]: event.target.checked ? "on" : "off" }) }),
      h("label", { for: `set-${key}` }, words),
      h("small", { id: `set-${key}-hint` }, explained));
  return h("div", { class: "settings" },
    h("section", {}, h("h2", {}, "You"),
      h("p", {}, h("strong", {}, h("bdi", {}, me.name || "No name")), " ", button("Change", () => form("Your name", [{ name: "name", label: "Name that others see", value: me.name, most: 128 }], { does: "Save", submit: ({ name }) => set({ name }) }), { class: "button small", "data-key": "name" })),
      h("h3", {}, "Your account id"), h("p", { class: "muted small" }, "Give it to others: by it they invite you and add you as a contact."), copyable(me.id, "your account id"),
      me.revoked && h("p", { class: "warning" }, "This device was revoked: it is no longer one of your account.")),
    h("section", {}, h("h2", {}, "What others are told"), toggle("read_receipts", "How far I have read", "On all your devices. Your own devices always know."), toggle("typing", "That I type", "On all your devices.")),
    h("section", {}, h("h2", {}, "This page"),
      h("fieldset", { class: "choices" }, h("legend", {}, "Colours"), THEMES.map((name) =>
        h("label", {}, h("input", { type: "radio", name: "theme", value: name, checked: theme() === name, onchange: () => setTheme(name) }), ` ${{ system: "As the system", light: "Light", dark: "Dark" }[name]}`))),
      h("p", {}, button("Keyboard shortcuts", () => app.help()), " ", button("Forget the token", () => app.logOut(), { class: "button danger-text" }))));
}
