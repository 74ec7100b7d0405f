/** A provider's lists say where each client of an appointment is, from what is newest. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { inTheWay, matchesOf, membersOf, readiness, revOf, shownOthers, silentLeads } from "../../static/lib/group.js";
import { mergeViews } from "../../static/lib/merge.js";

/** @typedef {import("../../static/lib/types.js").ProviderView} ProviderView */
/** @typedef {import("../../static/lib/types.js").RoomVisit} RoomVisit */
/** @typedef {import("../../static/lib/types.js").Entry} Entry */

/** @param {string} id @param {string} name @param {string} [seat] */
const seat = (id, name, seat = "out") => ({ id, participant: `par-${id}`, name, seat, presence: "gone" });
/** @param {string} id @param {Record<string, any>} [more] @returns {Entry} */
const waits = (id, more = {}) => ({ id: `ent-${id}`, appointment: "apt", participant: `par-${id}`, rev: 1, client: { id, name: id }, since: 1, verified: true, ...more });
/** @param {string} id @param {Record<string, any>} [more] */
const inside = (id, more = {}) => ({ id: `par-${id}`, role: /** @type {const} */ ("client"), name: id, client: id, presence: /** @type {const} */ ("connected"), ...more });

/** @returns {ProviderView} */
const group = () => ({
  waiting: [],
  unverified: [],
  visits: [],
  appointments: [
    { id: "apt", rev: 4, phase: "scheduled", start: 1, end: 2, group: true, clients: [seat("ana", "Ana"), seat("ben", "Ben"), seat("cho", "Cho", "waiting"), seat("dee", "Dee", "removed")] },
  ],
});
/** @type {RoomVisit} */
const live = { id: "vis", appointment: "apt", phase: "in_progress", participants: [] };

test("who is in, who waits, who is out: by the newest word, not by the appointment's seats", () => {
  const view = { ...group(), waiting: [waits("ben", { flags: ["dropped"], away: true })] };
  const visit = { ...live, participants: [inside("ana", { presence: "gone" }), inside("cho", { presence: "left" })] };

  const members = membersOf(view, visit);

  assert.deepEqual(members.map(({ name, seat, presence }) => [name, seat, presence]), [
    ["Ana", "in", "gone"],
    ["Ben", "waiting", "gone"],
    ["Cho", "out", "none"],
    ["Dee", "removed", "none"],
  ]);
  assert.equal(members[1]?.entry?.id, "ent-ben");
});

test("a walk-in's ad-hoc visit has its one client", () => {
  const visit = { ...live, appointment: undefined, participants: [inside("jo", { client: undefined })] };

  assert.deepEqual(membersOf(group(), visit).map(({ client, participant, seat }) => [client, participant, seat]), [[undefined, "par-jo", "in"]]);
});

test("a group says how many of how many are ready; of two people that is not asked", () => {
  const view = { ...group(), waiting: [waits("ana"), waits("ben"), waits("eve", { appointment: "other" })] };

  assert.deepEqual(readiness(view, "apt"), { group: true, ready: 2, of: 4 });
  assert.equal(readiness(view, "other").group, false);
});

test("a Start is judged by the newest state that was told, wherever it was told", () => {
  assert.equal(revOf(group(), waits("ana", { rev: 1 })), 4, "others came since");
  assert.equal(revOf(group(), waits("ana", { rev: 6 })), 6);
  assert.equal(revOf(group(), waits("jo", { appointment: undefined, rev: undefined })), undefined);
});

test("a walk-in may take a seat that nobody is in, of one's own appointments", () => {
  const view = { ...group(), waiting: [waits("ana")] };
  const shared = { ...group().appointments[0], id: "theirs", room: "rm" };

  const matches = matchesOf(/** @type {ProviderView} */ ({ ...view, appointments: [...view.appointments, shared] }));

  assert.deepEqual(matches.map(({ client }) => client.id), ["ben", "cho"]);
});

test("into a session that goes on a walk-in takes a seat of that group alone, and only an empty one", () => {
  const going = { ...live, participants: [inside("ana")] };
  const other = { .../** @type {any} */ (group().appointments[0]), id: "later" };
  const view = { ...group(), waiting: [waits("ben")], appointments: [...group().appointments, other] };

  assert.deepEqual(matchesOf(view, going).map(({ appointment, client }) => [appointment.id, client.id]), [["apt", "cho"]]);
});

test("nothing is started for who is late, while another session goes on, or before an ended one is rejoined", () => {
  const walkIn = waits("jo", { appointment: undefined });
  const during = { ...group(), visits: [live] };
  const after = { ...group(), visits: [{ ...live, phase: /** @type {const} */ ("ended") }] };

  assert.deepEqual([waits("ana"), waits("eve", { appointment: "later" }), walkIn].map((one) => inTheWay(during, one)), ["late", "busy", "busy"]);
  assert.deepEqual([waits("ana"), waits("eve", { appointment: "later" }), walkIn].map((one) => inTheWay(after, one)), ["ended", undefined, undefined]);
  assert.equal(inTheWay(during, waits("ana", { room: "theirs" })), undefined, "another room's sessions are another matter");
});

test("of several providers, one who does not take part gets no empty place", () => {
  /** @param {string} id @param {"provider" | "co_provider" | "client"} role @param {Record<string, any>} [more] @returns {any} */
  const one = (id, role, more = {}) => ({ id, role, name: id, presence: "connected", ...more });
  const everybody = [one("host", "provider"), one("co", "co_provider"), one("ana", "client", { you: true }), one("ben", "client", { presence: "left" })];
  const shown = (/** @type {any[]} */ people, /** @type {string[]} */ ...lines) => shownOthers(people, lines.map((participant) => ({ participant }))).map(({ id }) => id);

  assert.deepEqual(shown(everybody), ["host", "co"], "one of them is waited for");
  assert.deepEqual(shown(everybody, "co"), ["co"]);
  assert.deepEqual(shown(everybody, "co", "host"), ["host", "co"]);
  assert.deepEqual(shown([one("host", "provider"), one("ana", "client", { you: true })]), ["host"], "the only one is always expected");
  assert.deepEqual(shown([one("host", "provider", { you: true }), one("co", "co_provider"), one("ana", "client")]), ["ana"]);

  const quiet = everybody.map((person) => ({ ...person, microphone: false, camera: false }));
  assert.deepEqual(silentLeads(quiet, quiet.slice(0, 1)), ["host"]);
  assert.deepEqual(silentLeads(quiet.slice(1), quiet.slice(1)), [], "the only provider is there in any case");
});

test("one view of several rooms: what is another's says so, status and knocks are one's own", () => {
  const own = { ...group(), status: /** @type {const} */ ("late"), waiting: [waits("late", { since: 30 })] };
  const other = { ...group(), status: /** @type {const} */ ("away"), waiting: [waits("early", { since: 10 })], unverified: [waits("jo")], visits: [live] };

  const view = mergeViews(own, [["rm", other], ["not-yet", null]]);

  assert.deepEqual(view?.waiting.map(({ id, room }) => [id, room]), [["ent-early", "rm"], ["ent-late", undefined]]);
  assert.deepEqual([view?.status, view?.unverified.length, view?.visits[0]?.room], ["late", 0, "rm"]);
  assert.equal(mergeViews(null, [["rm", other]]), null);
});
