// Beside a conversation: members and votes, sync state, commit graph, what it is. One at a time.

import { fill, h } from "../dom.js";
import { soon } from "../soon.js";
import { drawAbout } from "./about.js";
import { drawGraph } from "./graph.js";
import { drawMembers } from "./members.js";
import { iconButton } from "./parts.js";
import { drawSync } from "./sync.js";

const GATHER_MS = 30;
const LOOK_MS = 4000; // no event tells that a device has more than before
const TABS = { members: ["Members", drawMembers], sync: ["Sync", drawSync], graph: ["Graph", drawGraph], about: ["About", drawAbout] };

export class Panel {
  #tab = null;
  #off;
  #round = 0;

  constructor(app, conversation) {
    this.app = app;
    this.conversation = conversation;
    this.body = h("div", { class: "panel-body", role: "tabpanel", id: "panel-body", tabindex: "0", "aria-label": "What is open beside the conversation" });
    this.tabs = h("div", { class: "tabs", role: "tablist", "aria-label": "About this conversation", onkeydown: (event) => this.#key(event) });
    this.node = h("aside", { class: "panel", hidden: true, "aria-label": "About this conversation" }, h("header", {}, this.tabs, iconButton("close", "Close (Esc)", () => this.hide())), this.body);
    const clock = setInterval(() => this.#tab === "sync" && document.visibilityState === "visible" && this.refresh(), LOOK_MS);
    const deaf = app.state.on(["members", "votes", "names", "links", "activity", "contacts"], soon(() => this.refresh(), GATHER_MS));
    this.#off = () => {
      deaf();
      clearInterval(clock);
    };
  }

  get isOpen() {
    return this.#tab !== null;
  }

  toggle(tab) {
    if (this.#tab === tab) {
      this.hide();
      return;
    }
    this.#tab = tab;
    this.node.hidden = false;
    this.node.dataset.tab = tab;
    this.#drawTabs();
    fill(this.body);
    this.refresh();
    this.tabs.querySelector("[aria-selected=true]").focus();
  }

  hide() {
    this.#tab = null;
    this.node.hidden = true;
  }

  close() {
    this.#off();
  }

  /** Draw anew what is open; the newest answer wins. */
  async refresh() {
    if (!this.#tab) return;
    const round = ++this.#round;
    try {
      const drawn = await TABS[this.#tab][1](this.app, this.conversation, () => this.refresh());
      if (round === this.#round) fill(this.body, drawn);
    } catch (fault) {
      if (round === this.#round && fault.code) fill(this.body, h("p", { class: "fault" }, fault.message));
    }
  }

  #drawTabs() {
    fill(
      this.tabs,
      Object.entries(TABS).map(([tab, [words]]) =>
        h("button", { type: "button", role: "tab", class: "tab", "data-key": `tab-${tab}`, "aria-selected": String(tab === this.#tab), "aria-controls": "panel-body", tabindex: tab === this.#tab ? "0" : "-1", onclick: () => this.#tab !== tab && this.toggle(tab) }, words),
      ),
    );
  }

  #key(event) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const names = Object.keys(TABS);
    this.toggle(names[(names.indexOf(this.#tab) + step + names.length) % names.length]);
    event.preventDefault();
  }
}
