// From events to what has to be fetched again: many events of one moment become one question each. (SCP-08 §3.3)

const GATHER_MS = 40;

export class News {
  #conversations = new Set(); // whose row in the list is old
  #members = new Set();
  #wants = new Set();
  #timer = null;

  constructor(state, timelines) {
    this.state = state;
    this.timelines = timelines; // id → Timeline that is open, if any
  }

  take(event) {
    const { type, data } = event;
    const room = data.conversation;
    const timeline = this.timelines(room);
    switch (type) {
      case "typing":
        this.state.noteTyping(data);
        return;
      case "message.added":
        this.state.noteTyping({ conversation: room, account: data.author, on: false });
        timeline?.added(data.id);
        this.#row(room);
        this.#members.add(room); // a text may be the first under another name
        break;
      case "message.updated":
        timeline?.touched(data.id);
        this.#row(room);
        break;
      case "message.hidden":
        timeline?.hidden();
        this.#row(room);
        break;
      case "reaction.added":
      case "reaction.removed":
        timeline?.touched(data.message);
        break;
      case "read":
        timeline?.marksMoved();
        this.#row(room);
        this.#members.add(room);
        break;
      case "effect.changed":
      case "conversation.ready":
        timeline?.hidden();
        this.#row(room);
        this.#members.add(room);
        break;
      case "member.changed":
      case "vote.cast":
      case "vote.resolved":
        this.#members.add(room);
        this.#row(room);
        break;
      case "conversation.added":
      case "conversation.updated":
      case "conversation.removed":
      case "conversation.refused":
      case "conversation.syncing":
        this.#row(room);
        break;
      case "request.added":
      case "request.removed":
        this.#wants.add("requests");
        break;
      case "contact.changed":
      case "peer.online":
      case "peer.offline":
        this.#wants.add("contacts");
        this.#wants.add("links");
        break;
      case "link.up":
      case "link.down":
        timeline?.marksMoved();
        this.#wants.add("links");
        break;
      case "account.changed":
      case "account.revoked":
        this.#wants.add("me");
        break;
      case "device.changed":
        this.#wants.add("devices");
        break;
    }
    this.#soon();
  }

  /** One question at a time: what comes meanwhile waits for the next. */
  #soon() {
    if (this.#timer !== null) return;
    this.#timer = setTimeout(async () => {
      try {
        await this.#fetch();
      } finally {
        this.#timer = null; // whatever went wrong with drawing: there is more to come
      }
      if (this.#conversations.size || this.#members.size || this.#wants.size) this.#soon();
    }, GATHER_MS);
  }

  #row(room) {
    if (room) this.#conversations.add(room);
  }

  async #fetch() {
    const { state } = this;
    const [rooms, members, wants] = [this.#conversations, this.#members, this.#wants];
    this.#conversations = new Set();
    this.#members = new Set();
    this.#wants = new Set();
    const asked = [...rooms].map((room) => state.loadLine(room));
    if (rooms.size) asked.push(state.loadConversations());
    asked.push(...[...members].map((room) => state.loadMembers(room)));
    if (wants.has("requests")) asked.push(state.loadRequests());
    if (wants.has("contacts")) asked.push(state.loadContacts());
    if (wants.has("me")) asked.push(state.loadMe());
    await Promise.allSettled(asked); // who is away is told of by the stream of events
    const topics = [...(members.size ? ["votes"] : []), ...["links", "devices"].filter((topic) => wants.has(topic))];
    state.tell("activity", ...topics);
  }
}
