// Pieces that several views show: avatars, names, buttons, presence, empty places.

import { h } from "../dom.js";
import { hue, initials, line, short } from "../text.js";
import { PRESENCE } from "../words.js";
import { icon } from "./icons.js";

/** A coloured disc with initials; `presence` adds a dot. */
export function avatar(id, name, presence = null, kind = "") {
  return h(
    "span",
    { class: `avatar ${kind}`, "--hue": `${hue(id)}deg`, "aria-hidden": "true" },
    initials(name),
    presence && h("span", { class: `dot ${presence}` }),
  );
}

/** A name that cannot disturb what stands around it, in the colour of its id. */
export function nameOf(id, name, props = {}) {
  return h("bdi", { class: "name", "--hue": `${hue(id)}deg`, title: id, ...props }, line(name, 64));
}

export const shortId = (id) => h("code", { class: "id", title: id }, short(id));

/** A button with a drawing and words for those who do not see it. */
export function iconButton(name, label, onclick, props = {}) {
  return h("button", { type: "button", class: "icon-button", "aria-label": label, title: label, onclick, ...props }, icon(name));
}

export function button(label, onclick, props = {}) {
  return h("button", { type: "button", class: "button", onclick, ...props }, label);
}

export function presenceWord(row) {
  const state = row?.state ?? "unknown";
  return h("span", { class: `presence ${state}` }, h("span", { class: `dot ${state}`, "aria-hidden": "true" }), PRESENCE[state] ?? state);
}

export function empty(drawing, title, ...children) {
  return h("div", { class: "empty" }, icon(drawing), h("h2", {}, title), ...children);
}

export function copyable(text, label) {
  const told = h("span", { class: "copied", role: "status" });
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      told.textContent = "Copied";
    } catch {
      told.textContent = "Select it and copy it by hand";
    }
  };
  return h("span", { class: "copyable" }, h("code", { class: "long" }, text), button("Copy", copy, { "aria-label": `Copy ${label}`, class: "button small" }), told);
}
