// Contacts: who is there, as of when; adding, removing, blocking.

import { h } from "../dom.js";
import { ago, line } from "../text.js";
import { confirm, form } from "./dialogs.js";
import { avatar, button, empty, nameOf, presenceWord, shortId } from "./parts.js";
import { trying } from "./toast.js";

const STATES = { waiting: "waits for an answer", confirmed: "", left: "left the conversation: nothing reaches them", blocked: "blocked", removed: "removed" };

export async function drawContacts(app) {
  const shown = app.state.contacts.filter((one) => one.state !== "removed");
  return [
    h("div", { class: "page-deeds" }, button("Add a contact", () => addContact(app), { class: "button primary", "data-key": "add" })),
    shown.length === 0
      ? empty("contacts", "No contacts yet", h("p", {}, "Give others your account id, or add them by theirs."))
      : h("ul", { class: "rows cards" }, shown.map((one) => contactNode(app, one))),
  ];
}

function contactNode(app, one) {
  const name = app.state.name(one.id);
  const presence = app.state.presence.get(one.id) ?? one.presence;
  const blocked = one.state === "blocked";
  return h(
    "li",
    { class: "row", "data-account": one.id },
    avatar(one.id, name, blocked ? null : presence.state),
    h("div", { class: "row-main" },
      h("div", {}, nameOf(one.id, name), " ", shortId(one.id)),
      h("div", { class: "muted small" }, blocked ? "blocked: they cannot tell" : [presenceWord(presence), presence.state !== "linked" && presence.as_of && ` as of ${ago(presence.as_of)}`, presence.source && presence.state !== "linked" && ` by ${presence.source}`], STATES[one.state] && !blocked ? ` · ${STATES[one.state]}` : "")),
    h("div", { class: "row-deeds" },
      one.conversation && !blocked && button("Write", () => app.go(`#/c/${one.conversation}`), { class: "button small primary", "aria-label": `Write to ${line(name, 40)}` }),
      blocked ? button("Unblock", () => trying(() => app.api.call("contact.unblock", { contact: one.id })), { class: "button small" }) : button("Block", () => confirm(`Block ${line(name, 64)}?`, "Nothing of theirs reaches you any more. They cannot tell.", "Block", () => app.api.call("contact.block", { contact: one.id })), { class: "button small danger-text" }),
      button("Remove", () => confirm(`Remove ${line(name, 64)}?`, "The contact goes, and your conversation with it.", "Remove", () => app.api.alone("contact.remove", { contact: one.id })), { class: "button small danger-text" })),
  );
}

export function addContact(app) {
  form("Add a contact", [
    { name: "account", label: "Account id", hint: `40 digits. Yours is ${app.state.me.id}`, required: true, plain: true, most: 40 },
    { name: "name", label: "Your name for them", most: 128 },
    { name: "address", label: "Where they listen, if you know", hint: "host:port; not needed on the same network or with the DHT", plain: true },
  ], {
    does: "Ask them",
    intro: "They get a request. You can write at once; they see it when they accept.",
    submit: async ({ account, name, address }) => {
      const added = await app.api.call("contact.add", { account, ...(name ? { name } : {}), ...(address ? { addresses: [address] } : {}) });
      await Promise.all([app.state.loadContacts(), app.state.loadConversations()]);
      if (added.conversation) app.go(`#/c/${added.conversation}`);
    },
  });
}

