/** A provider's room: who waits and since when, today's appointments, what is live or may be rejoined. */

import { inTheWay, readiness } from "../lib/group.js";
import { clientsOf, endedVisits, liveVisits } from "../lib/room.js";
import { freshId, h, heading, Screen, setText, syncRows } from "./dom.js";
import { EntryRow } from "./entry-row.js";
import { icon } from "./icons.js";

/** @typedef {import("../lib/i18n.js").Translator} Translator */
/** @typedef {import("../lib/types.js").ProviderView} ProviderView */
/** @typedef {import("../lib/types.js").Entry} Entry */
/** @typedef {import("../lib/types.js").RoomVisit} RoomVisit */
/** @typedef {import("../lib/types.js").RoomAppointment} RoomAppointment */
/** @typedef {import("../lib/types.js").Status} Status */

/**
 * @typedef {Object} RoomActions
 * @property {(entry: Entry) => void} onStart
 * @property {(entry: Entry) => void} onMatch
 * @property {(entry: Entry, text: string) => Promise<unknown>} onTell
 * @property {(entry: Entry, reason: string | undefined) => void} onRemove
 * @property {(status: Status, minutes: number | undefined) => void} onStatus
 * @property {(entry: Entry) => void} onAdmit
 * @property {(visit: RoomVisit) => void} onJoin
 * @property {(visit: RoomVisit) => void} onRejoin
 * @property {(visit: RoomVisit) => void} onFinish
 * @property {() => void} onDevices
 */

export class ProviderRoom extends Screen {
  #error = h("p", { class: "form-error banner", role: "alert" });
  #visits = h("ul", { class: "rows visits" });
  #waiting = h("div", { class: "rows", role: "list" });
  #unverified = h("div", { class: "rows", role: "list" });
  #lane = h("section", { class: "panel-card" });
  #nobody = h("div", { class: "empty" });
  #count = h("span", { class: "count" });
  #appointments = h("ul", { class: "rows appointments" });
  #noAppointments = h("p", { class: "hint" });
  #status = h("select", { id: freshId("status"), name: "status" });
  #minutes = h("input", { id: freshId("minutes"), name: "minutes", type: "number", min: 1, max: 240, step: 1, value: 10 });
  #minutesField = h("div", { class: "field minutes" });
  /** @type {Map<string, EntryRow>} */
  #entries = new Map();
  /** @type {Map<string, EntryRow>} */
  #knocks = new Map();
  /** @type {Map<string, HTMLElement>} */
  #visitRows = new Map();
  /** @type {Map<string, HTMLElement>} */
  #appointmentRows = new Map();
  /** @type {ProviderView | null} */
  #view = null;

  /**
   * @param {Object} model
   * @param {Translator} model.t
   * @param {ProviderView} model.view
   * @param {() => number} model.now  server time, ms
   * @param {string} model.name
   * @param {RoomActions} model.actions
   */
  show({ t, view, now, name, actions }) {
    this.actions = actions;
    this.now = now;
    this.t = t;
    for (const status of ["available", "away", "late"]) this.#status.append(h("option", { value: status }, t.say(`status.${status}`)));
    this.#minutesField.append(h("label", { for: this.#minutes.id }, t.say("status.minutes")), this.#minutes);
    const change = () => {
      const status = /** @type {Status} */ (this.#status.value);
      this.#minutesField.hidden = status !== "late";
      actions.onStatus(status, status === "late" ? Math.max(1, Math.round(Number(this.#minutes.value)) || 10) : undefined);
    };
    this.#status.addEventListener("change", change);
    this.#minutes.addEventListener("change", change);
    const devices = h("button", { type: "button", class: "secondary", on: { click: actions.onDevices } }, icon("camera"), t.say("room.devices"));
    this.#nobody.append(h("p", {}, h("strong", {}, t.say("room.nobody"))), h("p", { class: "hint" }, t.say("room.nobody_more")));
    this.#noAppointments.append(t.say("room.no_appointments"));
    this.#lane.append(h("h2", {}, t.say("room.unverified")), h("p", { class: "hint" }, t.say("room.unverified_more")), this.#unverified);
    this.replaceChildren(
      h(
        "div",
        { class: "room" },
        h("div", { class: "room-head" }, h("div", {}, h("p", { class: "eyebrow" }, t.say("room.title")), heading(name)), devices),
        this.#error,
        this.#visits,
        h(
          "div",
          { class: "room-columns" },
          h("div", { class: "stack" }, h("section", { class: "panel-card" }, h("h2", {}, t.say("room.waiting"), " ", this.#count), this.#waiting, this.#nobody), this.#lane),
          h(
            "div",
            { class: "stack" },
            h(
              "section",
              { class: "panel-card" },
              h("div", { class: "status-row" }, h("div", { class: "field" }, h("label", { for: this.#status.id }, t.say("status.label")), this.#status), this.#minutesField),
              h("p", { class: "hint" }, t.say("status.help")),
            ),
            h("section", { class: "panel-card" }, h("h2", {}, t.say("room.today")), this.#appointments, this.#noAppointments),
          ),
        ),
      ),
    );
    this.tell(view);
    this.every(1000, () => this.#tick());
  }

  /** @param {ProviderView} view */
  tell(view) {
    const { t, actions } = this;
    if (!t || !actions) return;
    this.#view = view;
    const make = (/** @type {Entry} */ entry) => new EntryRow(entry, t, actions);
    const tell = (/** @type {EntryRow} */ row, /** @type {Entry} */ entry) =>
      row.tell(entry, { way: inTheWay(view, entry), readiness: readiness(view, entry.appointment), with: startsWith(view, entry) });
    syncRows(this.#waiting, this.#entries, view.waiting, ({ id }) => id, make, tell);
    syncRows(this.#unverified, this.#knocks, view.unverified, ({ id }) => id, make, tell);
    syncRows(this.#visits, this.#visitRows, [...liveVisits(view), ...endedVisits(view)], rowKey, (visit) => this.#visitRow(visit), (row, visit) => this.#tellVisit(row, visit));
    syncRows(this.#appointments, this.#appointmentRows, [...view.appointments].sort((a, b) => a.start - b.start), ({ id }) => id, () => h("li", { class: "row" }), (row, one) => this.#appointmentRow(row, one));
    this.#nobody.hidden = view.waiting.length > 0;
    this.#lane.hidden = view.unverified.length === 0;
    this.#noAppointments.hidden = view.appointments.length > 0;
    setText(this.#count, view.waiting.length ? String(view.waiting.length) : "");
    if (document.activeElement !== this.#status && document.activeElement !== this.#minutes) {
      this.#status.value = view.status ?? "available";
      if (view.minutes) this.#minutes.value = String(view.minutes);
      this.#minutesField.hidden = this.#status.value !== "late";
    }
    this.#tick();
  }

  /** @param {string} text */
  fail(text) {
    setText(this.#error, text);
  }

  #tick() {
    const now = this.now?.() ?? 0;
    for (const row of [...this.#entries.values(), ...this.#knocks.values()]) row.tick(now);
    for (const visit of this.#view?.visits ?? []) {
      const row = this.#visitRows.get(rowKey(visit))?.querySelector(".left");
      if (row && this.t && visit.rejoin_until) setText(row, this.t.say("room.rejoin_until", { time: this.t.clock(visit.rejoin_until - now) }));
    }
  }

  /** @param {RoomVisit} visit */
  #visitRow(visit) {
    const t = /** @type {Translator} */ (this.t);
    const button = (/** @type {string} */ kind, /** @type {string} */ label, /** @type {(visit: RoomVisit) => void} */ act) =>
      h("button", { type: "button", class: kind, on: { click: () => act(visit) } }, t.say(label));
    const act = /** @type {RoomActions} */ (this.actions);
    const live = visit.phase === "in_progress";
    return h(
      "li",
      { class: "row visit", "data-phase": visit.phase },
      h("div", { class: "who" }, h("strong", {}), h("small", { class: "state" }), live ? null : h("small", { class: "left" })),
      h(
        "div",
        { class: "row-actions" },
        ...(live ? [button("primary", "room.join", act.onJoin)] : [button("primary", "ended.finish", act.onFinish), button("secondary", "ended.rejoin", act.onRejoin)]),
      ),
    );
  }

  /** @param {HTMLElement} row @param {RoomVisit} visit */
  #tellVisit(row, visit) {
    const t = /** @type {Translator} */ (this.t);
    const names = clientsOf(visit).filter(({ presence }) => visit.phase !== "in_progress" || presence !== "left").map(({ name }) => name).join(", ");
    const called = visit.phase === "rejoin_pending" && visit.agreed?.includes("client") && !visit.mine;
    setText(/** @type {Element} */ (row.querySelector("strong")), t.say("room.ended_with", { names }));
    setText(/** @type {Element} */ (row.querySelector(".state")), t.say(visit.phase === "in_progress" ? "room.live" : called ? "room.wants_rejoin" : "room.ended"));
    row.classList.toggle("called", called === true);
  }

  /** @param {HTMLElement} row @param {RoomAppointment} one */
  #appointmentRow(row, one) {
    const t = /** @type {Translator} */ (this.t);
    // Who waits is told by the entries; an appointment's own phase may be older than they are.
    const waits = this.#view?.waiting.some(({ appointment }) => appointment === one.id);
    const phase = one.phase === "scheduled" && waits ? "waiting" : one.phase === "waiting" ? "scheduled" : one.phase;
    const { group, ready, of } = this.#view ? readiness(this.#view, one.id) : { group: false, ready: 0, of: 0 };
    const where = group && phase === "waiting" ? t.say("room.ready_of", { ready, of }) : one.outcome && one.outcome in UNMET ? t.say(UNMET[one.outcome]) : t.say(`phase.${phase}`);
    const host = one.room === undefined ? "" : t.say("room.shared_with", { provider: one.host?.name ?? "" });
    const words = [group ? t.say("session.title_group") : "", host, where].filter(Boolean).join(" · ");
    const now = JSON.stringify([one, phase, words]);
    if (row.dataset.shown === now) return;
    row.dataset.shown = now;
    row.replaceChildren(
      h("span", { class: "time" }, t.time(one.start)),
      h(
        "div",
        { class: "who" },
        h("strong", {}, h("bdi", {}, one.clients.map(({ name }) => name).join(", "))),
        h("small", {}, words),
      ),
    );
    row.dataset.phase = phase;
  }
}
customElements.define("provider-room", ProviderRoom);

/** What became of an appointment that did not take place. @type {Record<string, string>} */
const UNMET = { cancelled: "phase.cancelled", late_cancel: "attendance.late_cancel", no_show: "attendance.no_show", provider_absent: "attendance.provider_absent" };

/** Its buttons are others once it goes on. @param {RoomVisit} visit */
function rowKey({ id, phase }) {
  return `${id}/${phase === "in_progress" ? "live" : "ended"}`;
}

/** The first of a group who waits: their row has the Start for all. @param {ProviderView} view @param {Entry} entry */
function startsWith(view, entry) {
  const first = view.waiting.find(({ appointment }) => appointment !== undefined && appointment === entry.appointment);
  return first && first.id !== entry.id ? first.client.name : undefined;
}
