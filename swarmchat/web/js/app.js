// The page as a whole: what it shows by its address, what comes from the node, and what happens when that is away.

import { Api, Away, Denied } from "./api.js";
import { fill, h } from "./dom.js";
import { Events } from "./events.js";
import { News } from "./news.js";
import { soon } from "./soon.js";
import { State } from "./state.js";
import { begin } from "./views/begin.js";
import { drawContacts } from "./views/contacts.js";
import { drawDevices } from "./views/devices.js";
import { told } from "./views/dialogs.js";
import { drawDoctor } from "./views/doctor.js";
import { drawMesh } from "./views/mesh.js";
import { empty } from "./views/parts.js";
import { Room } from "./views/room.js";
import { drawSettings } from "./views/settings.js";
import { help, listen } from "./views/shortcuts.js";
import { Sidebar } from "./views/sidebar.js";
import { drawSync } from "./views/sync.js";
import { toast } from "./views/toast.js";
import { away } from "./views/welcome.js";

const AGAIN_MS = 1500;
const GATHER_MS = 30;
const LOOK_MS = 4000; // what no event tells of is looked at so often while it is shown

/** Of each page: its title, what draws it, the topics after which it is drawn again, whether it is looked at again by the clock. */
const PAGES = {
  contacts: ["Contacts", (app) => drawContacts(app), ["contacts"]],
  mesh: ["Mesh", (app) => drawMesh(app), ["links", "names"], true],
  sync: ["Sync", (app) => drawSync(app, null), ["activity", "links"], true],
  devices: ["Devices", (app, again) => drawDevices(app, again), ["devices"]],
  doctor: ["Doctor", (app, again) => drawDoctor(app, again), []],
  settings: ["Settings", (app, again) => drawSettings(app, again), []],
};
const NODE_PAGES = ["mesh", "sync", "devices", "doctor", "settings"];

export class App {
  #room = null;
  #off = () => {};
  #events = null;
  #round = 0;

  /** `denied()` when the token is not known. */
  constructor(root, token, { denied, logOut }) {
    this.root = root;
    this.denied = denied;
    this.logOut = logOut;
    this.api = new Api(token, { denied: () => this.#end(denied) });
    this.state = new State(this.api);
    this.news = new News(this.state, (room) => (this.#room?.id === room ? this.#room.timeline : undefined));
    this.route = { page: "chats" };
    this.help = help;
  }

  async start() {
    for (;;) {
      try {
        const { last } = await this.api.call("events.list", { limit: 1 });
        const { methods } = await this.api.call("rpc.discover");
        this.state.methods = new Set(methods.map((one) => one.name));
        await this.state.loadAll();
        this.#frame();
        this.#follow(last);
        return;
      } catch (fault) {
        if (fault instanceof Denied) return;
        if (!(fault instanceof Away)) throw fault;
        await new Promise((resolve) => {
          const timer = setTimeout(resolve, AGAIN_MS);
          fill(this.root, away(() => { clearTimeout(timer); resolve(); }));
        });
      }
    }
  }

  go(address) {
    if (location.hash === address) this.#show();
    else location.hash = address;
  }

  begin() {
    begin(this);
  }

  /** Open a conversation at a message. */
  async jump(conversation, message) {
    if (this.#room?.id !== conversation) {
      history.pushState(null, "", `#/c/${conversation}`);
      await this.#show();
    }
    if (!(await this.#room.jump(message))) toast("This message is not shown here: it is hidden, or not here yet.");
  }

  // --- inside

  #frame() {
    this.sidebar = new Sidebar(this);
    this.sidebar.search.offer(this.state.methods.has("search"));
    this.main = h("main", { class: "main", tabindex: "-1" });
    this.banner = h("div", { class: "banner", role: "status", hidden: true });
    fill(this.root, h("div", { class: "frame" }, this.banner, this.sidebar.node, this.main));
    addEventListener("hashchange", () => this.#show());
    addEventListener("focus", () => this.#room?.seenAgain());
    document.addEventListener("visibilitychange", () => this.#room?.seenAgain());
    this.#listen();
    this.#show();
  }

  async #show() {
    this.#room?.close();
    this.#room = null;
    this.#off();
    this.#off = () => {};
    const [page, id] = location.hash.replace(/^#\/?/, "").split("/");
    const frame = this.main.parentElement;
    if (page === "c" && /^[0-9a-f]{40}$/.test(id ?? "")) {
      this.route = { page: "room", id };
      const room = (this.#room = new Room(this, id));
      frame.dataset.show = "main";
      fill(this.main, room.node);
      this.sidebar.draw();
      try {
        await room.show();
      } catch (fault) {
        if (!(fault instanceof Away || fault instanceof Denied)) throw fault; // who is away is loaded again later
      }
    } else if (PAGES[page]) {
      this.route = { page };
      frame.dataset.show = "main";
      this.sidebar.draw();
      await this.#showPage(page);
    } else {
      this.route = { page: "chats" };
      frame.dataset.show = "sidebar";
      this.sidebar.draw();
      fill(this.main, empty("chats", "Choose a conversation", h("p", {}, "or press Alt+N to begin one. ? lists the keys.")));
    }
  }

  async #showPage(page) {
    const [title, draw, topics, clocked] = PAGES[page];
    const body = h("div", { class: "page-body", role: "region", tabindex: "0", "aria-label": title });
    const tabs = NODE_PAGES.includes(page) && h("nav", { class: "tabs", "aria-label": "About this node" }, NODE_PAGES.map((name) => h("a", { class: "tab", href: `#/${name}`, "aria-current": name === page ? "page" : null }, PAGES[name][0])));
    fill(this.main, h("section", { class: "page" }, h("header", { class: "page-head" }, h("a", { class: "icon-button only-narrow", href: "#/", "aria-label": "Back" }, "‹"), h("h1", {}, title)), tabs, body));
    let round = 0;
    const again = async () => {
      const mine = ++round;
      try {
        const drawn = await draw(this, again);
        if (mine === round) fill(body, drawn);
      } catch (fault) {
        if (mine === round) fill(body, h("p", { class: "fault" }, told(fault)));
      }
    };
    const deaf = this.state.on([...topics, "anew"], soon(() => round && again(), GATHER_MS));
    const clock = clocked && setInterval(() => document.visibilityState === "visible" && again(), LOOK_MS);
    this.#off = () => {
      deaf();
      clearInterval(clock);
    };
    await again();
  }

  #follow(since) {
    this.#events = new Events(this.api, {
      seen: (event) => this.news.take(event),
      gap: () => this.#loadAnew(),
      state: (state) => this.#linked(state),
    });
    this.#events.follow(since);
  }

  #linked(state) {
    if (state === "denied") {
      this.#end(this.denied);
      return;
    }
    const before = this.state.link;
    this.state.link = state;
    this.banner.hidden = state === "linked";
    fill(this.banner, state === "linked" ? [] : "The node is away. Trying again … What you write stays in its field.");
    this.state.tell("link");
    if (before !== state && state === "linked" && before === "away") this.#loadAnew(); // typing, presence and marks are no events that wait
  }

  /** Events were lost, or links: what is shown is loaded again. */
  async #loadAnew() {
    const round = ++this.#round;
    try {
      await this.state.loadAll();
      if (round !== this.#round) return;
      await this.#room?.reload();
      this.state.tell("anew");
    } catch (fault) {
      if (!(fault instanceof Away || fault instanceof Denied)) toast(told(fault));
    }
  }

  #end(then) {
    this.#events?.stop();
    then();
  }

  #listen() {
    const room = (does) => () => (this.#room ? does(this.#room) : false);
    listen({
      "?": () => help(),
      "/": () => this.sidebar.search.focus(),
      c: room((one) => one.composer?.focus()),
      "Alt+ArrowUp": () => this.sidebar.step(-1),
      "Alt+ArrowDown": () => this.sidebar.step(1),
      "Alt+N": () => this.begin(),
      "Alt+L": room((one) => one.messages.focus()),
      "Alt+M": room((one) => one.panel.toggle("members")),
      "Alt+S": room((one) => one.panel.toggle("sync")),
      "Alt+G": room((one) => one.panel.toggle("graph")),
      "Alt+I": room((one) => one.panel.toggle("about")),
      Escape: room((one) => {
        if (one.panel.isOpen) {
          one.panel.hide();
          one.composer?.focus();
        } else if (matchMedia("(max-width: 799px)").matches) this.go("#/");
        else return false;
        return true;
      }),
    });
  }
}
