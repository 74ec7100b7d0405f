/** How long to wait until something is tried again: twice as long each time, and never for everybody at once. */

/**
 * @param {number} failures  so far, in a row
 * @param {() => number} random  0 to 1
 * @param {{first: number, longest: number}} limits  ms
 * @returns {number} ms
 */
export function growing(failures, random, { first, longest }) {
  const most = Math.min(longest, first * 2 ** failures);
  return most / 2 + (random() * most) / 2;
}
