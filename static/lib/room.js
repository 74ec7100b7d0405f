/** A provider's state: the room's view, with each event since folded in. Nothing here is mutated. */

import { withMode, withParticipant } from "./visit.js";

/** @typedef {import("./types.js").ProviderView} ProviderView */
/** @typedef {import("./types.js").RoomVisit} RoomVisit */
/** @typedef {import("./types.js").Entry} Entry */
/** @typedef {import("./types.js").Message} Message */

/** @type {Readonly<Record<string, (view: ProviderView, message: Message) => ProviderView>>} */
const FOLD = {
  "queue.entered": (view, { entry }) => withEntry(view, entry),
  "queue.changed": (view, { entry }) => withEntry(view, entry),
  "queue.left": (view, { entry }) => withoutEntry(view, typeof entry === "string" ? entry : entry.id),
  "waiting.changed": (view, { status, minutes }) => ({ ...view, status: status ?? view.status, minutes }),
  "visit.started": (view, message) =>
    withVisit(view, message, {
      phase: "in_progress",
      appointment: message.appointment,
      participants: message.participants ?? [],
      ice_servers: message.ice_servers,
      path: message.path ?? "relay",
      started_at: message.at,
      rejoin_until: undefined,
      agreed: [],
    }),
  "visit.resumed": (view, message) =>
    withVisit(view, message, {
      phase: "in_progress",
      ...(message.participants ? { participants: message.participants } : {}),
      ice_servers: message.ice_servers,
      path: message.path ?? "relay",
      rejoin_until: undefined,
      agreed: [],
    }),
  // Sent back to wait, the only client waits for a Start again: there is nothing to rejoin.
  "visit.ended": (view, message) =>
    message.reason === "returned"
      ? withoutVisit(view, message.visit, "scheduled", message.rev)
      : withVisit(view, message, {
          phase: "ended",
          rejoin_until: message.rejoin_until,
          ended_by: message.by,
          ended_reason: message.reason,
          agreed: [],
          mine: false,
        }),
  "visit.rejoin_pending": (view, message) =>
    withVisit(view, message, {
      phase: message.agreed?.length ? "rejoin_pending" : "ended",
      agreed: message.agreed ?? [],
      mine: message.mine === true,
      ...(message.rejoin_until ? { rejoin_until: message.rejoin_until } : {}),
    }),
  "visit.closed": (view, { visit, outcome }) => withOutcome(withoutVisit(view, visit, "closed"), visit, outcome),
  "visit.changed": (view, { appointment }) => ({
    ...view,
    appointments: withAppointment(view.appointments, appointment),
    // Whoever comes to host it between two segments is told of the visit first.
    visits: view.visits.map((visit) => (visit.id === appointment.visit ? { ...visit, appointment: appointment.id } : visit)),
  }),
  "media.mode": (view, message) => ({
    ...view,
    visits: view.visits.map((visit) => ({ ...visit, participants: withMode(visit.participants, message) })),
  }),
  "visit.path": (view, { visit, path }) => ({
    ...view,
    visits: view.visits.map((one) => (one.id === visit ? { ...one, path: path ?? "relay" } : one)),
  }),
  "participant.changed": (view, { visit, participant }) => ({
    ...view,
    visits: view.visits.map((one) =>
      one.id === visit ? { ...one, participants: withParticipant(one.participants, participant) } : one,
    ),
  }),
};

/**
 * @param {ProviderView | null} view  null before the first view
 * @param {Message} message
 * @returns {ProviderView | null}
 */
export function foldProvider(view, message) {
  if (message.type === "view") {
    const { waiting = [], unverified = [], appointments = [], visits = [] } = message;
    return { .../** @type {any} */ (message), waiting, unverified, appointments, visits };
  }
  const fold = FOLD[message.type];
  return view && fold ? fold(view, message) : view;
}

/** @param {ProviderView} view @param {Entry} entry @returns {ProviderView} */
function withEntry(view, entry) {
  const lane = entry.verified ? "waiting" : "unverified";
  const known = view[lane].some(({ id }) => id === entry.id);
  if (!known) return { ...withoutEntry(view, entry.id), [lane]: [...withoutEntry(view, entry.id)[lane], entry] };
  return { ...view, [lane]: view[lane].map((one) => (one.id === entry.id ? entry : one)) };
}

/** @param {ProviderView} view @param {string} id @returns {ProviderView} */
function withoutEntry(view, id) {
  /** @param {Entry} entry */
  const other = (entry) => entry.id !== id;
  return { ...view, waiting: view.waiting.filter(other), unverified: view.unverified.filter(other) };
}

/** @param {ProviderView} view @param {Message} message @param {Partial<RoomVisit>} change @returns {ProviderView} */
function withVisit(view, message, change) {
  const before = view.visits.find(({ id }) => id === message.visit);
  /** @type {RoomVisit} */
  const visit = {
    participants: [],
    phase: "in_progress",
    ...before,
    ...change,
    id: message.visit,
    segment: message.segment ?? before?.segment ?? 1,
    rev: message.rev ?? before?.rev,
    started_at: before?.started_at ?? change.started_at,
  };
  return {
    ...view,
    visits: [...view.visits.filter(({ id }) => id !== visit.id), visit],
    appointments: phased(view, visit.appointment, visit.phase, visit.rev),
  };
}

/**
 * @param {ProviderView} view
 * @param {string} id
 * @param {import("./types.js").Phase} phase  what becomes of its appointment
 * @param {number} [rev]
 * @returns {ProviderView}
 */
function withoutVisit(view, id, phase, rev) {
  const visit = view.visits.find((one) => one.id === id);
  const appointment = visit?.appointment ?? view.appointments.find((one) => one.visit === id)?.id;
  return { ...view, visits: view.visits.filter((one) => one !== visit), appointments: phased(view, appointment, phase, rev) };
}

/** @param {ProviderView} view @param {string} visit @param {string} outcome @returns {ProviderView} */
function withOutcome(view, visit, outcome) {
  return { ...view, appointments: view.appointments.map((one) => (one.visit === visit ? { ...one, outcome } : one)) };
}

/**
 * @param {import("./types.js").RoomAppointment[]} appointments
 * @param {import("./types.js").RoomAppointment} changed  whole; a new one is added
 */
function withAppointment(appointments, changed) {
  const known = appointments.some(({ id }) => id === changed.id);
  return known ? appointments.map((one) => (one.id === changed.id ? changed : one)) : [...appointments, changed];
}

/**
 * The appointments, with the phase of one of them told.
 * @param {ProviderView} view
 * @param {string | undefined} id
 * @param {import("./types.js").Phase} phase
 * @param {number} [rev]
 */
function phased(view, id, phase, rev) {
  return view.appointments.map((one) => (one.id === id ? { ...one, phase, rev: rev ?? one.rev } : one));
}

/** Visits in progress. A room holds one at most; several rooms are looked into. @param {ProviderView} view */
export function liveVisits(view) {
  return view.visits.filter(({ phase }) => phase === "in_progress");
}

/** The visit in progress in the room of something, if there is one. @param {ProviderView} view @param {{room?: string}} thing */
export function liveBeside(view, { room }) {
  return liveVisits(view).find((visit) => visit.room === room);
}

/** Visits that may be rejoined. @param {ProviderView} view */
export function endedVisits(view) {
  return view.visits.filter(({ phase }) => phase === "ended" || phase === "rejoin_pending");
}

/** Whether a session may begin at any click: somebody is ready, or this provider has agreed to go on. @param {ProviderView} view */
export function awaits(view) {
  const ready = [...view.waiting, ...view.unverified].some(({ away }) => away !== true);
  return liveVisits(view).length === 0 && (ready || view.visits.some(({ phase, mine }) => phase === "rejoin_pending" && mine === true));
}

/** Who is ready and was not noticed yet, first come first. @param {ProviderView} view @returns {Entry[]} */
export function unnoticed(view) {
  return [...view.waiting, ...view.unverified]
    .filter(({ acknowledged }) => !acknowledged)
    .sort((a, b) => a.since - b.since);
}

/** The clients who are or were in a visit. @param {RoomVisit} visit */
export function clientsOf(visit) {
  return visit.participants.filter(({ role }) => role === "client");
}
