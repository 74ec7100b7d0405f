/** How the connection is: what the browser counts, taken now and then, and what has changed since. */

/** @typedef {import("./clock.js").Clock} Clock */
/** @typedef {{rtt_ms?: number, loss?: number, jitter_ms?: number, kbps?: number, freezes?: number}} Quality  since the last report; `loss` is a part of 1 */

/**
 * @typedef {Object} Sums     what one look at getStats() adds up to, over all lines that come in
 * @property {number} at        ms
 * @property {number} received  packets
 * @property {number} lost      packets
 * @property {number} bytes
 * @property {number} freezes
 * @property {number | undefined} rtt     ms, of the pair in use
 * @property {number | undefined} jitter  ms, the worst line's
 */

/** ms between two reports; the server takes none sooner than after 5 s. */
const EVERY = 5_500;

/** @param {Iterable<any>} reports  of getStats() @param {number} at @returns {Sums} */
export function sumsOf(reports, at) {
  /** @type {Sums} */
  const sums = { at, received: 0, lost: 0, bytes: 0, freezes: 0, rtt: undefined, jitter: undefined };
  for (const report of reports) {
    if (report.type === "inbound-rtp") {
      sums.received += report.packetsReceived ?? 0;
      sums.lost += Math.max(0, report.packetsLost ?? 0); // what came twice counts below nothing
      sums.bytes += report.bytesReceived ?? 0;
      sums.freezes += report.freezeCount ?? 0;
      if (report.jitter !== undefined) sums.jitter = Math.max(sums.jitter ?? 0, report.jitter * 1000);
    } else if (report.type === "candidate-pair" && report.nominated && report.currentRoundTripTime !== undefined) {
      sums.rtt = report.currentRoundTripTime * 1000;
    } else if (report.type === "remote-inbound-rtp" && sums.rtt === undefined && report.roundTripTime !== undefined) {
      sums.rtt = report.roundTripTime * 1000; // Firefox counts no pair's
    }
  }
  return sums;
}

/**
 * What has been since `before`. A peer that took another's place counts from nothing.
 * @param {Sums} before @param {Sums} now @returns {Quality}
 */
export function since(before, now) {
  const anew = now.received < before.received || now.bytes < before.bytes;
  const grown = (/** @type {"received" | "lost" | "bytes" | "freezes"} */ what) => Math.max(0, now[what] - (anew ? 0 : before[what]));
  const received = grown("received");
  const lost = grown("lost");
  return {
    ...(now.rtt === undefined ? {} : { rtt_ms: Math.min(60_000, Math.round(now.rtt)) }),
    ...(received + lost ? { loss: Number((lost / (received + lost)).toFixed(4)) } : {}),
    ...(now.jitter === undefined ? {} : { jitter_ms: Math.min(60_000, Math.round(now.jitter)) }),
    kbps: Math.round((grown("bytes") * 8) / Math.max(1, now.at - before.at)),
    freezes: Math.min(1000, grown("freezes")),
  };
}

/** Looks at a call's peer for as long as it is open, and tells what has been since the look before. */
export class Measuring {
  #peers;
  #tell;
  #clock;
  /** @type {Sums | null} */
  #before = null;
  #callOff = () => {};

  /**
   * @param {Object} needs
   * @param {() => {getStats: () => Promise<{values: () => Iterable<any>}>}[]} needs.peers  the first is the one that works
   * @param {(quality: Quality) => void} needs.tell
   * @param {Clock} needs.clock
   */
  constructor({ peers, tell, clock }) {
    this.#peers = peers;
    this.#tell = tell;
    this.#clock = clock;
  }

  begin() {
    this.end();
    this.#callOff = this.#clock.after(EVERY, () => void this.#look());
  }

  end() {
    this.#callOff();
    this.#before = null;
  }

  async #look() {
    let ended = false;
    this.#callOff = () => {
      ended = true;
    };
    const [peer] = this.#peers();
    const reports = await peer?.getStats().catch(() => undefined); // a peer that was just closed
    if (ended) return;
    if (reports) {
      const now = sumsOf(reports.values(), this.#clock.now());
      if (this.#before) this.#tell(since(this.#before, now));
      this.#before = now;
    }
    this.#callOff = this.#clock.after(EVERY, () => void this.#look());
  }
}
