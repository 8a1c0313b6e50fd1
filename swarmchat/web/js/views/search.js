// Full-text search over all conversations, where the node can do it.

import { fill, h } from "../dom.js";
import { briefTime, plain } from "../text.js";
import { speaker, voice } from "../words.js";
import { icon } from "./icons.js";
import { nameOf } from "./parts.js";

const WAIT_MS = 180;
const PAGE = 30;

export class SearchBox {
  #timer = null;
  #round = 0;

  constructor(app, changed) {
    this.app = app;
    this.changed = changed;
    this.field = h("input", { type: "search", class: "search-field", placeholder: "Search", "aria-label": "Search in all messages", autocomplete: "off", oninput: () => this.#typed(), onkeydown: (event) => this.#key(event) });
    this.node = h("div", { class: "search", role: "search", hidden: true }, icon("search"), this.field);
    this.found = h("div", { class: "hits", hidden: true, role: "region", "aria-label": "What was found", "aria-live": "polite" });
  }

  get isActive() {
    return this.field.value.trim().length > 0;
  }

  /** Whether this node has the method `search`. */
  offer(able) {
    this.node.hidden = !able;
  }

  focus() {
    if (!this.node.hidden) this.field.focus();
  }

  #typed() {
    clearTimeout(this.#timer);
    this.found.hidden = !this.isActive;
    this.changed();
    if (this.isActive) this.#timer = setTimeout(() => this.#search(), WAIT_MS);
    else fill(this.found);
  }

  async #search() {
    const round = ++this.#round;
    const text = this.field.value.trim();
    if (!text) return;
    try {
      const { hits, more } = await this.app.api.call("search", { text, limit: PAGE });
      if (round !== this.#round || !this.isActive) return;
      fill(
        this.found,
        h("p", { class: "muted small" }, hits.length === 0 ? "Nothing was found." : `${hits.length}${more ? " or more" : ""} found`),
        h("ul", {}, hits.map((hit) => h("li", {}, this.#hit(hit)))),
      );
    } catch (fault) {
      if (round === this.#round) fill(this.found, h("p", { class: "muted small" }, fault.message));
    }
  }

  #hit(hit) {
    const { state } = this.app;
    const open = () => this.app.jump(hit.conversation, hit.message.id);
    return h(
      "button",
      { type: "button", class: "hit", onclick: open },
      h("div", { class: "conversation-top" }, h("bdi", { class: "muted small" }, state.title(state.conversation(hit.conversation))), h("time", { class: "muted small", datetime: hit.message.time }, briefTime(hit.message.time))),
      h("div", {}, nameOf(voice(hit.message), speaker(hit.message, (who) => state.name(who, hit.conversation))), " ", h("bdi", {}, hit.snippet.map((part) => (part.match ? h("mark", {}, plain(part.text)) : plain(part.text))))),
    );
  }

  #key(event) {
    if (event.key === "Escape" && this.field.value) {
      this.field.value = "";
      this.#typed();
      event.stopPropagation();
    } else if (event.key === "ArrowDown" || (event.key === "Enter" && this.isActive)) {
      this.found.querySelector("button")?.focus();
      event.preventDefault();
    }
  }
}
