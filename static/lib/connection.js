/** One participant's WebSocket: hello, replies by id, keys, heartbeat, and coming back after a drop. */

import { Emitter } from "./emitter.js";
import { growing } from "./pause.js";
import { Refusal } from "./refusal.js";
import { Requests } from "./requests.js";

/** @typedef {import("./types.js").Message} Message */
/** @typedef {"idle" | "connecting" | "open" | "waiting" | "closed"} ConnectionState */
/** @typedef {{code: number, refusal?: Refusal}} Closing  why it will not come back by itself */

export const SUBPROTOCOL = "carelobby.v1.json";

export const CLOSE = /** @type {const} */ ({
  DRAINING: 4001,
  RATE: 4013,
  TICKET_EXPIRED: 4100,
  BAD_TICKET: 4500,
  DISPLACED: 4509,
  OVER: 4510,
  REMOVED: 4511,
  REVOKED: 4512,
});

/** ms without a word from the server before we ask: browsers cannot see WebSocket pings. */
const SILENCE = 10_000;
/** ms to answer a ping, and to get from nothing to `welcome`. */
const ANSWER = 5_000;
const CONNECT = 10_000;
const LONGEST_DELAY = 15_000;
const DELAYS = { first: 500, longest: LONGEST_DELAY };

/** @param {number} code @returns {boolean} whether the protocol lets us come back after that close code */
export function comesBack(code) {
  return code < 4500 || code > 4999;
}

/** @extends {Emitter<{state: ConnectionState, message: Message, closed: Closing}>} */
export class Connection extends Emitter {
  /** @type {ConnectionState} */
  state = "idle";
  /** How far the server's clock is ahead of ours, ms. */
  ahead = 0;

  #url;
  #open;
  #ticket;
  #memory;
  #device;
  #clock;
  #random;
  #newId;
  #requests;

  /** @type {WebSocket | null} */
  #socket = null;
  #attempt = 0;
  #failures = 0;
  #takeover = false;
  #viewed = false;
  #asking = false;
  /** @type {() => void} */
  #callOff = () => {};
  /** @type {() => void} */
  #callOffGoaway = () => {};

  /**
   * @param {Object} needs
   * @param {string} needs.url
   * @param {(url: string, protocol: string) => WebSocket} needs.open
   * @param {() => Promise<string>} needs.ticket  a fresh ticket; a Refusal that is not temporary ends it all
   * @param {import("./memory.js").ResumeMemory} needs.memory
   * @param {() => string} needs.device  asked for at each hello
   * @param {import("./clock.js").Clock} needs.clock
   * @param {() => number} needs.random  0 to 1
   * @param {() => string} needs.newId
   */
  constructor({ url, open, ticket, memory, device, clock, random, newId }) {
    super();
    this.#url = url;
    this.#open = open;
    this.#ticket = ticket;
    this.#memory = memory;
    this.#device = device;
    this.#clock = clock;
    this.#random = random;
    this.#newId = newId;
    this.#requests = new Requests({ clock, random, send: (message) => this.#say(message) });
  }

  /** Connect, if not connected. @param {{takeover?: boolean}} [options]  take over from another device */
  start({ takeover = false } = {}) {
    if (this.state === "open" || this.state === "connecting") return;
    this.#takeover = takeover;
    this.#failures = 0;
    void this.#connect();
  }

  /** Be the one device of this person here: the others are let go. @returns {Promise<boolean>} whether it came to that */
  takeOver() {
    this.#drop(1001);
    this.#takeover = true;
    this.#failures = 0;
    void this.#connect();
    return new Promise((resolve) => {
      const there = new AbortController();
      this.on("state", (state) => {
        if (state !== "open" && state !== "closed") return;
        there.abort();
        resolve(state === "open");
      }, there);
    });
  }

  /** Go for good: the server frees what it kept for us. */
  stop() {
    if (this.state === "open") this.tell("bye");
    this.#memory.clear();
    this.#close({ code: 1000 }, false);
  }

  /** The network or the page woke up: look at once instead of waiting. */
  nudge() {
    if (this.state === "waiting") void this.#connect();
    else if (this.state === "open") this.#ping();
  }

  /** The server's time now, ms, UTC. */
  now() {
    return this.#clock.now() + this.ahead;
  }

  /**
   * Change something. Survives a drop: the same key is sent again, and has one effect.
   * @param {string} type
   * @param {Record<string, unknown>} [fields]
   * @returns {Promise<Message>}
   */
  change(type, fields = {}) {
    if (this.state === "closed") return Promise.reject(new Refusal("lost"));
    return this.#requests.ask(type, fields, this.#newId());
  }

  /**
   * Ask something that is pointless to repeat after a drop; then it fails with `lost`.
   * @param {string} type
   * @param {Record<string, unknown>} [fields]
   * @returns {Promise<Message>}
   */
  ask(type, fields = {}) {
    if (this.state !== "open") return Promise.reject(new Refusal("lost", { temporary: true }));
    return this.#requests.ask(type, fields, undefined);
  }

  /** Say something that needs no answer. @param {string} type @param {Record<string, unknown>} [fields] */
  tell(type, fields = {}) {
    return this.#say({ type, ...fields });
  }

  /** @param {Record<string, unknown>} message @returns {boolean} whether there was a line to say it on */
  #say(message) {
    if (this.state !== "open") return false;
    this.#socket?.send(JSON.stringify(message));
    return true;
  }

  async #connect() {
    const attempt = ++this.#attempt;
    this.#callOff();
    this.#become("connecting");
    const resume = this.#takeover ? null : this.#memory.load();
    /** @type {string | undefined} */
    let ticket;
    if (!resume) {
      try {
        ticket = await this.#ticket();
      } catch (error) {
        if (attempt !== this.#attempt) return;
        const refusal = error instanceof Refusal ? error : new Refusal("internal");
        if (refusal.temporary) this.#later(refusal.retryAfter ? refusal.retryAfter * 1000 : 0);
        else this.#close({ code: CLOSE.BAD_TICKET, refusal });
        return;
      }
      if (attempt !== this.#attempt) return;
    }
    const socket = this.#open(this.#url, SUBPROTOCOL);
    this.#socket = socket;
    const current = () => this.#socket === socket;
    this.#callOff = this.#clock.after(CONNECT, () => this.#lost(1006, resume !== null));
    socket.onopen = () => {
      if (!current()) return;
      const who = resume ? { resume } : { ticket };
      const takeover = this.#takeover ? { takeover: true } : {};
      socket.send(JSON.stringify({ type: "hello", protocol: 1, ...who, device: this.#device(), ...takeover }));
    };
    socket.onmessage = (event) => {
      if (current()) this.#hear(String(event.data));
    };
    socket.onclose = (event) => {
      if (current()) this.#lost(event.code, resume !== null);
    };
  }

  /** @param {string} data */
  #hear(data) {
    /** @type {Message} */
    let message;
    try {
      message = JSON.parse(data);
    } catch {
      return; // not ours to end a session for
    }
    if (typeof message.at === "number") this.ahead = message.at - this.#clock.now();
    if (message.type === "welcome") this.#welcomed(message);
    if (this.state === "open") this.#watch();
    this.#remember(message);
    if (message.type === "view") this.#viewed = true;
    if (message.type === "goaway") this.#moveOn(message);
    if (typeof message.re === "number") this.#requests.settle(message);
    if (message.type === "ok" || (message.type === "error" && typeof message.re === "number")) return;
    this.emit("message", message);
  }

  /** @param {Message} message */
  #welcomed(message) {
    this.#failures = 0;
    this.#takeover = false;
    const before = message.recovered ? this.#memory.load() : null;
    this.#memory.save({
      connection: message.connection,
      secret: message.secret, // a new one each time: an old secret is dead
      epoch: message.epoch ?? before?.epoch ?? null,
      seq: message.seq ?? before?.seq ?? 0,
    });
    this.#become("open");
    this.#requests.resume();
    // A reloaded page missed nothing on the wire, and yet knows nothing.
    if (message.recovered && !this.#viewed) this.ask("sync").catch(() => {});
  }

  /** @param {Message} message */
  #remember({ epoch, seq }) {
    if (typeof seq !== "number") return;
    const resume = this.#memory.load();
    if (resume) this.#memory.save({ ...resume, epoch: epoch ?? resume.epoch, seq });
  }

  /** Wait for the next word; ask when there is none. */
  #watch() {
    this.#callOff();
    this.#asking = false;
    this.#callOff = this.#clock.after(SILENCE, () => this.#ping());
  }

  #ping() {
    if (this.#asking) return;
    this.#callOff();
    this.#asking = true;
    this.tell("ping", { id: this.#requests.nextId() });
    this.#callOff = this.#clock.after(ANSWER, () => this.#lost(1006, false));
  }

  /** This node is draining: go to another one, not all of us at once. @param {Message} message */
  #moveOn({ after = 0, jitter = 0 }) {
    this.#callOffGoaway();
    this.#callOffGoaway = this.#clock.after(after + this.#random() * jitter, () => {
      this.#drop(1001);
      void this.#connect();
    });
  }

  /**
   * @param {number} code
   * @param {boolean} resumed  whether that try was a resume
   */
  #lost(code, resumed) {
    this.#drop(code);
    if (code === CLOSE.BAD_TICKET && resumed) {
      this.#memory.clear(); // too late to resume: the link or the sign-in still opens the door
      void this.#connect();
    } else if (!comesBack(code)) {
      this.#memory.clear();
      this.#close({ code });
    } else {
      if (code === CLOSE.TICKET_EXPIRED) this.#memory.clear();
      this.#later(code === CLOSE.RATE ? LONGEST_DELAY / 3 : 0);
    }
  }

  /** @param {number} atLeast  ms */
  #later(atLeast) {
    const wait = atLeast + growing(this.#failures++, this.#random, DELAYS);
    this.#become("waiting");
    this.#callOff();
    this.#callOff = this.#clock.after(wait, () => void this.#connect());
  }

  /** Let the socket go. @param {number} code */
  #drop(code) {
    this.#callOff();
    this.#callOffGoaway();
    this.#asking = false;
    const socket = this.#socket;
    this.#socket = null;
    if (socket) {
      socket.onopen = socket.onmessage = socket.onclose = null;
      if (socket.readyState < 2) socket.close(code === 1001 ? 1000 : undefined);
    }
    this.#requests.interrupt();
  }

  /**
   * @param {Closing} closing
   * @param {boolean} [tell]
   */
  #close(closing, tell = true) {
    this.#attempt += 1;
    this.#drop(closing.code);
    this.#become("closed");
    this.#requests.end();
    if (tell) this.emit("closed", closing);
  }

  /** @param {ConnectionState} state */
  #become(state) {
    if (this.state === state) return;
    this.state = state;
    this.emit("state", state);
  }
}
