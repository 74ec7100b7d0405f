/** "*Name* is ready": in the middle of the screen when there is nothing else to do, a banner during a session. */

import { inTheWay, readiness } from "../lib/group.js";
import { unnoticed } from "../lib/room.js";
import { h, setText } from "./dom.js";
import { icon } from "./icons.js";

/** @typedef {import("../lib/i18n.js").Translator} Translator */
/** @typedef {import("../lib/types.js").Entry} Entry */
/** @typedef {import("../lib/types.js").ProviderView} ProviderView */

/** So many who are ready too are called by their names. */
const NAMED = 6;

/** The dialog. It stays until someone answers it; several clients queue up behind the first. */
export class ReadyDialog {
  #title = h("h2", { tabindex: "-1" }, "");
  #more = h("p", { class: "lead" });
  #others = h("p", { class: "hint" });
  #silent = h("p", { class: "hint" });
  #busy = h("p", { class: "hint" });
  #unverified = h("p", { class: "emergency" });
  #match = h("button", { type: "button", class: "secondary large" });
  #start = h("button", { type: "button", class: "primary large" });
  #later = h("button", { type: "button", class: "secondary large" });
  #error = h("p", { class: "form-error", role: "alert" });
  dialog = h(
    "dialog",
    { class: "modal ready", "aria-live": "assertive" },
    h("span", { class: "medallion" }, icon("bell")),
    this.#title,
    this.#more,
    this.#others,
    this.#unverified,
    this.#silent,
    this.#busy,
    this.#error,
    h("div", { class: "actions" }, this.#start, this.#match, this.#later),
  );
  /** @type {Entry | null} */
  #entry = null;
  /** Whom the answer is about: a group begins with all who are ready. @type {Entry[]} */
  #together = [];
  /** Their group is in session already. */
  #late = false;

  /** @param {{onStart: (entry: Entry) => void, onAdmit: (entry: Entry) => void, onMatch: (entry: Entry) => void, onLater: (entries: Entry[]) => void}} answers */
  constructor({ onStart, onAdmit, onMatch, onLater }) {
    this.#start.addEventListener("click", () => {
      this.#start.disabled = true;
      if (this.#entry) (this.#late ? onAdmit : onStart)(this.#entry);
    });
    this.#match.addEventListener("click", () => this.#entry && onMatch(this.#entry));
    this.#later.addEventListener("click", () => onLater(this.#together));
    this.dialog.addEventListener("cancel", (event) => {
      event.preventDefault(); // Escape is an answer too: not now
      onLater(this.#together);
    });
    document.body.prepend(this.dialog);
  }

  /** @param {ProviderView | null} view  null hides it @param {Translator} t @param {boolean} silent  the browser allows no sound yet */
  tell(view, t, silent) {
    const ready = view ? unnoticed(view) : [];
    const entry = ready[0];
    setText(this.#silent, silent ? t.say("room.sound_blocked") : "");
    if (!entry) {
      this.#entry = null;
      this.#together = [];
      if (this.dialog.open) this.dialog.close();
      return;
    }
    if (entry.id !== this.#entry?.id) {
      this.#start.disabled = false;
      setText(this.#error, "");
    }
    this.#entry = entry;
    const title = t.say("ready.title", { name: entry.client.name });
    this.dialog.setAttribute("aria-label", title);
    setText(this.#title, title);
    setText(this.#more, [t.say("ready.more", { time: t.time(entry.since) }), placeOf(entry, t)].filter(Boolean).join(" · "));
    setText(this.#others, alsoReady(ready, t));
    const { group, ready: there, of } = view ? readiness(view, entry.appointment) : { group: false, ready: 0, of: 0 };
    this.#together = group ? ready.filter((one) => one.appointment === entry.appointment) : [entry];
    const way = view ? inTheWay(view, entry) : undefined;
    this.#late = way === "late";
    this.#start.hidden = way !== undefined && !this.#late;
    // A name that anybody may have typed: nothing here is done by reflex.
    this.#start.className = entry.verified ? "primary large" : "secondary large";
    this.#match.hidden = entry.verified || way !== undefined;
    this.#unverified.hidden = entry.verified;
    setText(this.#unverified, t.say("ready.unverified"));
    setText(this.#match, t.say("match.open"));
    setText(this.#busy, this.#start.hidden ? t.say(way === "ended" ? "room.ended_hint" : "room.busy_hint") : "");
    setText(this.#start, this.#late ? t.say("group.admit") : group ? t.say("room.start_group", { ready: there, of }) : t.say("room.start"));
    setText(this.#later, t.say("ready.not_now"));
    if (!this.dialog.open) {
      this.dialog.showModal();
      this.#title.focus(); // not Start: somebody may be typing just now
    }
  }

  /** @param {string} text */
  fail(text) {
    this.#start.disabled = false;
    setText(this.#error, text);
  }
}

/** The banner of a session: who is ready now, beside the picture and never over a control. */
export class ReadyBanner extends HTMLElement {
  #words = h("p", { role: "status" });
  #admit = h("button", { type: "button", class: "secondary" });
  #later = h("button", { type: "button", class: "secondary" });
  /** @type {Entry | null} */
  #entry = null;

  /** @param {{onLater: (entries: Entry[]) => void, onAdmit: (entry: Entry) => void}} answers */
  show({ onLater, onAdmit }) {
    this.#admit.addEventListener("click", () => this.#entry && onAdmit(this.#entry));
    this.#later.addEventListener("click", () => this.#entry && onLater([this.#entry]));
    this.replaceChildren(icon("bell"), this.#words, this.#admit, this.#later);
    this.hidden = true;
  }

  /** @param {ProviderView} view @param {Translator} t @param {string | undefined} live  the appointment in session, if a group's */
  tell(view, t, live) {
    const ready = unnoticed(view);
    this.#admit.hidden = live === undefined || ready[0]?.appointment !== live;
    setText(this.#admit, t.say("group.admit"));
    this.#entry = ready[0] ?? null;
    this.hidden = ready.length === 0;
    setText(this.#words, this.#entry ? `${t.say("ready.title", { name: this.#entry.client.name })}. ${alsoReady(ready, t)}` : "");
    setText(this.#later, t.say("ready.not_now"));
  }
}
customElements.define("ready-banner", ReadyBanner);

/** Nobody is swallowed by whoever is named first. @param {Entry[]} ready @param {Translator} t */
function alsoReady([, ...others], t) {
  const names = others.slice(0, NAMED).map(({ client }) => client.name);
  if (others.length > NAMED) names.push(`+${others.length - NAMED}`);
  return names.length ? t.say("ready.also", { names: t.list(names) }) : "";
}

/** Where a client said they are. @param {Entry} entry @param {Translator} t */
export function placeOf({ place }, t) {
  if (!place?.state) return place?.kind ? t.say(`place.${place.kind}`) : "";
  return place.kind ? t.say("place.in", { state: place.state, kind: t.say(`place.${place.kind}`) }) : place.state;
}
