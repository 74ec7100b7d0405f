/** One who waits, as the provider's list shows them. */

import { dropped } from "../lib/group.js";
import { freshId, h, setText } from "./dom.js";
import { openRemove, openTell } from "./entry-dialogs.js";
import { icon } from "./icons.js";
import { placeOf } from "./ready-notice.js";

/** @typedef {import("../lib/i18n.js").Translator} Translator */
/** @typedef {import("../lib/types.js").Entry} Entry */

/**
 * @typedef {Object} EntryActions
 * @property {(entry: Entry) => void} onStart
 * @property {(entry: Entry) => void} onAdmit
 * @property {(entry: Entry) => void} onMatch
 * @property {(entry: Entry, text: string) => Promise<unknown>} onTell
 * @property {(entry: Entry, reason: string | undefined) => void} onRemove
 */

/**
 * @typedef {Object} Around               what else is known of the room
 * @property {"late" | "busy" | "ended"} [way]   what is in the way of a Start
 * @property {{group: boolean, ready: number, of: number}} readiness
 * @property {string} [with]              a client of the same group, whose row has the one Start for all who are ready
 */

/** Flags that say what another mark says already. */
const SAID = ["dropped", "audio_only"];

export class EntryRow extends HTMLElement {
  #name = h("bdi", {});
  #waited = h("span", { class: "waited" });
  #facts = h("span", { class: "facts" });
  #start = h("button", { type: "button", class: "primary" });
  #match = h("button", { type: "button", class: "secondary" });
  #busy = h("small", {});
  #said = h("small", { class: "said", role: "status" });
  /** @type {Entry} */
  #entry;
  /** The group they belong to is in session already. */
  #late = false;
  #t;

  /** @param {Entry} entry @param {Translator} t @param {EntryActions} actions */
  constructor(entry, t, actions) {
    super();
    this.#entry = entry;
    this.#t = t;
    this.setAttribute("role", "listitem");
    this.className = "row entry";
    const describe = freshId("who");
    this.#name.id = describe;
    const button = (/** @type {string} */ kind, /** @type {() => void} */ click, /** @type {import("./dom.js").Child[]} */ ...label) =>
      h("button", { type: "button", class: kind, "aria-describedby": describe, on: { click } }, ...label);
    this.#start.setAttribute("aria-describedby", describe);
    this.#start.addEventListener("click", () => (this.#late ? actions.onAdmit : actions.onStart)(this.#entry));
    this.#match.append(t.say("match.open"));
    this.#match.hidden = entry.verified;
    this.#match.setAttribute("aria-describedby", describe);
    this.#match.addEventListener("click", () => actions.onMatch(this.#entry));
    this.append(
      h("div", { class: "who" }, h("strong", {}, this.#name), this.#waited, this.#facts),
      h(
        "div",
        { class: "row-actions" },
        this.#start,
        this.#match,
        button("secondary", () => openTell(this.#entry, t, (one, text) => this.#say(actions.onTell(one, text))), icon("message"), t.say("room.message")),
        button("quiet danger-text", () => openRemove(this.#entry.client.name, t, "waiting", (reason) => actions.onRemove(this.#entry, reason)), t.say("room.remove")),
        this.#said,
        this.#busy,
      ),
    );
  }

  /** That it arrived is said where it was asked for. @param {Promise<unknown>} told */
  async #say(told) {
    setText(this.#said, "");
    await told;
    setText(this.#said, this.#t.say("room.message_sent", { time: this.#t.time(Date.now()) }));
  }

  /** @param {Entry} entry @param {Around} around */
  tell(entry, { way, readiness, ...around }) {
    const t = this.#t;
    this.#entry = entry;
    this.#late = way === "late";
    const barred = way !== undefined && !this.#late;
    setText(this.#name, entry.client.name);
    setText(this.#start, this.#late ? t.say("group.admit") : readiness.group ? t.say("room.start_group", { ready: readiness.ready, of: readiness.of }) : t.say("room.start"));
    this.#start.disabled = this.#match.disabled = barred;
    this.#start.hidden = around.with !== undefined && !this.#late;
    setText(this.#busy, barred ? t.say(way === "ended" ? "room.ended_hint" : "room.busy_hint") : "");
    this.#start.className = entry.verified ? "primary" : "secondary";
    /** @type {[string, string][]} */
    const facts = [];
    const place = placeOf(entry, t);
    if (entry.room !== undefined) facts.push(["people", t.say("room.shared")]);
    if (around.with !== undefined && !this.#late) facts.push(["people", t.say("room.starts_with", { name: around.with })]);
    if (place) facts.push(["place", place]);
    if (entry.media === "audio") facts.push(["audio", t.say("badge.audio_only")]);
    if (dropped(entry)) facts.push(["alert", t.say("flag.dropped")]);
    else if (entry.away) facts.push(["clock", t.say("room.away")]);
    for (const flag of entry.flags ?? []) {
      if (!SAID.includes(flag)) facts.push(["alert", t.has(`flag.${flag}`) ? t.say(`flag.${flag}`) : flag.replaceAll("_", " ")]);
    }
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
