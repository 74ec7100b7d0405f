/** A provider's room: who waits and since when, today's appointments, what is live or may be rejoined. */

import { clientsOf, endedVisits, liveVisit } from "../lib/room.js";
import { freshId, h, heading, Screen, setText, syncRows } from "./dom.js";
import { Modal } from "./frame.js";
import { icon } from "./icons.js";
import { placeOf } from "./ready-notice.js";

/** @typedef {import("../lib/i18n.js").Translator} Translator */
/** @typedef {import("../lib/types.js").ProviderView} ProviderView */
/** @typedef {import("../lib/types.js").Entry} Entry */
/** @typedef {import("../lib/types.js").RoomVisit} RoomVisit */
/** @typedef {import("../lib/types.js").RoomAppointment} RoomAppointment */
/** @typedef {import("../lib/types.js").Status} Status */

/**
 * @typedef {Object} RoomActions
 * @property {(entry: Entry) => void} onStart
 * @property {(entry: Entry) => void} onAcknowledge
 * @property {(entry: Entry, text: string) => Promise<unknown>} onTell
 * @property {(entry: Entry) => void} onRemove
 * @property {(status: Status, minutes: number | undefined) => void} onStatus
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
    const live = liveVisit(view);
    const make = (/** @type {Entry} */ entry) => new EntryRow(entry, t, actions);
    const tell = (/** @type {EntryRow} */ row, /** @type {Entry} */ entry) => row.tell(entry, live !== undefined);
    syncRows(this.#waiting, this.#entries, view.waiting, ({ id }) => id, make, tell);
    syncRows(this.#unverified, this.#knocks, view.unverified, ({ id }) => id, make, tell);
    syncRows(this.#visits, this.#visitRows, endedVisits(view), ({ id, phase }) => `${id}/${phase}`, (visit) => this.#visitRow(visit), () => {});
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
      const row = this.#visitRows.get(`${visit.id}/${visit.phase}`)?.querySelector(".left");
      if (row && this.t && visit.rejoin_until) setText(row, this.t.say("room.rejoin_until", { time: this.t.clock(visit.rejoin_until - now) }));
    }
  }

  /** @param {RoomVisit} visit */
  #visitRow(visit) {
    const t = /** @type {Translator} */ (this.t);
    const names = clientsOf(visit).map(({ name }) => name).join(", ");
    const rejoin = h("button", { type: "button", class: "secondary" }, t.say("ended.rejoin"));
    const finish = h("button", { type: "button", class: "primary" }, t.say("ended.finish"));
    rejoin.addEventListener("click", () => this.actions?.onRejoin(visit));
    finish.addEventListener("click", () => this.actions?.onFinish(visit));
    return h(
      "li",
      { class: "row visit" },
      h("div", { class: "who" }, h("strong", {}, t.say("room.ended_with", { names })), h("small", { class: "left" }, t.say("room.ended"))),
      h("div", { class: "row-actions" }, finish, rejoin),
    );
  }

  /** @param {HTMLElement} row @param {RoomAppointment} one */
  #appointmentRow(row, one) {
    const t = /** @type {Translator} */ (this.t);
    // Who waits is told by the entries; an appointment's own phase may be older than they are.
    const waits = this.#view?.waiting.some(({ appointment }) => appointment === one.id);
    const phase = waits ? "waiting" : one.phase === "waiting" ? "scheduled" : one.phase;
    const now = JSON.stringify([one, phase]);
    if (row.dataset.shown === now) return;
    row.dataset.shown = now;
    row.replaceChildren(
      h("span", { class: "time" }, t.time(one.start)),
      h(
        "div",
        { class: "who" },
        h("strong", {}, h("bdi", {}, one.clients.map(({ name }) => name).join(", "))),
        h("small", {}, t.say(`phase.${phase}`)),
      ),
    );
    row.dataset.phase = phase;
  }
}
customElements.define("provider-room", ProviderRoom);

/** One who waits. */
class EntryRow extends HTMLElement {
  #name = h("bdi", {});
  #waited = h("span", { class: "waited" });
  #facts = h("span", { class: "facts" });
  #start = h("button", { type: "button", class: "primary" });
  #busy = h("small", {});
  /** @type {Entry} */
  #entry;
  #t;

  /** @param {Entry} entry @param {Translator} t @param {RoomActions} actions */
  constructor(entry, t, actions) {
    super();
    this.#entry = entry;
    this.#t = t;
    this.setAttribute("role", "listitem");
    this.className = "row entry";
    const describe = freshId("who");
    this.#name.id = describe;
    const tell = h("button", { type: "button", class: "secondary", "aria-describedby": describe }, icon("message"), t.say("room.message"));
    const remove = h("button", { type: "button", class: "quiet danger-text", "aria-describedby": describe }, t.say("room.remove"));
    this.#start.append(t.say("room.start"));
    this.#start.setAttribute("aria-describedby", describe);
    this.#start.addEventListener("click", () => actions.onStart(this.#entry));
    tell.addEventListener("click", () => openTell(this.#entry, t, actions));
    remove.addEventListener("click", () => openRemove(this.#entry, t, actions));
    this.append(
      h("div", { class: "who" }, h("strong", {}, this.#name), this.#waited, this.#facts),
      h("div", { class: "row-actions" }, this.#start, tell, remove, this.#busy),
    );
  }

  /** @param {Entry} entry @param {boolean} busy  another session is live */
  tell(entry, busy) {
    const t = this.#t;
    this.#entry = entry;
    setText(this.#name, entry.client.name);
    this.#start.disabled = busy;
    setText(this.#busy, busy ? t.say("room.busy_hint") : "");
    /** @type {[string, string][]} */
    const facts = [];
    const place = placeOf(entry, t);
    if (place) facts.push(["place", place]);
    if (entry.media === "audio") facts.push(["audio", t.say("badge.audio_only")]);
    if (entry.away) facts.push(["clock", t.say("room.away")]);
    for (const flag of entry.flags ?? []) facts.push(["alert", t.has(`flag.${flag}`) ? t.say(`flag.${flag}`) : flag.replaceAll("_", " ")]);
    const now = JSON.stringify(facts);
    if (this.#facts.dataset.shown === now) return;
    this.#facts.dataset.shown = now;
    this.#facts.replaceChildren(...facts.map(([name, text]) => h("span", { class: `fact ${name}` }, icon(name), text)));
  }

  /** @param {number} now */
  tick(now) {
    setText(this.#waited, this.#t.say("room.waited", { time: this.#t.clock(now - this.#entry.since) }));
    this.classList.toggle("long", now - this.#entry.since > 10 * 60_000);
  }
}
customElements.define("entry-row", EntryRow);

/** @param {Entry} entry @param {Translator} t @param {RoomActions} actions */
function openTell(entry, t, actions) {
  const name = entry.client.name;
  const text = h("textarea", { id: freshId("text"), rows: 3, maxlength: 500 });
  const ready = ["tell.soon", "tell.late", "tell.camera"].map((key) => {
    const button = h("button", { type: "button", class: "secondary small" }, t.say(key));
    button.addEventListener("click", () => {
      text.value = t.say(key);
      text.focus();
    });
    return button;
  });
  const error = h("p", { class: "form-error", role: "alert" });
  const send = h("button", { type: "button", class: "primary" }, t.say("tell.send"));
  const cancel = h("button", { type: "button", class: "secondary" }, t.say("tell.cancel"));
  const modal = new Modal({
    title: t.say("tell.title", { name }),
    body: [h("label", { for: text.id, class: "hint" }, t.say("tell.label", { name })), text, h("div", { class: "ready-texts" }, ...ready), error],
    actions: [cancel, send],
  });
  cancel.addEventListener("click", () => modal.close());
  send.addEventListener("click", () => {
    if (!text.value.trim()) return text.focus();
    send.disabled = true;
    actions.onTell(entry, text.value.trim()).then(
      () => modal.close(),
      (/** @type {any} */ refusal) => {
        send.disabled = false;
        setText(error, t.say(`error.${refusal?.code ?? "internal"}`));
      },
    );
  });
  modal.open();
  text.focus();
}

/** @param {Entry} entry @param {Translator} t @param {RoomActions} actions */
function openRemove(entry, t, actions) {
  const keep = h("button", { type: "button", class: "secondary", autofocus: true }, t.say("room.keep"));
  const remove = h("button", { type: "button", class: "danger" }, t.say("room.remove_confirm"));
  const modal = new Modal({
    title: t.say("room.remove_title", { name: entry.client.name }),
    body: [h("p", {}, t.say("room.remove_more"))],
    actions: [keep, remove],
  });
  keep.addEventListener("click", () => modal.close());
  remove.addEventListener("click", () => {
    modal.close();
    actions.onRemove(entry);
  });
  modal.open();
}
