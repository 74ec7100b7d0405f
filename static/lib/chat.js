/** Lines between those in a session: relayed, never stored; a reload forgets them, and so does the end. */

import { Emitter } from "./emitter.js";

/** @typedef {import("./types.js").Participant} Participant */
/** @typedef {{from: Participant | null, text: string, at: number}} Line  `from` null is oneself */

export const LONGEST = 2_000;
/** Lines kept on the page. */
const KEPT = 500;

/** @extends {Emitter<{change: null, line: Line}>} */
export class Chat extends Emitter {
  /** @type {Line[]} */
  lines = [];
  unread = 0;
  /** Whether the lines are looked at just now. */
  open = false;
  #visit = "";
  #signaling;

  /** @param {Pick<import("./connection.js").Connection, "ask" | "now">} signaling */
  constructor(signaling) {
    super();
    this.#signaling = signaling;
  }

  /** Another visit knows nothing of the last one's words. @param {string} visit */
  of(visit) {
    if (visit === this.#visit) return;
    this.#visit = visit;
    this.forget();
  }

  forget() {
    this.lines = [];
    this.unread = 0;
    this.emit("change", null);
  }

  /** @param {boolean} open */
  look(open) {
    this.open = open;
    if (open) this.unread = 0;
    this.emit("change", null);
  }

  /** @param {import("./types.js").Message} message @param {Participant[]} participants */
  handle(message, participants) {
    if (message.type === "visit.closed" && message.visit === this.#visit) this.of("");
    if (message.type !== "chat" || typeof message.text !== "string") return;
    const from = participants.find(({ id }) => id === message.participant);
    if (!from) return; // somebody who is not in: nothing of theirs is shown
    this.#add({ from, text: message.text, at: message.at ?? this.#signaling.now() });
    if (!this.open) this.unread += 1;
    this.emit("change", null);
  }

  /** It shows once the server took it: what could not be sent stays in the field. @param {string} text */
  async say(text) {
    const line = text.trim().slice(0, LONGEST);
    if (!line) return;
    const visit = this.#visit;
    await this.#signaling.ask("chat", { text: line });
    if (visit !== this.#visit) return;
    this.#add({ from: null, text: line, at: this.#signaling.now() });
    this.emit("change", null);
  }

  /** @param {Line} line */
  #add(line) {
    this.lines = [...this.lines, line].slice(-KEPT);
    this.emit("line", line);
  }
}
