/** What was asked of the server and not answered yet: a promise each, and with a key more than one try. */

import { growing } from "./pause.js";
import { Refusal } from "./refusal.js";

/** @typedef {import("./types.js").Message} Message */

/**
 * @typedef {Object} Pending  a request without an answer yet
 * @property {string} type
 * @property {Record<string, unknown>} fields
 * @property {string | undefined} key      with a key it may be sent again: it has one effect
 * @property {number | undefined} id       of the try now under way
 * @property {number} tries
 * @property {(reply: Message) => void} resolve
 * @property {(error: Refusal) => void} reject
 * @property {() => void} forget           calls its time limit off
 */

/** ms a request may take, reconnecting included. */
const LIMIT = 20_000;
const TRIES = 4;
/** ms between one try and the next, where the server does not say. */
const DELAYS = { first: 500, longest: 15_000 };

export class Requests {
  #clock;
  #random;
  #send;
  #lastId = 0;
  /** @type {Set<Pending>} */
  #pending = new Set();

  /**
   * @param {Object} needs
   * @param {import("./clock.js").Clock} needs.clock
   * @param {() => number} needs.random  0 to 1
   * @param {(message: Record<string, unknown>) => boolean} needs.send  false where there is no line now
   */
  constructor({ clock, random, send }) {
    this.#clock = clock;
    this.#random = random;
    this.#send = send;
  }

  /** An id that no other message of this page has. */
  nextId() {
    return ++this.#lastId;
  }

  /**
   * Ask now, or as soon as there is a line.
   * @param {string} type
   * @param {Record<string, unknown>} fields
   * @param {string | undefined} key
   * @returns {Promise<Message>}
   */
  ask(type, fields, key) {
    return new Promise((resolve, reject) => {
      /** @type {Pending} */
      const pending = { type, fields, key, id: undefined, tries: 0, resolve, reject, forget: () => {} };
      pending.forget = this.#clock.after(LIMIT, () => this.#fail(pending, new Refusal("lost", { temporary: true })));
      this.#pending.add(pending);
      this.#try(pending);
    });
  }

  /** There is a line again: send what waits for one. */
  resume() {
    for (const pending of [...this.#pending]) if (pending.id === undefined) this.#try(pending);
  }

  /** The line is gone: what has a key waits for the next one, the rest is lost. */
  interrupt() {
    for (const pending of [...this.#pending]) {
      if (pending.key !== undefined) pending.id = undefined;
      else this.#fail(pending, new Refusal("lost", { temporary: true }));
    }
  }

  /** There will be no line any more. */
  end() {
    for (const pending of [...this.#pending]) this.#fail(pending, new Refusal("lost"));
  }

  /** Take an answer to whatever it is the answer to. @param {Message} message */
  settle(message) {
    const pending = [...this.#pending].find(({ id }) => id === message.re);
    if (!pending) return;
    if (message.type !== "error") {
      this.#forget(pending);
      pending.resolve(message);
      return;
    }
    const { code, temporary, retry_after: retryAfter } = message;
    // A person who asked for what there is no room for is told so; whether to ask again is theirs.
    if (temporary && code !== "too_many" && pending.key !== undefined && pending.tries < TRIES) this.#tryLater(pending, retryAfter);
    else this.#fail(pending, new Refusal(code, { temporary, retryAfter, reply: message }));
  }

  /** @param {Pending} pending */
  #try(pending) {
    const { type, fields, key } = pending;
    const id = this.nextId();
    if (!this.#send({ type, id, ...(key === undefined ? {} : { key }), ...fields })) return;
    pending.id = id;
    pending.tries += 1;
  }

  /** @param {Pending} pending @param {number | undefined} seconds  as the server says */
  #tryLater(pending, seconds) {
    pending.id = undefined;
    const wait = seconds ? seconds * 1000 : growing(pending.tries - 1, this.#random, DELAYS);
    this.#clock.after(wait, () => {
      if (this.#pending.has(pending) && pending.id === undefined) this.#try(pending);
    });
  }

  /** @param {Pending} pending @param {Refusal} refusal */
  #fail(pending, refusal) {
    this.#forget(pending);
    pending.reject(refusal);
  }

  /** @param {Pending} pending */
  #forget(pending) {
    this.#pending.delete(pending);
    pending.forget();
  }
}
