// JSON-RPC over POST /api/v1/rpc. Calls that are made in the same moment go as one batch.

/** The node answered, and the answer is no. `code` is the number of JSON-RPC, `hint` what its user can do, if anything. */
export class Refused extends Error {
  constructor({ code, message, hint, data }) {
    super(message);
    this.code = code;
    this.hint = data?.hint ?? hint ?? null;
  }
}

/** The node does not know the token. */
export class Denied extends Error {}

/** Nobody answers: the daemon is not running, or the way to it is cut. */
export class Away extends Error {}

const BATCH_MAX = 40;

export class Api {
  #token;
  #number = 0;
  #waiting = [];

  /** `denied` is told when the node does not know the token at all. */
  constructor(token, { denied = () => {} } = {}) {
    this.#token = token;
    this.denied = denied;
  }

  get headers() {
    return { Authorization: `Bearer ${this.#token}` };
  }

  /** The result of one method; raises Refused, Denied or Away. */
  call(method, params = {}) {
    return new Promise((resolve, reject) => {
      if (this.#waiting.length === 0) queueMicrotask(() => this.#flush());
      this.#waiting.push({ request: { jsonrpc: "2.0", id: ++this.#number, method, params }, resolve, reject });
    });
  }

  /** The same in a request of its own: for what may take long, for a batch is answered when its slowest call is. */
  alone(method, params = {}) {
    return new Promise((resolve, reject) => {
      this.#post([{ request: { jsonrpc: "2.0", id: ++this.#number, method, params }, resolve, reject }]);
    });
  }

  #flush() {
    const all = this.#waiting;
    this.#waiting = [];
    for (let at = 0; at < all.length; at += BATCH_MAX) this.#post(all.slice(at, at + BATCH_MAX));
  }

  async #post(calls) {
    try {
      const alone = calls.length === 1;
      const answer = await this.#sent(alone ? calls[0].request : calls.map((call) => call.request));
      const byId = new Map((Array.isArray(answer) ? answer : [answer]).map((one) => [one?.id, one]));
      const common = Array.isArray(answer) ? null : answer;
      for (const call of calls) {
        const mine = byId.get(call.request.id) ?? common;
        if (mine && "result" in mine) call.resolve(mine.result);
        else call.reject(new Refused(mine?.error ?? { code: 0, message: "the node gave no answer" }));
      }
    } catch (fault) {
      for (const call of calls) call.reject(fault);
    }
  }

  async #sent(body) {
    let response;
    try {
      response = await fetch("api/v1/rpc", {
        method: "POST",
        headers: { ...this.headers, "Content-Type": "application/json" },
        body: JSON.stringify(body),
        cache: "no-store",
        credentials: "omit",
      });
    } catch {
      throw new Away("the node does not answer");
    }
    if (response.status === 401) {
      this.denied();
      throw new Denied("the node does not know this token");
    }
    const answer = response.status === 429 || response.status === 503 ? null : await json(response);
    if (answer === null) throw new Away(`the node answered ${response.status}`);
    return answer;
  }
}

async function json(response) {
  try {
    const answer = await response.json();
    return Array.isArray(answer) || (answer && ("result" in answer || answer.error?.code)) ? answer : null;
  } catch {
    return null;
  }
}
