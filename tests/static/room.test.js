/** A provider's page shows who waits, what is live and what may be rejoined. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { clientsOf, endedVisits, foldProvider, liveBeside, liveVisits, unnoticed } from "../../static/lib/room.js";

/** @typedef {import("../../static/lib/types.js").ProviderView} ProviderView */
/** @typedef {import("../../static/lib/types.js").Message} Message */

/** @param {string} id @param {Record<string, any>} [more] */
const entry = (id, more = {}) => ({ id, client: { id, name: id }, since: 1, verified: true, acknowledged: false, ...more });

/** @type {Message} */
const VIEW = {
  type: "view",
  status: "available",
  waiting: [],
  unverified: [],
  appointments: [{ id: "apt", phase: "scheduled", rev: 0, start: 1, end: 2, clients: [] }],
  visits: [],
};
/** @type {Message} */
const STARTED = {
  type: "visit.started",
  visit: "vis",
  appointment: "apt",
  segment: 1,
  rev: 2,
  at: 500,
  ice_servers: [],
  participants: [{ id: "prv", role: "provider", name: "P", you: true }, { id: "ana", role: "client", name: "Ana" }],
};

/** @param {...Message} messages @returns {ProviderView} */
function after(...messages) {
  return /** @type {ProviderView} */ (messages.reduce((view, message) => foldProvider(view, message), /** @type {ProviderView | null} */ (null)));
}

test("those with a link and those without wait in lanes of their own", () => {
  const view = after(VIEW, { type: "queue.entered", entry: entry("ana") }, { type: "queue.entered", entry: entry("jo", { verified: false }) });

  assert.deepEqual(view.waiting.map(({ id }) => id), ["ana"]);
  assert.deepEqual(view.unverified.map(({ id }) => id), ["jo"]);
});

test("a repeated arrival is one entry, in its place", () => {
  const view = after(
    VIEW,
    { type: "queue.entered", entry: entry("ana") },
    { type: "queue.entered", entry: entry("ben") },
    { type: "queue.entered", entry: entry("ana", { away: true }) },
  );

  assert.deepEqual(view.waiting.map(({ id, away }) => [id, away]), [["ana", true], ["ben", undefined]]);
});

test("an entry that was matched changes lanes; one that left is gone", () => {
  const view = after(VIEW, { type: "queue.entered", entry: entry("jo", { verified: false }) }, { type: "queue.changed", entry: entry("jo") });
  assert.deepEqual([view.waiting.length, view.unverified.length], [1, 0]);

  assert.equal(foldProvider(view, { type: "queue.left", entry: "jo", reason: "left" })?.waiting.length, 0);
});

test("notices queue up, first come first, until each is answered", () => {
  const view = after(
    VIEW,
    { type: "queue.entered", entry: entry("ben", { since: 20 }) },
    { type: "queue.entered", entry: entry("jo", { since: 10, verified: false }) },
    { type: "queue.entered", entry: entry("ana", { since: 5 }) },
  );
  assert.deepEqual(unnoticed(view).map(({ id }) => id), ["ana", "jo", "ben"]);

  const answered = foldProvider(view, { type: "queue.changed", entry: entry("ana", { since: 5, acknowledged: true }) });
  assert.deepEqual(unnoticed(/** @type {ProviderView} */ (answered)).map(({ id }) => id), ["jo", "ben"]);
});

test("a visit lives, ends, is rejoined and closes", () => {
  const live = after(VIEW, STARTED);
  assert.equal(liveVisits(live)[0]?.started_at, 500);
  assert.deepEqual(clientsOf(/** @type {any} */ (liveVisits(live)[0])).map(({ name }) => name), ["Ana"]);
  assert.equal(live.appointments[0]?.phase, "in_progress");

  const ended = after(VIEW, STARTED, { type: "visit.ended", visit: "vis", by: "client", rejoin_until: 900 });
  assert.deepEqual(liveVisits(ended), []);
  assert.equal(endedVisits(ended)[0]?.rejoin_until, 900);
  assert.equal(endedVisits(ended)[0]?.participants.length, 2, "their names are still needed");

  const pending = foldProvider(ended, { type: "visit.rejoin_pending", visit: "vis", agreed: ["client"] });
  assert.deepEqual(endedVisits(/** @type {ProviderView} */ (pending))[0]?.agreed, ["client"]);

  const resumed = foldProvider(pending, { type: "visit.resumed", visit: "vis", segment: 2, ice_servers: [] });
  const [again] = liveVisits(/** @type {ProviderView} */ (resumed));
  assert.deepEqual([again?.segment, again?.started_at, again?.agreed, again?.participants.length], [2, 500, [], 2]);

  const closed = foldProvider(resumed, { type: "visit.closed", visit: "vis", outcome: "attended" });
  assert.deepEqual([closed?.visits.length, closed?.appointments[0]?.phase], [0, "closed"]);
});

test("a participant changes in their own visit only", () => {
  const view = after(VIEW, STARTED, { type: "participant.changed", visit: "other", participant: { id: "ana", presence: "gone" } });
  assert.equal(liveVisits(view)[0]?.participants[1]?.presence, undefined);

  const gone = foldProvider(view, { type: "participant.changed", visit: "vis", participant: { id: "ana", presence: "gone" } });
  assert.equal(liveVisits(/** @type {ProviderView} */ (gone))[0]?.participants[1]?.presence, "gone");
});

test("an appointment that is opened or changed is told whole", () => {
  const moved = after(VIEW, { type: "visit.changed", appointment: { id: "apt", phase: "scheduled", rev: 4, start: 7, end: 8, clients: [] } });
  assert.deepEqual(moved.appointments.map(({ rev, start }) => [rev, start]), [[4, 7]]);

  const opened = foldProvider(moved, { type: "visit.changed", appointment: { id: "new", phase: "scheduled", rev: 0, start: 1, end: 2, clients: [] } });
  assert.deepEqual(opened?.appointments.map(({ id }) => id), ["apt", "new"]);
});

test("whoever comes to host between two segments learns which appointment it is, and sees it go on", () => {
  const view = { type: "view", appointments: [], visits: [] };
  const told = { id: "apt", visit: "vis", phase: "ended", rev: 4, start: 1, end: 2, clients: [] };
  const introduced = after(view, { type: "visit.ended", visit: "vis", rev: 4 }, { type: "visit.changed", appointment: told });

  const resumed = foldProvider(introduced, { type: "visit.resumed", visit: "vis", rev: 5 });

  assert.equal(resumed?.visits[0]?.appointment, "apt");
  assert.deepEqual([resumed?.appointments[0]?.phase, resumed?.appointments[0]?.rev], ["in_progress", 5]);
});

test("the only client sent back to wait: there is nothing to rejoin, and a Start is due", () => {
  const returned = after(VIEW, STARTED, { type: "visit.ended", visit: "vis", reason: "returned", rev: 5 });

  assert.deepEqual([returned.visits.length, returned.appointments[0]?.phase, returned.appointments[0]?.rev], [0, "scheduled", 5]);
});

test("a session keeps another from starting in its own room, and in no other", () => {
  const live = after(VIEW, STARTED);
  const elsewhere = { ...live, visits: live.visits.map((visit) => ({ ...visit, room: "theirs" })) };

  assert.equal(liveBeside(live, {})?.id, "vis");
  assert.equal(liveBeside(elsewhere, {}), undefined);
  assert.equal(liveBeside(elsewhere, { room: "theirs" })?.id, "vis");
});

test("a view without lists has empty ones", () => {
  assert.deepEqual(after({ type: "view" }).waiting, []);
});
