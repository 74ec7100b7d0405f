/** A client's page shows what the server told: each event leads to its screen. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { closedReason, foldClient, goesOn, screenFor } from "../../static/lib/visit.js";

/** @typedef {import("../../static/lib/types.js").ClientView} ClientView */
/** @typedef {import("../../static/lib/types.js").Message} Message */

/** @type {Message} */
const VIEW = {
  type: "view",
  phase: "scheduled",
  rev: 0,
  provider: { name: "Dr. Rivera", status: "available" },
  practice: { id: "p", name: "Juniper" },
  checked_in: false,
};
const PEOPLE = [{ id: "prv", role: "provider", name: "Dr. Rivera", presence: "connected", you: false }];

/** @param {...Message} messages @returns {ClientView} */
function after(...messages) {
  return /** @type {ClientView} */ (messages.reduce((view, message) => foldClient(view, message), /** @type {ClientView | null} */ (null)));
}

/** @type {Message} */
const STARTED = { type: "visit.started", visit: "vis", segment: 1, rev: 2, participants: PEOPLE, ice_servers: [] };
/** @type {Message} */
const ENDED = { type: "visit.ended", visit: "vis", by: "client", rev: 3, rejoin_until: 99 };

test("a visit walks through its screens", () => {
  const steps = /** @type {[Message, string][]} */ ([
    [VIEW, "check-in"],
    [{ ...VIEW, phase: "waiting", checked_in: true }, "waiting"],
    [STARTED, "session"],
    [ENDED, "ended"],
    [{ type: "visit.rejoin_pending", visit: "vis", agreed: ["client"], rejoin_until: 99 }, "ended"],
    [{ type: "visit.resumed", visit: "vis", segment: 2, participants: PEOPLE, ice_servers: [] }, "session"],
    [ENDED, "ended"],
    [{ type: "visit.closed", visit: "vis", outcome: "attended" }, "closed"],
  ]);
  /** @type {ClientView | null} */
  let view = null;

  const screens = steps.map(([message]) => screenFor(/** @type {ClientView} */ ((view = foldClient(view, message)))));

  assert.deepEqual(screens, steps.map(([, screen]) => screen));
});

test("after End nothing of the others is kept", () => {
  const view = after(VIEW, STARTED, ENDED);

  assert.equal(view.participants, undefined);
  assert.equal(view.ice_servers, undefined);
  assert.equal(view.rejoin_until, 99);
});

test("a group visit that goes on without me leaves me waiting", () => {
  assert.equal(screenFor(after({ ...VIEW, phase: "in_progress", checked_in: true })), "waiting");
});

test("one participant changes, the others stay", () => {
  const changed = { id: "prv", role: "provider", name: "Dr. Rivera", presence: "gone", you: false };
  const view = after(VIEW, STARTED, { type: "participant.changed", visit: "vis", participant: changed });

  assert.equal(view.participants?.[0]?.presence, "gone");
  assert.equal(after(VIEW, { type: "participant.changed", participant: changed }).participants, undefined);
});

test("the provider's status is followed, and the place in line only while it is told", () => {
  const late = after(VIEW, { type: "waiting.changed", status: "late", minutes: 10, ahead: 1 });
  assert.deepEqual([late.provider.status, late.provider.minutes, late.ahead], ["late", 10, 1]);

  const back = foldClient(late, { type: "waiting.changed", status: "available" });
  assert.deepEqual([back?.provider.status, back?.provider.minutes, back?.ahead], ["available", undefined, undefined]);
});

test("a withdrawn rejoin is an ended visit again", () => {
  const view = after(VIEW, STARTED, ENDED, { type: "visit.rejoin_pending", visit: "vis", agreed: [] });

  assert.equal(view.phase, "ended");
  assert.equal(view.rejoin_until, 99);
});

test("what comes before the first view, and what is unknown, changes nothing", () => {
  assert.equal(foldClient(null, STARTED), null);
  const view = after(VIEW);
  assert.equal(foldClient(view, { type: "something.new" }), view);
});

test("thanks are for those who met; a cancelled appointment is explained", () => {
  const met = after(VIEW, STARTED, ENDED, { type: "visit.closed", visit: "vis", outcome: "attended" });
  const cancelled = after(VIEW, { type: "visit.closed", visit: "vis", outcome: "late_cancel" });

  assert.equal(closedReason(4510, met), "finished");
  assert.equal(closedReason(4510, cancelled), "cancelled");
  assert.equal(closedReason(4510, after(VIEW, { type: "visit.closed", visit: "vis", outcome: "provider_absent" })), "absent");
  assert.equal(closedReason(4510, null), "over");
  assert.deepEqual([4509, 4511, 4512, 4501].map((code) => closedReason(code, met)), ["displaced", "removed", "revoked", "lost"]);
});

test("who leaves a group may come back for as long as it goes on, and hears when it ends", () => {
  const left = after(VIEW, STARTED, { type: "visit.ended", visit: "vis", by: "client", rev: 3, reason: "left", live: true });
  assert.equal(screenFor(left), "ended");
  assert.equal(goesOn(left), true);

  const over = foldClient(left, { ...ENDED, reason: "ended" });
  assert.equal(goesOn(/** @type {ClientView} */ (over)), false);
});

test("a group that was resumed without me goes on, and waits for no window", () => {
  const ended = after(VIEW, STARTED, ENDED, { type: "visit.rejoin_pending", visit: "vis", agreed: ["client"], mine: false, rejoin_until: 99 });
  assert.deepEqual([ended.phase, ended.mine, goesOn(ended)], ["rejoin_pending", false, false]);

  const resumed = foldClient(ended, { type: "visit.rejoin_pending", visit: "vis", agreed: [], live: true });
  assert.equal(goesOn(/** @type {ClientView} */ (resumed)), true);
});

test("sent back to wait, one waits and is told why; being let in again ends the news", () => {
  const returned = after({ ...VIEW, checked_in: true }, STARTED, { type: "visit.ended", visit: "vis", by: "provider", rev: 3, reason: "returned" });
  assert.deepEqual([screenFor(returned), returned.ended_reason, returned.participants], ["waiting", "returned", undefined]);

  assert.equal(foldClient(returned, STARTED)?.ended_reason, undefined);
});

test("stepping away ends with the session's start", () => {
  assert.equal(after({ ...VIEW, away: true }, STARTED).away, false);
});

test("a weak network is no flag of anybody's, and is over when it is told so, or no more", () => {
  const network = (/** @type {Message[]} */ ...messages) => after(VIEW, STARTED, ...messages).participants?.map(({ network, mode }) => [network, mode]);
  /** @type {Message} */
  const weak = { type: "media.mode", participant: "prv", mode: "audio", reason: "bandwidth", by: "server" };
  assert.deepEqual(network(weak), [["weak", undefined]]);
  assert.deepEqual(network({ ...weak, by: "participant" }), [[undefined, "audio"]]);
  assert.deepEqual(network(weak, { ...weak, mode: "video" }), [[undefined, undefined]]);
  assert.deepEqual(network(weak, { type: "participant.changed", visit: "vis", participant: PEOPLE[0] }), [[undefined, undefined]]);
});
