/** Who belongs to an appointment, and where each of them is: what a provider's lists are made of. */

import { endedVisits, liveBeside } from "./room.js";

/** @typedef {import("./types.js").ProviderView} ProviderView */
/** @typedef {import("./types.js").RoomVisit} RoomVisit */
/** @typedef {import("./types.js").RoomAppointment} RoomAppointment */
/** @typedef {import("./types.js").Entry} Entry */

/**
 * @typedef {Object} Member
 * @property {string} key                       stays the same wherever the client goes
 * @property {string} [client]                  the practice's id
 * @property {string} [participant]
 * @property {string} name
 * @property {"in" | "waiting" | "out" | "removed"} seat
 * @property {"connected" | "gone" | "away" | "none"} presence
 * @property {Entry} [entry]                    while waiting
 */

/** The appointment a visit belongs to; an ad-hoc one has none. @param {ProviderView} view @param {RoomVisit} visit */
export function appointmentOf(view, visit) {
  return view.appointments.find(({ id }) => id === visit.appointment);
}

/** @param {ProviderView} view @param {RoomVisit} visit */
export function isGroup(view, visit) {
  return appointmentOf(view, visit)?.group === true;
}

/**
 * Everybody who belongs to a visit. Who waits and who is in is told by the entries and the participants: an
 * appointment's own seats may be older than they are.
 * @param {ProviderView} view
 * @param {RoomVisit} visit
 * @returns {Member[]}
 */
export function membersOf(view, visit) {
  const booked = appointmentOf(view, visit)?.clients ?? [];
  const there = visit.participants.filter(({ role }) => role === "client");
  const walkedIn = there.filter(({ id, client }) => !booked.some((one) => one.participant === id || (client && one.id === client)));
  return [
    ...booked.map((one) => member(view, visit, { ...one, client: one.id })),
    ...walkedIn.map(({ id, name, client }) => member(view, visit, { participant: id, name, client })),
  ];
}

/**
 * @param {ProviderView} view
 * @param {RoomVisit} visit
 * @param {{client?: string, participant?: string, name: string, seat?: string}} who
 * @returns {Member}
 */
function member(view, visit, { client, participant, name, seat }) {
  const found = visit.participants.find((one) => one.id === participant || (client !== undefined && one.client === client));
  const entry = view.waiting.find(
    (one) => one.appointment === visit.appointment && (one.participant === participant || (client !== undefined && one.client.id === client)),
  );
  const base = { key: participant ?? client ?? name, client, participant: participant ?? found?.id, name };
  if (entry) return { ...base, seat: "waiting", presence: dropped(entry) ? "gone" : entry.away ? "away" : "connected", entry };
  if (found && found.presence !== "left" && visit.phase === "in_progress") {
    return { ...base, seat: "in", presence: found.presence === "gone" ? "gone" : "connected" };
  }
  return { ...base, seat: seat === "removed" ? "removed" : "out", presence: "none" };
}

/**
 * Where somebody without a link may belong: the seats of one's own appointments that wait for their client.
 * @typedef {{appointment: RoomAppointment, client: {id: string, name: string}}} Match
 * @param {ProviderView} view
 * @param {RoomVisit} [live]  then those of this one alone
 * @returns {Match[]}
 */
export function matchesOf(view, live) {
  const waits = new Set(view.waiting.map((entry) => `${entry.appointment}/${entry.client.id}`));
  const inside = new Set(live ? membersOf(view, live).filter(({ seat }) => seat !== "out").map(({ client }) => client) : []);
  return view.appointments
    .filter(({ id, phase, room }) => room === undefined && (live ? id === live.appointment : phase === "scheduled"))
    .flatMap((appointment) => appointment.clients.map((client) => ({ appointment, client })))
    .filter(({ appointment, client }) => client.seat !== "removed" && !waits.has(`${appointment.id}/${client.id}`) && !inside.has(client.id));
}

/**
 * What keeps a session from being started for somebody who waits: it goes on without them and they are admitted
 * (`late`), another goes on in that room (`busy`), or it has ended and is rejoined first (`ended`).
 * @param {ProviderView} view
 * @param {Entry} entry
 * @returns {"late" | "busy" | "ended" | undefined}
 */
export function inTheWay(view, entry) {
  const theirs = (/** @type {RoomVisit} */ { appointment }) => appointment !== undefined && appointment === entry.appointment;
  const live = liveBeside(view, entry);
  if (live) return theirs(live) ? "late" : "busy";
  return endedVisits(view).some(theirs) ? "ended" : undefined;
}

/** How many of an appointment's clients wait. @param {ProviderView} view @param {string | undefined} appointment */
export function readiness(view, appointment) {
  const booked = view.appointments.find(({ id }) => id === appointment);
  const ready = view.waiting.filter((entry) => entry.appointment === appointment).length;
  return { group: booked?.group === true, ready, of: Math.max(ready, booked?.clients.length ?? 0) };
}

/**
 * The state a Start was decided on. An entry carries the `rev` of its arrival; others came and went since.
 * @param {ProviderView} view
 * @param {Entry} entry
 * @returns {number | undefined}
 */
export function revOf(view, entry) {
  const told = [entry.rev, view.appointments.find(({ id }) => id === entry.appointment)?.rev];
  const known = told.filter((rev) => rev !== undefined);
  return known.length ? Math.max(...known) : undefined;
}

/** Whether a waiting client's connection dropped: their place is kept for a while. @param {Entry} entry */
export function dropped({ flags }) {
  return flags?.includes("dropped") === true;
}

/**
 * The others to show. Of several providers some may not take part: who is not heard of gets no empty place, unless
 * nobody else of them is there to be waited for.
 * @param {import("./types.js").Participant[]} participants
 * @param {{participant: string}[]} remotes  whose lines there are
 */
export function shownOthers(participants, remotes) {
  const there = new Set(remotes.map(({ participant }) => participant));
  const leads = participants.filter(({ role }) => role !== "client");
  const led = leads.some(({ id, you }) => you || there.has(id));
  const idle = new Set(led && leads.length > 1 ? leads.filter(({ id }) => !there.has(id)) : []);
  return participants.filter((one) => !one.you && one.presence !== "left" && !idle.has(one));
}

/**
 * Who of several providers sends nothing: they look on, or they went out, which only the server can say.
 * @param {import("./types.js").Participant[]} participants
 * @param {import("./types.js").Participant[]} shown
 */
export function silentLeads(participants, shown) {
  const several = participants.filter(({ role }) => role !== "client").length > 1;
  return several ? shown.filter(({ role, microphone, camera }) => role !== "client" && microphone === false && camera === false).map(({ id }) => id) : [];
}
