// The left side: who I am, search, requests that wait, conversations with what is new in them.

import { fill, h } from "../dom.js";
import { soon } from "../soon.js";
import { briefTime, line, short } from "../text.js";
import { STATES, sentence, speaker } from "../words.js";
import { told } from "./dialogs.js";
import { icon } from "./icons.js";
import { avatar, button, empty, iconButton, nameOf } from "./parts.js";
import { SearchBox } from "./search.js";
import { toast, trying } from "./toast.js";

const PAGES = [
  ["#/", "chats", "Chats"],
  ["#/contacts", "contacts", "Contacts"],
  ["#/mesh", "node", "Node"],
];

export class Sidebar {
  #accepting = new Set(); // ids of requests

  constructor(app) {
    this.app = app;
    this.brand = h("div", { class: "brand" });
    this.pages = h("nav", { class: "pages", "aria-label": "Pages" });
    this.requests = h("div");
    this.list = h("ul", { class: "conversations", "aria-label": "Conversations", onkeydown: (event) => this.#key(event) });
    this.search = new SearchBox(app, () => this.draw());
    this.chats = h("div", { class: "chats" }, this.requests, this.list);
    this.node = h("nav", { class: "sidebar", "aria-label": "Conversations and pages" }, this.brand, this.pages, this.search.node, this.search.found, this.chats);
    app.state.on(["conversations", "names", "members", "contacts", "requests", "me", "link"], soon(() => this.draw()));
  }

  draw() {
    const { state, route } = this.app;
    fill(
      this.brand,
      avatar(state.me.id, state.me.name || "?", state.link === "linked" ? "linked" : "away"),
      h("div", { class: "who" }, h("strong", {}, h("bdi", {}, line(state.me.name || "No name", 40))), h("span", { class: "muted small" }, state.link === "away" ? "the node is away" : `account ${short(state.me.id)}`)),
      iconButton("help", "Keyboard shortcuts (?)", () => this.app.help(), { "data-key": "help" }),
      iconButton("plus", "New conversation, contact or link (Alt+N)", () => this.app.begin(), { "data-key": "begin" }),
    );
    const section = route.page === "room" || route.page === "chats" ? "#/" : route.page === "contacts" ? "#/contacts" : "#/mesh";
    fill(
      this.pages,
      PAGES.map(([to, drawing, words]) => h("a", { class: "page-link", href: to, "aria-current": to === section ? "page" : null, "data-key": to }, icon(drawing), words, to === "#/" && state.requests.length > 0 && h("span", { class: "count", "aria-label": `${state.requests.length} requests` }, String(state.requests.length)))),
    );
    this.chats.hidden = this.search.isActive;
    fill(this.requests, state.requests.map((request) => this.#request(request)));
    const rows = state.conversations.filter((one) => one.state !== "erased");
    fill(this.list, rows.map((one) => this.#row(one)), rows.length === 0 && state.requests.length === 0 && state.me.id && h("li", {}, empty("chats", "No conversation yet", button("Begin one", () => this.app.begin(), { class: "button primary" }))));
    document.title = state.unread() ? `(${state.unread()}) swarmchat` : "swarmchat";
  }

  /** The conversation above or below the present one. */
  step(by) {
    const rows = this.app.state.conversations;
    const at = rows.findIndex((one) => one.id === this.app.route.id);
    const next = rows[at < 0 ? 0 : at + by];
    if (next) this.app.go(`#/c/${next.id}`);
  }

  #row(one) {
    const { state, route } = this.app;
    const other = state.other(one);
    const title = state.title(one);
    const current = route.page === "room" && route.id === one.id;
    const newest = state.lines.get(one.id);
    const name = (who) => (state.isMe(who) ? "You" : state.name(who, one.id));
    const words = STATES[one.state] && one.state !== "archived" ? STATES[one.state] : newest ? (newest.type === "text/plain" ? (newest.body === "" ? "A message was deleted" : `${other && !state.isMe(newest.author) ? "" : `${speaker(newest, name)}: `}${newest.body}`) : sentence(newest, name)) : "";
    return h(
      "li",
      {},
      h(
        "a",
        { class: "conversation", href: `#/c/${one.id}`, "aria-current": current ? "true" : null, "data-key": one.id },
        avatar(other ?? one.id, title, other ? state.presence.get(other)?.state ?? null : null, other ? "" : "square"),
        h("div", { class: "conversation-main" },
          h("div", { class: "conversation-top" }, h("bdi", { class: "conversation-title" }, title), h("time", { class: "muted small", datetime: one.last ?? null }, briefTime(one.last))),
          h("div", { class: "conversation-bottom" }, h("bdi", { class: "muted last" }, line(words, 90)), one.unread > 0 && h("span", { class: "count", "aria-label": `${one.unread} unread` }, one.unread > 99 ? "99+" : String(one.unread)))),
      ),
    );
  }

  #request(request) {
    const { app } = this;
    const isContact = request.kind === "contact";
    const from = app.state.name(request.from);
    const named = from !== short(request.from) ? from : isContact && request.title ? line(request.title, 64) : from;
    const accepting = this.#accepting.has(request.id);
    return h(
      "section",
      { class: "request", "aria-label": isContact ? "Contact request" : "Invitation", "data-request": request.id },
      avatar(request.from, named),
      h("div", { class: "row-main" },
        h("div", {}, nameOf(request.from, named), isContact ? " wants to be a contact" : [" invites you to ", h("strong", {}, h("bdi", {}, line(request.title || short(request.conversation), 80)))]),
        h("div", { class: "muted small" }, `account ${short(request.from)} · `, briefTime(request.at), accepting && h("span", { role: "status" }, " · fetching the history …")),
        h("div", { class: "row-deeds" },
          button("Accept", () => this.#accept(request), { disabled: accepting, class: "button small primary", "data-key": `accept-${request.id}` }),
          button("Decline", () => this.#answer("request.decline", request), { class: "button small", "data-key": `decline-${request.id}` }),
          button("Block", () => this.#answer("request.block", request), { class: "button small danger-text", "data-key": `block-${request.id}` }))),
    );
  }

  async #accept(request) {
    this.#accepting.add(request.id);
    this.draw();
    try {
      await this.app.api.alone("request.accept", { request: request.id });
      await Promise.all([this.app.state.loadConversations(), this.app.state.loadRequests(), this.app.state.loadMembers(request.conversation)]);
      this.app.go(`#/c/${request.conversation}`);
    } catch (fault) {
      toast(told(fault));
    } finally {
      this.#accepting.delete(request.id);
      this.draw();
    }
  }

  #answer(method, request) {
    return trying(async () => {
      await this.app.api.call(method, { request: request.id });
      await this.app.state.loadRequests();
    });
  }

  #key(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step || event.altKey) return;
    const links = [...this.list.querySelectorAll("a")];
    links[links.indexOf(document.activeElement) + step]?.focus();
    event.preventDefault();
  }
}
