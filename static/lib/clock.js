/** Time and chance as arguments: what the page uses, and what a test replaces. */

/**
 * @typedef {Object} Clock
 * @property {() => number} now                                  ms, UTC, of this machine
 * @property {(ms: number, then: () => void) => () => void} after  returns how to call it off
 */

/** @type {Clock} */
export const systemClock = {
  now: () => Date.now(),
  after(ms, then) {
    const timer = setTimeout(then, ms);
    return () => clearTimeout(timer);
  },
};

/** @returns {string} 128 random bits, as text */
export function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
