/** Who speaks, without flicker: one begins at once with a clear voice, and goes on for a moment after the last word. */

/** 0 to 1, as browsers measure a receiver's sound: above speech begins, and below this nothing is heard. */
const BEGINS = 0.03;
const GOES_ON = 0.01;
/** ms a person still counts as speaking after the last sound. */
const HOLD = 1_200;

export class Speaking {
  /** @type {Map<string, number>} when each was last heard, ms */
  #heard = new Map();
  #hold;

  /** @param {{hold?: number}} [options] */
  constructor({ hold = HOLD } = {}) {
    this.#hold = hold;
  }

  /**
   * @param {Map<string, number>} levels  by participant
   * @param {number} now  ms
   * @returns {Set<string>} who speaks
   */
  hear(levels, now) {
    for (const [id, level] of levels) {
      if (level >= (this.#heard.has(id) ? GOES_ON : BEGINS)) this.#heard.set(id, now);
    }
    for (const [id, at] of this.#heard) if (now - at > this.#hold || !levels.has(id)) this.#heard.delete(id);
    return new Set(this.#heard.keys());
  }
}
