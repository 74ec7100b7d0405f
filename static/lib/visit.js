/** A client's state: the view the server gave, with each event since folded in. Nothing here is mutated. */

import { CLOSE } from "./connection.js";

/** @typedef {import("./types.js").ClientView} ClientView */
/** @typedef {import("./types.js").Message} Message */
/** @typedef {import("./types.js").Participant} Participant */
/** @typedef {"check-in" | "waiting" | "session" | "ended" | "closed"} VisitScreen */
/** @typedef {"finished" | "over" | "cancelled" | "absent" | "removed" | "revoked" | "displaced" | "lost"} ClosedReason */

/** @type {Readonly<Record<string, (view: ClientView, message: Message) => ClientView>>} */
const FOLD = {
  "waiting.changed": (view, { status, minutes, ahead }) => ({
    ...view,
    provider: status === undefined ? view.provider : { ...view.provider, status, minutes },
    ahead,
  }),
  "visit.started": (view, message) => live(view, message),
  "visit.resumed": (view, message) => live(view, message),
  // Sent back to wait, one waits; `waiting.changed` follows.
  "visit.ended": (view, { visit, by, rev, reason, rejoin_until }) => ({
    ...out(view),
    phase: reason === "returned" ? "waiting" : "ended",
    visit: visit ?? view.visit,
    rev: rev ?? view.rev,
    rejoin_until: rejoin_until || undefined,
    ended_by: by,
    ended_reason: reason,
    agreed: [],
    mine: false,
  }),
  // `live`: it was resumed without this client, who may come in by a click; then no window runs.
  "visit.rejoin_pending": (view, { visit, agreed, rejoin_until, mine, live: onward }) => ({
    ...view,
    phase: agreed?.length && !onward ? "rejoin_pending" : "ended",
    visit: visit ?? view.visit,
    agreed: agreed ?? [],
    mine: mine === true,
    rejoin_until: onward ? undefined : (rejoin_until ?? view.rejoin_until),
  }),
  "visit.closed": (view, { visit, outcome }) => ({ ...out(view), phase: "closed", visit: visit ?? view.visit, outcome }),
  "media.mode": (view, message) => ({
    ...view,
    ...(view.participants ? { participants: withMode(view.participants, message) } : {}),
  }),
  "visit.path": (view, { path }) => ({ ...view, path: path ?? "relay" }),
  "participant.changed": (view, { participant }) =>
    view.participants ? { ...view, participants: withParticipant(view.participants, participant) } : view,
};

/**
 * @param {ClientView | null} view  null before the first view
 * @param {Message} message
 * @returns {ClientView | null}
 */
export function foldClient(view, message) {
  if (message.type === "view") return /** @type {ClientView} */ (/** @type {unknown} */ (message));
  const fold = FOLD[message.type];
  return view && fold ? fold(view, message) : view;
}

/** @param {ClientView} view @param {Message} message @returns {ClientView} */
function live(view, { visit, segment, rev, participants, ice_servers, path, rejoin_until }) {
  return {
    ...view,
    phase: "in_progress",
    checked_in: true,
    visit,
    segment: segment ?? view.segment ?? 1,
    rev: rev ?? view.rev,
    participants: participants ?? view.participants ?? [],
    ice_servers: ice_servers ?? view.ice_servers,
    path: path ?? "relay",
    rejoin_until,
    away: false,
    ended_reason: undefined,
    agreed: [],
  };
}

/** A client who is not in knows nothing of the others. @param {ClientView} view @returns {ClientView} */
function out(view) {
  const { participants: _participants, ice_servers: _iceServers, ...rest } = view;
  return rest;
}

/**
 * @param {Participant[]} participants
 * @param {Participant} changed  whole; a new one is added
 * @returns {Participant[]}
 */
export function withParticipant(participants, changed) {
  return participants.some(({ id }) => id === changed.id)
    ? participants.map((one) => (one.id === changed.id ? { ...one, network: undefined, ...changed } : one))
    : [...participants, changed];
}

/**
 * What `media.mode` says: somebody's own word, or what the server knows of their network.
 * @param {Participant[]} participants
 * @param {Message} message
 * @returns {Participant[]}
 */
export function withMode(participants, { participant, mode, by }) {
  /** @type {Partial<Participant>} */
  const change = by === "server" ? { network: mode === "audio" ? "weak" : undefined } : { mode };
  return participants.map((one) => (one.id === participant ? { ...one, ...change } : one));
}

/** Whether a session goes on without this client, who may come back by a click. @param {ClientView} view */
export function goesOn(view) {
  return view.phase === "ended" && !view.rejoin_until;
}

/** Which screen a connected client belongs on. @param {ClientView} view @returns {VisitScreen} */
export function screenFor(view) {
  if (view.phase === "closed") return "closed";
  if (view.phase === "in_progress" && view.participants) return "session";
  if (view.phase === "ended" || view.phase === "rejoin_pending") return "ended";
  return view.checked_in ? "waiting" : "check-in";
}

/** Why a session did not take place, as far as it is said to a client. @type {Readonly<Record<string, ClosedReason>>} */
const OVER = { cancelled: "cancelled", late_cancel: "cancelled", provider_absent: "absent", technical_failure: "absent" };

/**
 * Why the server let us go for good.
 * @param {number} code  a WebSocket close code
 * @param {ClientView | null} view
 * @returns {ClosedReason}
 */
export function closedReason(code, view) {
  if (code === CLOSE.DISPLACED) return "displaced";
  if (code === CLOSE.REMOVED) return "removed";
  if (code === CLOSE.REVOKED) return "revoked";
  if (code === CLOSE.OVER) return tookPlace(view) ? "finished" : (OVER[view?.outcome ?? ""] ?? "over");
  return "lost";
}

/** Whether they met: thanks are due then, and an explanation otherwise. @param {ClientView | null} view */
function tookPlace(view) {
  return (view?.segment ?? 0) > 0 || ["attended", "late_arrival", "left_early"].includes(view?.outcome ?? "");
}
