// Beginning something: a conversation, a contact, or joining by a link.

import { h } from "../dom.js";
import { addContact } from "./contacts.js";
import { form, open } from "./dialogs.js";
import { icon } from "./icons.js";

export function begin(app) {
  open("Begin", (close) =>
    h("div", { class: "choices-list" }, [
      ["chats", "New conversation", "A group with its own history and its own law", () => create(app)],
      ["contacts", "Add a contact", "A conversation between two people", () => addContact(app)],
      ["link", "Join by a link", "swarm:… as somebody gave it to you", () => join(app)],
    ].map(([drawing, title, words, does]) =>
      h("button", { type: "button", class: "choice", onclick: () => { close(); does(); } }, icon(drawing), h("span", {}, h("strong", {}, title), h("span", { class: "muted small" }, words))))));
}

function create(app) {
  form("New conversation", [
    { name: "title", label: "Title", most: 128, required: true },
    { name: "mode", label: "Who may invite", value: "private", choices: [["private", "Every member"], ["admin-invites", "Admins only"], ["public", "Anybody with the link may join"]] },
  ], {
    does: "Create",
    submit: async ({ title, mode }) => {
      const made = await app.api.call("conversation.create", { title, mode });
      await Promise.all([app.state.loadConversations(), app.state.loadMembers(made.id)]);
      app.go(`#/c/${made.id}`);
    },
  });
}

function join(app) {
  form("Join by a link", [
    { name: "conversation", label: "Link", placeholder: "swarm:…", required: true, plain: true },
    { name: "any_mode", label: "Join even if its rules are not the ones the invitation named", type: "checkbox" },
  ], {
    does: "Join",
    intro: "The history is fetched from its members and judged before you are in.",
    submit: async ({ conversation, any_mode }) => {
      const joined = await app.api.alone("conversation.join", { conversation, ...(any_mode ? { any_mode } : {}) });
      await app.state.loadConversations();
      app.go(`#/c/${joined.id}`);
    },
  });
}
