// Where one writes: Enter sends, Shift+Enter begins a line, ↑ in an empty field edits the last own message.

import { fill, h } from "../dom.js";
import { line } from "../text.js";
import { speaker, voice } from "../words.js";
import { icon } from "./icons.js";
import { iconButton, nameOf } from "./parts.js";
import { trying } from "./toast.js";

const TYPING_AGAIN_MS = 5000;
const TYPING_ENDS_MS = 6000;
const drafts = new Map(); // conversation → text, as long as the page lives

export class Composer {
  #reply = null;
  #editing = null;
  #sending = false;
  #typingUntil = 0;
  #typingTimer = null;

  /** `sent(id)` after each message; `lastOwn()` is the newest message of mine. */
  constructor(app, conversation, { sent, lastOwn, titled }) {
    this.app = app;
    this.conversation = conversation;
    this.sent = sent;
    this.lastOwn = lastOwn;
    this.about = h("div", { class: "about" });
    this.field = h("textarea", {
      class: "write",
      rows: 1,
      placeholder: "Message",
      "aria-label": `Message to ${titled}`,
      maxlength: 65_536,
      value: drafts.get(conversation) ?? "",
      oninput: () => this.#typed(),
      onkeydown: (event) => this.#key(event),
    });
    this.node = h(
      "form",
      { class: "composer", onsubmit: (event) => { event.preventDefault(); this.send(); } },
      this.about,
      h("div", { class: "write-row" }, this.field, h("button", { type: "submit", class: "icon-button primary", "aria-label": "Send", title: "Send (Enter)" }, icon("send"))),
    );
    requestAnimationFrame(() => this.#grow());
  }

  focus() {
    this.field.focus();
  }

  reply(message) {
    this.#editing = null;
    this.#reply = message;
    this.#draw();
    this.focus();
  }

  edit(message) {
    this.#reply = null;
    this.#editing = message;
    this.field.value = message.body;
    this.#draw();
    this.#grow();
    this.focus();
    this.field.setSelectionRange(message.body.length, message.body.length);
  }

  async send() {
    const text = this.field.value.trim();
    if (!text || this.#sending) return;
    this.#sending = true;
    const { conversation } = this;
    const editing = this.#editing;
    const done = await trying(() =>
      editing
        ? this.app.api.call("message.edit", { conversation, message: editing.id, text })
        : this.app.api.call("message.send", { conversation, text, ...(this.#reply ? { reply_to: this.#reply.id } : {}) }),
    );
    this.#sending = false;
    if (!done) return; // the text stays in the field
    this.#clear();
    this.#typing(false);
    this.sent(editing ? null : done.id);
  }

  leave() {
    clearTimeout(this.#typingTimer);
    if (this.#typingUntil) this.#typing(false);
  }

  #clear() {
    if (!this.#editing) drafts.delete(this.conversation);
    this.field.value = drafts.get(this.conversation) ?? ""; // what was begun before an edit
    this.#reply = null;
    this.#editing = null;
    this.#draw();
    this.#grow();
  }

  #draw() {
    const message = this.#editing ?? this.#reply;
    const { state } = this.app;
    fill(
      this.about,
      message && h("div", { class: "about-line" },
        h("span", { class: "about-what" }, this.#editing ? "Editing" : "Replying to ", !this.#editing && nameOf(voice(message), speaker(message, (who) => state.name(who, this.conversation)))),
        h("bdi", { class: "quoted" }, line(typeof message.body === "string" ? message.body : message.type, 90)),
        iconButton("close", this.#editing ? "Stop editing" : "No reply", () => { this.#editing ? this.#clear() : this.#unreply(); this.focus(); }),
      ),
    );
  }

  #unreply() {
    this.#reply = null;
    this.#draw();
  }

  #typed() {
    this.#grow();
    if (!this.#editing) drafts.set(this.conversation, this.field.value);
    if (!this.app.state.me.typing) return;
    if (this.field.value && Date.now() > this.#typingUntil) this.#typing(true);
    clearTimeout(this.#typingTimer);
    this.#typingTimer = setTimeout(() => this.#typingUntil && this.#typing(false), TYPING_ENDS_MS);
  }

  /** Nobody is told of it when this fails: it is a courtesy. */
  #typing(on) {
    if (!on && !this.#typingUntil) return;
    this.#typingUntil = on ? Date.now() + TYPING_AGAIN_MS : 0;
    this.app.api.call("message.typing", { conversation: this.conversation, on }).catch(() => {});
  }

  #key(event) {
    if (event.isComposing) return;
    if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      this.send();
    } else if (event.key === "ArrowUp" && this.field.value === "") {
      const mine = this.lastOwn();
      if (mine) {
        event.preventDefault();
        this.edit(mine);
      }
    } else if (event.key === "Escape" && (this.#reply || this.#editing)) {
      event.preventDefault();
      event.stopPropagation();
      if (this.#editing) this.#clear();
      else this.#unreply();
    }
  }

  #grow() {
    this.field.style.height = "auto";
    this.field.style.height = `${Math.min(this.field.scrollHeight, 200)}px`;
  }
}
