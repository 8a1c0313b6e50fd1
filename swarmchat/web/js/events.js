// Follows the events of the node: GET /api/v1/events as a stream, and from where it broke off when it breaks off.

import { Reader } from "./sse.js";

const PATIENCE_MS = [250, 500, 1000, 2000, 4000];
const SILENCE_MS = 90_000; // the node sends a comment more often than this

/** `seen(event)`, `gap()` when events are lost for good, `state("linked" | "away" | "denied")`. */
export class Events {
  #since = 0;
  #failures = 0;
  #stop = new AbortController();
  #hurry = () => {};

  constructor(api, { seen, gap, state }) {
    this.api = api;
    this.seen = seen;
    this.gap = gap;
    this.state = state;
    for (const name of ["online", "focus"]) addEventListener(name, () => this.#hurry(), { signal: this.#stop.signal });
  }

  /** Follow from the event `since` on, for ever. */
  async follow(since) {
    this.#since = since;
    while (!this.#stop.signal.aborted) {
      const went = await this.#once();
      if (went === "denied" || this.#stop.signal.aborted) return;
      this.state("away");
      await this.#pause(PATIENCE_MS[Math.min(this.#failures++, PATIENCE_MS.length - 1)]);
    }
  }

  stop() {
    this.#stop.abort();
  }

  async #once() {
    const line = new AbortController();
    const end = () => line.abort();
    this.#stop.signal.addEventListener("abort", end);
    let watch = setTimeout(end, SILENCE_MS);
    try {
      const response = await fetch(`api/v1/events?since=${this.#since}`, {
        headers: { ...this.api.headers, Accept: "text/event-stream" },
        cache: "no-store",
        credentials: "omit",
        signal: line.signal,
      });
      if (response.status === 401) {
        this.state("denied");
        return "denied";
      }
      if (response.status === 400) return await this.#startAnew();
      if (!response.ok || !response.body) return "away";
      this.#failures = 0;
      this.state("linked");
      const bytes = response.body.pipeThrough(new TextDecoderStream()).getReader();
      const reader = new Reader();
      for (;;) {
        const { done, value } = await bytes.read();
        if (done) return "ended";
        clearTimeout(watch);
        watch = setTimeout(end, SILENCE_MS);
        for (const one of reader.feed(value)) await this.#take(one);
      }
    } catch {
      return "away";
    } finally {
      clearTimeout(watch);
      this.#stop.signal.removeEventListener("abort", end);
    }
  }

  async #take({ name, data }) {
    const event = parsed(data);
    if (!event) return;
    if (name === "gap" || event.type === undefined) {
      if (Number.isInteger(event.to)) this.#since = Math.max(this.#since, event.to);
      if (name === "gap") await this.gap();
      return;
    }
    if (Number.isInteger(event.id)) this.#since = event.id;
    this.seen(event);
  }

  /** The log of the node was begun anew and does not know our number. */
  async #startAnew() {
    const { last } = await this.api.call("events.list", { limit: 1 });
    this.#since = last;
    await this.gap();
    return "anew";
  }

  #pause(ms) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#hurry = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

function parsed(data) {
  try {
    const value = JSON.parse(data);
    return value && typeof value === "object" ? value : null;
  } catch {
    return null;
  }
}
