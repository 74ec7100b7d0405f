/** The clients of a group, beside the provider's session: where each of them is, and who is let in or out. */

import { h, setText, syncRows } from "./dom.js";
import { openRemove } from "./entry-dialogs.js";

/** @typedef {import("../lib/i18n.js").Translator} Translator */
/** @typedef {import("../lib/group.js").Member} Member */
/** @typedef {import("../lib/types.js").Entry} Entry */

/**
 * @typedef {Object} GroupActions
 * @property {(members: Member[]) => void} onAdmit
 * @property {(entry: Entry) => void} onMatch
 * @property {(member: Member) => void} onReturn
 * @property {(member: Member, reason: string | undefined) => void} onRemove
 */

const ORDER = ["waiting", "in", "out", "removed"];

export class GroupPanel extends HTMLElement {
  #summary = h("p", { class: "hint", role: "status" });
  #all = h("button", { type: "button", class: "primary" });
  #list = h("div", { class: "rows members", role: "list" });
  #error = h("p", { class: "form-error", role: "alert" });
  #lane = h("section", { class: "stack" });
  #knocks = h("div", { class: "rows members", role: "list" });
  /** @type {Map<string, HTMLElement>} */
  #knockRows = new Map();
  /** @type {Map<string, MemberRow>} */
  #rows = new Map();
  /** @type {Member[]} */
  #waiting = [];
  /** @type {Translator | null} */
  #t = null;
  /** @type {GroupActions | null} */
  #actions = null;

  /** @param {Translator} t @param {GroupActions} actions */
  show(t, actions) {
    this.#t = t;
    this.#actions = actions;
    this.#all.addEventListener("click", () => actions.onAdmit(this.#waiting));
    this.#lane.append(h("h3", {}, t.say("room.unverified")), h("p", { class: "hint" }, t.say("group.unverified_more")), this.#knocks);
    this.replaceChildren(this.#summary, this.#all, this.#error, this.#list, this.#lane);
  }

  /** @param {Member[]} members @param {Entry[]} knocks  who waits without a link: a client of this group, perhaps */
  tell(members, knocks) {
    const t = this.#t;
    const actions = this.#actions;
    if (!t || !actions) return;
    this.#waiting = members.filter(({ seat }) => seat === "waiting");
    const inside = members.filter(({ seat }) => seat === "in").length;
    setText(this.#summary, t.say("group.summary", { inside, of: members.length, waiting: this.#waiting.length }));
    setText(this.#all, t.say("group.admit_all", { count: this.#waiting.length }));
    this.#all.hidden = this.#waiting.length < 2;
    const ordered = [...members].sort((a, b) => ORDER.indexOf(a.seat) - ORDER.indexOf(b.seat));
    syncRows(this.#list, this.#rows, ordered, ({ key }) => key, () => new MemberRow(t, actions), (row, one) => row.tell(one, inside));
    this.#lane.hidden = knocks.length === 0;
    syncRows(this.#knocks, this.#knockRows, knocks, ({ id }) => id, (entry) => knockRow(entry, t, actions), () => {});
  }

  /** @param {string} text */
  fail(text) {
    setText(this.#error, text);
  }
}
customElements.define("group-panel", GroupPanel);

/** @param {Entry} entry @param {Translator} t @param {GroupActions} actions */
function knockRow(entry, t, actions) {
  const match = h("button", { type: "button", class: "secondary", "aria-label": `${t.say("match.open")} · ${entry.client.name}` }, t.say("match.open"));
  match.addEventListener("click", () => actions.onMatch(entry));
  return h("div", { class: "row member", role: "listitem" }, h("div", { class: "who" }, h("strong", {}, h("bdi", {}, entry.client.name))), h("div", { class: "row-actions" }, match));
}

class MemberRow extends HTMLElement {
  #name = h("bdi", {});
  #where = h("small", {});
  #admit = h("button", { type: "button", class: "primary" });
  #back = h("button", { type: "button", class: "secondary" });
  #remove = h("button", { type: "button", class: "quiet danger-text" });
  /** @type {Member | null} */
  #member = null;
  #t;

  /** @param {Translator} t @param {GroupActions} actions */
  constructor(t, actions) {
    super();
    this.#t = t;
    this.className = "row member";
    this.setAttribute("role", "listitem");
    this.#admit.append(t.say("group.admit"));
    this.#back.append(t.say("group.return"));
    this.#remove.append(t.say("room.remove"));
    this.#admit.addEventListener("click", () => this.#member && actions.onAdmit([this.#member]));
    this.#back.addEventListener("click", () => this.#member && actions.onReturn(this.#member));
    this.#remove.addEventListener("click", () => {
      const member = this.#member;
      if (member) openRemove(member.name, t, member.seat === "in" ? "session" : "waiting", (reason) => actions.onRemove(member, reason));
    });
    this.append(h("div", { class: "who" }, h("strong", {}, this.#name), this.#where), h("div", { class: "row-actions" }, this.#admit, this.#back, this.#remove));
  }

  /** @param {Member} member @param {number} inside  how many clients are in */
  tell(member, inside) {
    const { name, seat, presence } = member;
    this.#member = member;
    this.dataset.seat = seat;
    setText(this.#name, name);
    for (const button of [this.#admit, this.#back, this.#remove]) button.setAttribute("aria-label", `${button.textContent} · ${name}`);
    const words = presence === "gone" ? "group.gone" : presence === "away" ? "room.away" : `group.seat_${seat}`;
    setText(this.#where, this.#t.say(words));
    this.#where.dataset.presence = presence;
    this.#admit.hidden = seat !== "waiting";
    // The last one is not sent back: for that the session is ended.
    this.#back.hidden = seat !== "in" || inside < 2;
    this.#remove.hidden = seat !== "in" && seat !== "waiting";
  }
}
customElements.define("member-row", MemberRow);
