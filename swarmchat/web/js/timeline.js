// The messages of one conversation as far as they are loaded: always the newest n, without holes. No DOM.

import { prepended, spliced } from "./splice.js";

const PAGE = 60;
const ALL = 10_000; // the most that one call gives
const HIDDEN_MAX = 500;
const GATHER_MS = 30;
const STATUS_MS = [1000, 2000, 4000, 8000, 16_000, 30_000]; // when to ask again how far my last message came

export class Timeline {
  messages = []; // oldest first
  removed = []; // hidden ones, of members who were removed
  whole = false; // whether the first message of all is loaded
  ready = false;
  #byId = new Map();
  #touched = new Set();
  #added = new Set();
  #tail = false;
  #timer = null;
  #busy = Promise.resolve();
  #statusTimer = null;
  #closed = false;

  /** `changed()` after each change. */
  constructor(api, conversation, changed) {
    this.api = api;
    this.conversation = conversation;
    this.changed = changed;
  }

  close() {
    this.#closed = true;
    clearTimeout(this.#timer);
    clearTimeout(this.#statusTimer);
  }

  get(id) {
    return this.#byId.get(id);
  }

  async load() {
    const [page, hidden] = await Promise.all([this.#page(PAGE), this.#hiddenOnes()]);
    this.removed = hidden;
    this.#set(page, page.length < PAGE);
  }

  /** One page more at the beginning. */
  async older() {
    if (this.whole || !this.messages.length) return;
    const before = this.messages[0].id;
    const page = await this.api.call("message.list", { conversation: this.conversation, limit: PAGE * 2, before, local: true });
    if (this.messages[0].id !== before) return; // something else came first
    this.#set(prepended(page, this.messages), page.length === 0);
  }

  /** Load back until `id` is here; whether it is. */
  async reach(id) {
    for (let limit = PAGE * 4; !this.#byId.has(id) && !this.whole; limit *= 4) {
      const page = await this.#page(Math.min(limit, ALL));
      this.#set(page, page.length < limit && limit < ALL);
      if (limit >= ALL) break;
    }
    while (!this.#byId.has(id) && !this.whole) await this.older();
    return this.#byId.has(id);
  }

  // --- news

  added(id) {
    this.#added.add(id);
    this.#soon();
  }

  touched(id) {
    if (this.#byId.has(id)) this.#touched.add(id);
    this.#soon();
  }

  hidden() {
    this.#tail = true;
    this.#added.add("*");
    this.#soon();
  }

  marksMoved() {
    this.#tail = true;
    this.#soon();
  }

  #soon() {
    if (this.#closed || !this.ready) return;
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      this.#busy = this.#busy.then(() => this.#refresh()).catch(() => {}); // away: all is loaded again later
    }, GATHER_MS);
  }

  async #refresh() {
    const [touched, added, tail] = [this.#touched, this.#added, this.#tail];
    this.#touched = new Set();
    this.#added = new Set();
    this.#tail = false;
    if (added.size || tail || touched.size > 20) {
      if (added.has("*")) this.removed = await this.#hiddenOnes();
      await this.#refreshEnd(added);
    }
    for (const id of touched) {
      try {
        this.#replace(await this.api.call("message.show", { conversation: this.conversation, message: id, local: true }));
      } catch (fault) {
        if (!fault.code) throw fault; // else it cannot be seen any more: the others can
      }
    }
    if (touched.size) this.#told();
  }

  /** The newest page anew, and more of it when what was told of stands further back: a merge may add in the middle. */
  async #refreshEnd(added) {
    const everything = added.has("*");
    for (let limit = everything ? ALL : PAGE; ; limit = limit === PAGE ? Math.max(this.messages.length + PAGE, PAGE * 4) : ALL) {
      const page = await this.#page(Math.min(limit, ALL));
      const ids = new Set(page.map((one) => one.id));
      const missing = [...added].some((id) => id !== "*" && !ids.has(id) && !this.#byId.has(id));
      const whole = page.length < limit && limit < ALL;
      const last = limit >= ALL || whole;
      if (!last && missing && limit < this.messages.length) continue;
      const joined = spliced(this.messages, page);
      if (joined === null && !last) continue;
      this.#set(joined ?? page, this.whole || whole);
      return;
    }
  }

  #page(limit) {
    return this.api.call("message.list", { conversation: this.conversation, limit, local: true });
  }

  #hiddenOnes() {
    return this.api.call("message.list", { conversation: this.conversation, limit: HIDDEN_MAX, hidden: true });
  }

  #replace(message) {
    const at = this.messages.findIndex((one) => one.id === message.id);
    if (at < 0) return;
    this.messages[at] = message;
    this.#byId.set(message.id, message);
  }

  #set(messages, whole) {
    this.messages = messages;
    this.whole = whole;
    this.ready = true;
    this.#byId = new Map(messages.map((one) => [one.id, one]));
    this.#told();
  }

  #told() {
    if (!this.#closed) this.changed();
  }

  /** No event tells that a message reached somebody: ask for a while, ever more seldom, until it has. */
  watchStatus(id, attempt = 0) {
    clearTimeout(this.#statusTimer);
    if (attempt >= STATUS_MS.length) return;
    this.#statusTimer = setTimeout(async () => {
      if (this.#closed || this.#byId.get(id)?.status?.state !== "written") return;
      this.marksMoved(); // those before it wait for the same
      this.watchStatus(id, attempt + 1);
    }, STATUS_MS[attempt]);
  }
}
