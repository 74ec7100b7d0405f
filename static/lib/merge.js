/** One view of several rooms: a provider's own, and of others' rooms what is shared with them. */

/** @typedef {import("./types.js").ProviderView} ProviderView */

/**
 * What comes from another's room says from which; status and knocks are one's own.
 * @param {ProviderView | null} own
 * @param {Iterable<readonly [string, ProviderView | null]>} others  by room
 * @returns {ProviderView | null}
 */
export function mergeViews(own, others) {
  if (!own) return null;
  const merged = { ...own };
  for (const [room, view] of others) {
    if (!view) continue;
    /** @type {<Item extends object>(items: Item[]) => (Item & {room: string})[]} */
    const tagged = (items) => items.map((item) => ({ ...item, room }));
    merged.waiting = [...merged.waiting, ...tagged(view.waiting)].sort((a, b) => a.since - b.since);
    merged.appointments = [...merged.appointments, ...tagged(view.appointments)];
    merged.visits = [...merged.visits, ...tagged(view.visits)];
  }
  return merged;
}
