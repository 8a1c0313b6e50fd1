// What the page knows of its node, and who wants to hear of a change. No DOM.

import { line, short } from "./text.js";

const MEMBERS_OF_MAX = 200; // conversations whose members are asked for at the start

export class State {
  constructor(api) {
    this.api = api;
    this.me = { id: "", device: "", name: "", read_receipts: true, typing: true };
    this.methods = new Set();
    this.conversations = []; // newest first
    this.lines = new Map(); // conversation → its newest message
    this.members = new Map(); // conversation → rows of member.list
    this.requests = [];
    this.contacts = [];
    this.presence = new Map(); // account → {state, as_of, source}
    this.typing = new Map(); // conversation → Map(account → until)
    this.link = "begins"; // of the page with its node: begins, linked, away
  }

  #names = new Map(); // conversation → Map(account → its name there)
  #mine = new Map(); // account → my word for a contact
  #elsewhere = null; // account → its name in the newest conversation that has one; null: to be made again
  #heard = new Map();

  /** `told()` runs when one of `topics` changes; the answer ends it. */
  on(topics, told) {
    for (const topic of topics) this.#heard.set(topic, new Set([...(this.#heard.get(topic) ?? []), told]));
    return () => topics.forEach((topic) => this.#heard.get(topic).delete(told));
  }

  tell(...topics) {
    for (const told of new Set(topics.flatMap((topic) => [...(this.#heard.get(topic) ?? [])]))) told();
  }

  // --- reading

  conversation(id) {
    return this.conversations.find((one) => one.id === id);
  }

  /** What to call an account in a conversation: my word for a contact, its name there, in the newest other one, the beginning of its id. */
  name(account, conversation = null) {
    if (!account) return "";
    if (account === this.me.id) return this.me.name || "You";
    return this.#mine.get(account) || this.#names.get(conversation)?.get(account) || this.#anywhere(account) || short(account);
  }

  /** Who is who in a conversation. */
  inside(conversation) {
    return { isMe: (account) => this.isMe(account), name: (account) => this.name(account, conversation) };
  }

  isMe(account) {
    return account === this.me.id;
  }

  /** Whoever is the other in a one-to-one. */
  other(conversation) {
    if (conversation?.mode !== "one-to-one") return null;
    const contact = this.contacts.find((one) => one.conversation === conversation.id);
    return contact?.id ?? this.members.get(conversation.id)?.find((one) => !this.isMe(one.id))?.id ?? null;
  }

  title(conversation) {
    if (!conversation) return "";
    const other = this.other(conversation);
    return line(conversation.title || (other && this.name(other, conversation.id)) || short(conversation.id), 128);
  }

  accountOfDevice(device) {
    if (device === this.me.device) return this.me.id;
    for (const rows of this.members.values()) {
      const row = rows.find((one) => one.devices.includes(device));
      if (row) return row.id;
    }
    return null;
  }

  unread() {
    return this.conversations.reduce((sum, one) => sum + one.unread, 0);
  }

  /** Who types in a conversation just now, without me. */
  typists(conversation, now = Date.now()) {
    return [...(this.typing.get(conversation) ?? [])].filter(([who, until]) => until > now && !this.isMe(who)).map(([who]) => who);
  }

  // --- fetching

  async loadAll() {
    await Promise.all([this.loadMe(), this.loadConversations(), this.loadRequests(), this.loadContacts()]);
    const known = this.conversations.slice(0, MEMBERS_OF_MAX);
    await Promise.all(known.flatMap((one) => [this.loadLine(one.id), this.loadMembers(one.id)]));
  }

  async loadMe() {
    this.me = await this.api.call("account.show");
    this.tell("me");
  }

  async loadConversations() {
    const rows = await this.api.call("conversation.list");
    this.conversations = rows.sort((a, b) => (b.last ?? "").localeCompare(a.last ?? "") || a.id.localeCompare(b.id));
    this.#elsewhere = null;
    this.tell("conversations");
  }

  async loadLine(conversation) {
    const [newest] = await this.#leniently("message.list", { conversation, limit: 1 }, []);
    if (newest) this.lines.set(conversation, newest);
    this.tell("conversations");
  }

  async loadMembers(conversation) {
    const rows = await this.#leniently("member.list", { conversation, local: true }, null);
    if (!rows) return;
    this.members.set(conversation, rows);
    this.#names.set(conversation, new Map(rows.map((row) => [row.id, line(row.name, 64)])));
    this.#elsewhere = null;
    this.tell("members", "names");
  }

  async loadRequests() {
    this.requests = await this.api.call("request.list");
    this.tell("requests");
  }

  async loadContacts() {
    const [contacts, presence] = await Promise.all([this.api.call("contact.list"), this.api.call("presence")]);
    this.contacts = contacts;
    this.#mine = new Map(contacts.map((one) => [one.id, line(one.name, 64)]));
    this.presence = new Map(presence.map((row) => [row.id, row]));
    this.tell("contacts", "names");
  }

  noteTyping({ conversation, account, on }) {
    const here = this.typing.get(conversation) ?? new Map();
    here.set(account, on ? Date.now() + 12_000 : 0);
    this.typing.set(conversation, here);
    this.tell("typing");
  }

  /** A conversation may have gone, or have no history yet: then there is nothing to show, and no fault to tell. */
  async #leniently(method, params, otherwise) {
    try {
      return await this.api.call(method, params);
    } catch (fault) {
      if (fault.code) return otherwise;
      throw fault;
    }
  }

  #anywhere(account) {
    if (this.#elsewhere === null) {
      this.#elsewhere = new Map();
      const rooms = [...this.conversations.map((one) => one.id), ...this.#names.keys()]; // last: what is in the list no more
      for (const room of rooms) {
        for (const [who, name] of this.#names.get(room) ?? []) if (name && !this.#elsewhere.has(who)) this.#elsewhere.set(who, name);
      }
    }
    return this.#elsewhere.get(account);
  }
}
