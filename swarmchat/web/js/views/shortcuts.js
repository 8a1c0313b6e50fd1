// What the keyboard does everywhere, and the list of it.

import { h } from "../dom.js";
import { open } from "./dialogs.js";

const LIST = [
  ["Everywhere", [["?", "this list"], ["/", "search"], ["Alt+↑ Alt+↓", "conversation above, below"], ["Alt+N", "new conversation, contact, link"], ["c", "to the field one writes in"], ["Esc", "close what is open; back"]]],
  ["In a conversation", [["Alt+L", "to the messages"], ["Alt+M", "members and votes"], ["Alt+S", "sync state"], ["Alt+G", "commit graph"], ["Alt+I", "about it"]]],
  ["On a message", [["↑ ↓ or k j", "message above, below"], ["r", "reply"], ["x", "react"], ["e", "edit, if it is yours"], ["Del", "delete, if it is yours"], ["i", "details"], ["Enter", "to its buttons, then ← →"], ["End", "newest"]]],
  ["Writing", [["Enter", "send"], ["Shift+Enter", "new line"], ["↑ in an empty field", "edit your last message"], ["Esc", "no reply, no edit"]]],
];

export function help() {
  open("Keyboard shortcuts", () =>
    h("div", { class: "shortcuts" }, LIST.map(([title, keys]) => h("section", {}, h("h3", {}, title), h("dl", {}, keys.map(([key, words]) => h("div", {}, h("dt", {}, h("kbd", {}, key)), h("dd", {}, words))))))), { wide: true });
}

/** Listen for the shortcuts; `acts` says what each does. */
export function listen(acts) {
  addEventListener("keydown", (event) => {
    if (document.querySelector("dialog[open]") || event.isComposing) return;
    const writes = /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName);
    const plainKey = !event.altKey && !event.ctrlKey && !event.metaKey;
    const key = event.altKey && !event.ctrlKey ? `Alt+${event.code.replace(/^Key/, "")}` : plainKey && (!writes || event.key === "Escape") ? event.key : null;
    if (key === null || !acts[key]) return;
    if (acts[key]() !== false) event.preventDefault();
  });
}
