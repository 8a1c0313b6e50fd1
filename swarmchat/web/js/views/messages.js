// The scrolling list of a conversation. Only a window of rows is in the document, however many are loaded.

import { arrange, h } from "../dom.js";
import { rowsOf } from "../rows.js";
import { rowNode, signature } from "./message.js";

const WINDOW = 160; // rows in the document
const STEP = 60; // rows that come or go at one end
const NEAR_PX = 400;
const BOTTOM_PX = 60;

export class MessageList {
  #made = new Map(); // key → {node, signature}
  #rows = [];
  #start = 0;
  #end = 0; // of the window
  #open = new Set(); // folds
  #current = null; // id of the message that has the keyboard
  #busy = false;
  #stuck = true; // whether the newest is in sight and shall stay so

  constructor(timeline, people, acts, { seen, readUpTo }) {
    this.timeline = timeline;
    this.people = people;
    this.readUpTo = readUpTo;
    this.seen = seen;
    this.acts = { ...acts, unfold: (key) => this.#unfold(key), jump: (id) => this.jump(id) };
    this.list = h("ol", { class: "messages", "aria-label": "Messages", onkeydown: (event) => this.#key(event), onfocusin: (event) => this.#focused(event) });
    this.latest = h("button", { type: "button", class: "latest", hidden: true, onclick: () => this.toEnd() }, "Newest messages ↓");
    this.node = h("div", { class: "scroller", tabindex: "-1", onscroll: () => this.#scrolled() }, this.list);
    this.sizes = new ResizeObserver(() => {
      if (this.#stuck) this.node.scrollTop = this.node.scrollHeight; // beside a panel, above a keyboard
    });
    this.sizes.observe(this.node);
  }

  /** Show what the timeline holds now. */
  update() {
    const isMe = (who) => this.people.isMe(who);
    const { messages, removed } = this.timeline;
    const stuck = this.#stuck;
    const first = this.#rows.slice(this.#start, this.#end).find((row) => row.message)?.key; // days come and go with what is above
    this.#rows = rowsOf(messages, { hidden: removed, open: this.#open, readUpTo: this.readUpTo, isMe });
    if (stuck || first === undefined) {
      this.#end = this.#rows.length;
      this.#start = Math.max(0, this.#end - WINDOW);
    } else {
      const size = this.#end - this.#start;
      const at = this.#rows.findIndex((row) => row.key === first);
      this.#start = at < 0 ? Math.max(0, this.#rows.length - size) : at;
      this.#end = Math.min(this.#rows.length, this.#start + Math.max(size, STEP));
    }
    this.#keeping(() => this.#draw(), stuck);
    this.#scrolled();
  }

  close() {
    this.sizes.disconnect();
  }

  /** Whether the newest is in sight. */
  get isAtEnd() {
    return this.#stuck;
  }

  toEnd() {
    this.#stuck = true;
    this.update();
    this.node.scrollTop = this.node.scrollHeight;
  }

  /** Bring a message into sight and give it the keyboard. */
  async jump(id) {
    if (!(await this.timeline.reach(id))) return false;
    this.#stuck = false;
    const at = this.#rows.findIndex((row) => row.message?.id === id);
    if (at < 0) return false;
    this.#start = Math.max(0, at - WINDOW / 2);
    this.#end = Math.min(this.#rows.length, this.#start + WINDOW);
    this.#draw();
    const node = this.#made.get(id)?.node;
    node?.scrollIntoView({ block: "center" });
    node?.focus({ preventScroll: true });
    node?.classList.add("found");
    setTimeout(() => node?.classList.remove("found"), 2000);
    return true;
  }

  /** Give the keyboard to the newest message. */
  focus() {
    const nodes = this.list.querySelectorAll("[data-id]");
    nodes[nodes.length - 1]?.focus();
  }

  // --- the window

  #draw() {
    const shown = this.#rows.slice(this.#start, this.#end);
    const made = new Map();
    const byId = (id) => this.timeline.get(id);
    for (const row of shown) {
      if (row.message?.reply_to) {
        const answered = byId(row.message.reply_to);
        row.quote = answered ? { known: true, author: answered.author, via: answered.via, text: typeof answered.body === "string" ? answered.body : answered.type } : { known: false };
      }
      const look = signature(row, this.people);
      const before = this.#made.get(row.key);
      const held = before?.node.contains(document.activeElement) && document.activeElement.dataset.id !== undefined;
      const node = before?.signature === look ? before.node : rowNode(row, this.people, this.acts);
      made.set(row.key, { node, signature: look, refocus: held && node !== before.node });
    }
    this.#made = made;
    arrange(this.list, [...made.values()].map((one) => one.node));
    for (const one of made.values()) if (one.refocus) one.node.focus({ preventScroll: true });
    this.#tabStop();
    this.latest.hidden = this.#stuck;
  }

  /** Change the list; what is in sight stays where it is, or the newest stays in sight. */
  #keeping(change, stuck) {
    if (stuck) {
      change();
      this.node.scrollTop = this.node.scrollHeight;
      return;
    }
    const top = this.node.scrollTop;
    const anchor = [...this.list.children].find((node) => node.offsetTop + node.offsetHeight > top && node.dataset.id);
    const before = anchor?.offsetTop;
    const id = anchor?.dataset.id;
    change();
    const now = id && this.#made.get(id)?.node;
    if (now) this.node.scrollTop = top + (now.offsetTop - before);
  }

  async #scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.node;
    if (clientHeight === 0) return;
    const atEnd = this.#end >= this.#rows.length;
    this.#stuck = atEnd && scrollHeight - scrollTop - clientHeight < BOTTOM_PX;
    this.latest.hidden = this.#stuck;
    if (this.#stuck) this.seen();
    if (this.#busy) return;
    if (scrollTop < NEAR_PX && (this.#start > 0 || !this.timeline.whole)) await this.#backwards();
    else if (scrollHeight - scrollTop - clientHeight < NEAR_PX && !atEnd) this.#forwards();
  }

  async #backwards() {
    this.#busy = true;
    try {
      if (this.#start === 0) {
        const first = this.#rows[0]?.key;
        await this.timeline.older(); // tells update(), which keeps the window where it is
        if (this.#rows[0]?.key === first) return;
      }
      this.#keeping(() => {
        this.#start = Math.max(0, this.#start - STEP);
        if (!this.#stuck) this.#end = Math.min(this.#end, this.#start + WINDOW + STEP);
        this.#draw();
      }, this.#stuck);
    } catch {
      return; // away: the next scroll asks again
    } finally {
      this.#busy = false;
    }
    if (this.node.scrollHeight <= this.node.clientHeight) this.#scrolled(); // not even one screen is full
  }

  #forwards() {
    this.#keeping(() => {
      this.#end = Math.min(this.#rows.length, this.#end + STEP);
      this.#start = Math.max(this.#start, this.#end - WINDOW - STEP);
      this.#draw();
    }, false);
  }

  #unfold(key) {
    if (!this.#open.delete(key)) this.#open.add(key);
    this.update();
  }

  // --- the keyboard: one message of the list is a tab stop, arrows go from one to the next

  #tabStop() {
    const nodes = [...this.list.querySelectorAll(":scope > [data-id]")];
    const current = nodes.find((node) => node.dataset.id === this.#current) ?? nodes[nodes.length - 1];
    for (const node of nodes) node.tabIndex = node === current ? 0 : -1;
  }

  #focused(event) {
    const node = event.target.closest("[data-id]");
    if (!node) return;
    this.#current = node.dataset.id;
    this.#tabStop();
  }

  #key(event) {
    const node = event.target.closest("[data-id]");
    if (!node || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target !== node) {
      this.#inside(event, node);
      return;
    }
    const message = this.timeline.get(node.dataset.id);
    const mine = message && this.people.isMe(message.author) && !message.via && message.type === "text/plain" && message.body !== "";
    const keys = {
      ArrowUp: () => this.#step(node, -1),
      k: () => this.#step(node, -1),
      ArrowDown: () => this.#step(node, 1),
      j: () => this.#step(node, 1),
      End: () => {
        this.toEnd();
        this.focus();
      },
      r: () => message && this.acts.reply(message),
      x: () => message?.type === "text/plain" && this.acts.palette(message),
      e: () => mine && this.acts.edit(message),
      Delete: () => mine && this.acts.remove(message),
      i: () => message && this.acts.delivery(message),
      Enter: () => node.querySelector(".actions button")?.focus(),
    };
    if (!keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
  }

  /** Among the buttons of one message. */
  #inside(event, node) {
    if (event.key === "Escape") {
      event.stopPropagation();
      node.focus();
    }
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step || !event.target.closest(".actions")) return;
    const buttons = [...node.querySelectorAll(".actions button")];
    buttons[(buttons.indexOf(event.target) + step + buttons.length) % buttons.length].focus();
    event.preventDefault();
  }

  #step(node, by) {
    const nodes = [...this.list.querySelectorAll(":scope > [data-id]")];
    nodes[nodes.indexOf(node) + by]?.focus();
  }
}
