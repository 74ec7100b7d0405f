/** Whose picture stands still: the server holds it back for a while, or it is stuck. The last frame must not pass for life. */

/** ms without a new frame. A camera that is off sends one a second in some browsers. */
const STILL = 2_500;

export class Moving {
  /** @type {Map<string, {frames: number, at: number}>} what was seen last of each, and when it was new, ms */
  #seen = new Map();

  /**
   * @param {Map<string, number>} frames  decoded so far, by participant; nobody is still before their first one
   * @param {number} now  ms
   * @returns {Set<string>} whose picture stands still
   */
  look(frames, now) {
    for (const id of this.#seen.keys()) if (!frames.has(id)) this.#seen.delete(id);
    for (const [id, count] of frames) {
      if (this.#seen.get(id)?.frames !== count) this.#seen.set(id, { frames: count, at: now });
    }
    return new Set([...this.#seen].filter(([, { frames: count, at }]) => count > 0 && now - at >= STILL).map(([id]) => id));
  }
}
