/** A connection made while somebody waits, so that Start need only open the gate. It has no track and carries nothing. */

import { Peer } from "./peer.js";

/** @typedef {import("./types.js").Message} Message */

/** ms between one try and the next: nobody sees or misses it. */
const AGAIN = 20_000;
/** ms after which it is offered again: the server gives up what nobody renews. */
const RENEW = 4 * 60_000;
/** ms that it is kept when it seems not to be needed any more: who is let in leaves the queue a moment before. */
const LINGER = 3_000;
/** ms within which pages that were all cut off at once come again. */
const SPREAD = 2_000;

const NOTHING = { audio: null, video: null };

export class Warm {
  #needs;
  #wanted = false;
  #audioOnly = false;
  /** @type {Peer | null} */
  #peer = null;
  /** Counts the tries: what belongs to an older one changes nothing. */
  #try = 0;
  /** When the next may be made. */
  #from = 0;
  /** @type {() => void} */
  #callOff = () => {};
  /** @type {() => void} */
  #callOffLinger = () => {};

  /** @param {import("./peer.js").Making} needs */
  constructor(needs) {
    this.#needs = needs;
  }

  /** @returns {RTCPeerConnection[]} */
  get peers() {
    return this.#peer ? [this.#peer.pc] : [];
  }

  /** Have one from now on, with these lines, or none. @param {boolean} wanted @param {boolean} audioOnly */
  keep(wanted, audioOnly) {
    const other = audioOnly !== this.#audioOnly;
    if (wanted === this.#wanted && !(wanted && other)) return;
    this.#wanted = wanted;
    this.#callOffLinger();
    if (!wanted) {
      this.#callOffLinger = this.#needs.clock.after(LINGER, () => this.#drop());
      return;
    }
    this.#audioOnly = audioOnly;
    if (this.#peer && !other) return; // it lingered
    this.#drop();
    this.#later(Math.max(0, this.#from - this.#needs.clock.now()));
  }

  /**
   * Give the peer away, for the visit it was made for, if it is connected and has these lines.
   * @param {boolean} audioOnly
   * @returns {Peer | null}
   */
  take(audioOnly) {
    const peer = this.#peer;
    const good = peer !== null && peer.audioOnly === audioOnly && peer.pc.connectionState === "connected";
    if (good) this.#peer = null; // not to be closed
    this.#wanted = false;
    this.#callOffLinger();
    this.#drop();
    this.#from = 0;
    return good ? peer : null;
  }

  /** The WebSocket is back. While it was away the server has let go of what it had. */
  resume() {
    if (!this.#wanted) return;
    this.#drop();
    this.#later(this.#needs.random() * SPREAD);
  }

  /** @param {Message} message  any message from the server */
  handle(message) {
    if (this.#peer && message.type === "media.answer" && message.peer === this.#peer.id) void this.#peer.answer(message);
  }

  #drop() {
    this.#try += 1;
    this.#callOff();
    this.#peer?.close();
    this.#peer = null;
  }

  /** @param {number} wait  ms */
  #later(wait) {
    this.#callOff();
    this.#callOff = this.#needs.clock.after(wait, () => void this.#make());
  }

  /** It will not do: another follows by and by, and nobody is told. */
  #fail() {
    this.#drop();
    if (this.#wanted) this.#later(AGAIN * (1 + this.#needs.random() / 4));
  }

  async #make() {
    const { signaling, clock } = this.#needs;
    const attempt = ++this.#try;
    this.#from = clock.now() + AGAIN;
    /** @type {RTCIceServer[]} */
    let iceServers;
    try {
      iceServers = (await signaling.ask("media.prepare", { purpose: "warm" })).ice_servers ?? [];
    } catch {
      if (attempt === this.#try) this.#fail();
      return;
    }
    if (attempt !== this.#try) return;
    const peer = Peer.make(this.#needs, { iceServers, tracks: NOTHING, audioOnly: this.#audioOnly, purpose: "warm" });
    this.#peer = peer;
    const current = () => peer === this.#peer;
    peer.on("answered", () => {
      if (!current()) return;
      this.#callOff();
      this.#callOff = clock.after(RENEW, () => peer.negotiate());
    });
    peer.on("state", (state) => {
      if (current() && (state === "failed" || state === "closed")) this.#fail();
    });
    peer.on("failed", () => {
      if (current()) this.#fail();
    });
    peer.negotiate();
  }
}
