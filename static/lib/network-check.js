/** The network tried out before a session, through the very path that it will take: what is sent comes back. */

import { Emitter } from "./emitter.js";
import { Peer } from "./peer.js";
import { since, sumsOf } from "./quality.js";

/** @typedef {import("./types.js").Message} Message */
/** @typedef {import("./peer.js").Tracks} Tracks */
/** @typedef {"good" | "weak" | "failed"} Verdict */
/** @typedef {"idle" | "measuring" | Verdict} CheckState  `idle`: nothing is known, and nothing is to be said */

/**
 * @typedef {Object} Measured
 * @property {boolean} connected
 * @property {boolean} heard          whether anything came back
 * @property {number} [connect_ms]    from the first word until it was connected
 * @property {number} [rtt_ms]
 * @property {number} [jitter_ms]
 * @property {number} [loss]          part of what was sent that did not come back, 0 to 1
 */

/** From here on a connection is weak. Loss counts both ways, so a part of a hundred each way is two here. */
export const WEAK = /** @type {const} */ ({ connect_ms: 4_000, rtt_ms: 300, jitter_ms: 60, loss: 0.04 });

/** ms to connect; and then to measure: what came while it was still settling does not count. */
const CONNECT = 10_000;
const SETTLE = 1_000;
const MEASURE = 3_500;

/** @param {Measured} measured @returns {Verdict} */
export function judge(measured) {
  if (!measured.connected || !measured.heard) return "failed";
  const weak = Object.entries(WEAK).some(([what, limit]) => (measured[/** @type {keyof typeof WEAK} */ (what)] ?? 0) >= limit);
  return weak ? "weak" : "good";
}

/** @extends {Emitter<{change: null}>} */
export class NetworkCheck extends Emitter {
  /** @type {CheckState} */
  state = "idle";
  /** @type {Measured | null} what the last one found */
  measured = null;

  #needs;
  /** @type {{tracks: Tracks, audioOnly: boolean} | null} what is to be tried as soon as there is a WebSocket */
  #wanted = null;
  /** @type {Peer | null} */
  #peer = null;
  #callOff = () => {};

  /** @param {import("./peer.js").Making} needs */
  constructor(needs) {
    super();
    this.#needs = needs;
  }

  /** Try it once, with what this person would send. @param {{tracks: Tracks, audioOnly: boolean}} how */
  run(how) {
    this.#end();
    this.#wanted = how;
    void this.#begin();
  }

  /** Nobody wants to know any more. */
  stop() {
    this.#wanted = null;
    this.#end();
    this.#become("idle");
  }

  /** The WebSocket is there, or back. */
  resume() {
    if (this.#wanted && !this.#peer) void this.#begin();
  }

  /** @param {Message} message  any message from the server */
  handle(message) {
    if (this.#peer && message.type === "media.answer" && message.peer === this.#peer.id) void this.#peer.answer(message);
  }

  async #begin() {
    const wanted = this.#wanted;
    const { signaling, clock } = this.#needs;
    const begun = clock.now();
    /** @type {RTCIceServer[]} */
    let iceServers;
    try {
      iceServers = (await signaling.ask("media.prepare", { purpose: "check" })).ice_servers ?? [];
    } catch {
      return; // it may be tried when the WebSocket is back; else nothing is known
    }
    if (!wanted || wanted !== this.#wanted || this.#peer) return;
    const peer = Peer.make(this.#needs, { iceServers, ...wanted, purpose: "check" });
    this.#peer = peer;
    const current = () => peer === this.#peer;
    this.#become("measuring");
    this.#callOff = clock.after(CONNECT, () => this.#found({ connected: false, heard: false }));
    peer.on("failed", () => {
      if (!current()) return;
      this.stop(); // the server has no room for it: that says nothing of the network
    });
    peer.on("state", (state) => {
      if (!current()) return;
      if (state === "failed" || state === "closed") this.#found({ connected: false, heard: false });
      if (state !== "connected") return;
      this.#callOff();
      void this.#measure(peer, clock.now() - begun);
    });
    peer.negotiate();
  }

  /** @param {Peer} peer @param {number} connect  ms */
  async #measure(peer, connect) {
    const sums = async () => sumsOf((await peer.pc.getStats()).values(), this.#needs.clock.now());
    const wait = (/** @type {number} */ ms) => new Promise((resolve) => (this.#callOff = this.#needs.clock.after(ms, () => resolve(undefined))));
    await wait(SETTLE);
    const before = await sums();
    if (peer !== this.#peer) return;
    await wait(MEASURE);
    const after = await sums();
    if (peer !== this.#peer) return;
    const { rtt_ms, jitter_ms, loss } = since(before, after);
    this.#found({ connected: true, heard: after.received > before.received, connect_ms: connect, rtt_ms, jitter_ms, loss });
  }

  /** @param {Measured} measured */
  #found(measured) {
    this.#wanted = null;
    this.#end();
    this.measured = measured;
    this.#become(judge(measured));
  }

  #end() {
    this.#callOff();
    this.#peer?.close();
    this.#peer = null;
  }

  /** @param {CheckState} state */
  #become(state) {
    if (state === this.state) return;
    this.state = state;
    this.emit("change", null);
  }
}
