// One conversation: its head, its messages, the field to write in, and the panel beside it.

import { fill, h } from "../dom.js";
import { line } from "../text.js";
import { Timeline } from "../timeline.js";
import { STATES, modeWords, speaker } from "../words.js";
import { Composer } from "./composer.js";
import * as deeds from "./deeds.js";
import { MessageList } from "./messages.js";
import { Panel } from "./panel.js";
import { avatar, button, empty, iconButton } from "./parts.js";
import { announce } from "./toast.js";

export class Room {
  #off = [];
  #state = null; // of the conversation, as it was when it was last drawn
  #readTo = null;
  #newest = null;
  #typingTimer = null;

  constructor(app, id) {
    this.app = app;
    this.id = id;
    this.head = h("header", { class: "room-head" });
    this.typing = h("div", { class: "typing", role: "status", "aria-live": "off" });
    this.middle = h("div", { class: "room-middle" });
    this.foot = h("div", { class: "room-foot" });
    this.panel = new Panel(app, id);
    this.node = h("section", { class: "room", "aria-label": "Conversation" }, h("div", { class: "room-main" }, this.head, this.middle, this.typing, this.foot), this.panel.node);
  }

  async show() {
    const { app, id } = this;
    this.#off.push(
      app.state.on(["conversations", "members", "contacts", "names", "me"], () => this.#drawHead()),
      app.state.on(["names", "me"], () => this.messages?.update()),
      app.state.on(["typing"], () => this.#drawTyping()),
    );
    this.#drawHead();
    this.timeline = new Timeline(app.api, id, () => this.#changed());
    const mark = app.state.members.get(id)?.find((row) => app.state.isMe(row.id))?.read?.commit ?? null;
    const unread = app.state.conversation(id)?.unread ?? 0;
    const acts = {
      reply: (message) => this.composer?.reply(message),
      edit: (message) => this.composer?.edit(message),
      react: (message, reaction, remove) => deeds.react(app, id, message, reaction, remove),
      palette: (message) => deeds.palette(app, id, message),
      remove: (message) => deeds.remove(app, id, message),
      history: (message) => deeds.history(app, id, message),
      delivery: (message) => deeds.delivery(app, id, message),
    };
    this.messages = new MessageList(this.timeline, app.state.inside(id), acts, { seen: () => this.#seen(), readUpTo: unread ? mark : null });
    this.#drawFoot();
    await this.reload();
  }

  /** Load what is shown anew, after news were lost. */
  async reload() {
    this.#state = this.app.state.conversation(this.id)?.state ?? null;
    try {
      fill(this.middle, this.messages.node, this.messages.latest);
      await this.timeline.load();
      this.messages.toEnd();
    } catch (fault) {
      if (!fault.code) throw fault;
      fill(this.middle, empty("chats", this.#state === "syncing" ? "The history is being fetched" : "Nothing to show", h("p", {}, fault.message)));
    }
    this.panel.refresh();
  }

  close() {
    this.#off.forEach((end) => end());
    clearTimeout(this.#typingTimer);
    this.composer?.leave();
    this.timeline?.close();
    this.messages?.close();
    this.panel.close();
  }

  jump(message) {
    return this.messages.jump(message);
  }

  // --- news

  #changed() {
    this.messages.update();
    const newest = this.timeline.messages.at(-1);
    if (newest && newest.id !== this.#newest) {
      const isNews = this.#newest !== null && (!this.app.state.isMe(newest.author) || newest.via) && newest.type === "text/plain";
      if (isNews) announce(`${speaker(newest, (who) => this.app.state.name(who, this.id))}: ${line(newest.body, 160)}`);
      this.#newest = newest.id;
    }
  }

  /** The newest is in sight: say so, once each. */
  #seen() {
    const newest = this.timeline?.messages.at(-1);
    if (!newest || newest.id === this.#readTo || document.visibilityState !== "visible" || !document.hasFocus()) return;
    if (this.app.state.conversation(this.id)?.state !== "ready") return;
    this.#readTo = newest.id;
    this.app.api.call("message.read", { conversation: this.id, message: newest.id }).catch((fault) => {
      if (!fault.code) this.#readTo = null; // away: said again with the next look
    });
  }

  /** The window has the focus again: what is in sight is seen from now on. */
  seenAgain() {
    if (this.messages?.isAtEnd) this.#seen();
  }

  // --- drawing

  #drawHead() {
    const { app, id } = this;
    const conversation = app.state.conversation(id);
    if (!conversation) {
      this.#drawFoot();
      return;
    }
    const other = app.state.other(conversation);
    const title = app.state.title(conversation);
    const members = (app.state.members.get(id) ?? []).filter((row) => row.role === "admin" || row.role === "member").length || conversation.members;
    const about = STATES[conversation.state] ?? (other ? `one to one · ${app.state.presence.get(other)?.state ?? "unknown"}` : `${members} ${members === 1 ? "member" : "members"} · ${modeWords(conversation.mode)}`);
    fill(
      this.head,
      iconButton("back", "Back to the conversations", () => app.go("#/"), { class: "icon-button only-narrow", "data-key": "back" }),
      avatar(other ?? id, title, other ? app.state.presence.get(other)?.state ?? null : null, other ? "" : "square"),
      h("div", { class: "room-title" }, h("h1", {}, h("bdi", {}, title)), h("div", { class: "muted" }, about)),
      iconButton("people", "Members and votes (Alt+M)", () => this.panel.toggle("members"), { "data-key": "members" }),
      iconButton("sync", "Sync state (Alt+S)", () => this.panel.toggle("sync"), { "data-key": "sync", class: "icon-button only-wide" }),
      iconButton("graph", "Commit graph (Alt+G)", () => this.panel.toggle("graph"), { "data-key": "graph", class: "icon-button only-wide" }),
      iconButton("info", "About this conversation (Alt+I)", () => this.panel.toggle("about"), { "data-key": "about" }),
    );
    this.#drawFoot();
    if (this.timeline && this.#state !== null && conversation.state !== this.#state) this.reload().catch(() => {}); // away: loaded again later
  }

  #drawFoot() {
    const conversation = this.app.state.conversation(this.id);
    const writable = conversation?.state === "ready" && this.messages;
    if (writable && !this.composer) {
      const sent = (id) => {
        this.messages.toEnd();
        if (id) this.timeline.added(id);
        if (id) this.timeline.watchStatus(id);
      };
      const lastOwn = () => this.timeline.messages.findLast((one) => this.app.state.isMe(one.author) && !one.via && one.type === "text/plain" && one.body !== "");
      this.composer = new Composer(this.app, this.id, { sent, lastOwn, titled: this.app.state.title(conversation) });
      fill(this.foot, this.composer.node);
      if (matchMedia("(min-width: 800px)").matches) this.composer.focus();
    } else if (!writable) {
      this.composer = null;
      const words = conversation ? `closed: ${STATES[conversation.state] ?? conversation.state}` : "not here, or not any more";
      fill(this.foot, h("p", { class: "closed" }, `This conversation is ${words}.`), conversation?.state === "refused" && button("Why?", () => this.panel.toggle("about")));
    }
  }

  #drawTyping() {
    clearTimeout(this.#typingTimer);
    const who = this.app.state.typists(this.id).map((one) => line(this.app.state.name(one, this.id), 40));
    fill(this.typing, who.length ? [h("span", { class: "dots", "aria-hidden": "true" }, h("i"), h("i"), h("i")), h("bdi", {}, who.length > 3 ? `${who.length} people type` : `${who.join(", ")} ${who.length === 1 ? "types" : "type"}`)] : []);
    if (who.length) this.#typingTimer = setTimeout(() => this.#drawTyping(), 1000);
  }
}
