/** After End: what happened, and the way back for as long as there is one. It takes both sides. */

import { h, heading, Screen, setText } from "./dom.js";
import { contactList } from "./frame.js";
import { icon } from "./icons.js";

/** @typedef {import("../lib/i18n.js").Translator} Translator */

/**
 * @typedef {Object} Ended
 * @property {"client" | "provider"} role        who looks
 * @property {string} other                      the name of the other side
 * @property {number | undefined} until          server time, ms
 * @property {string[]} agreed                   roles that chose to rejoin
 * @property {boolean} group
 * @property {boolean} [mine]                    whether one chose it oneself, where the roles do not say
 * @property {boolean} [goesOn]                  a client's: the others are still in session
 * @property {string} [by]                       the role of who ended it
 * @property {string} [reason]                   why it ended
 */

export class EndedScreen extends Screen {
  #state = h("p", { class: "lead", role: "status" });
  #why = h("p", { class: "why" });
  #left = h("p", { class: "countdown" });
  #rejoin = h("button", { type: "button", class: "primary large" });
  #withdraw = h("button", { type: "button", class: "secondary" });
  #error = h("p", { class: "form-error", role: "alert" });
  /** @type {Ended | null} */
  #ended = null;

  /**
   * @param {Object} model
   * @param {Translator} model.t
   * @param {Ended} model.ended
   * @param {() => number} model.now            server time, ms
   * @param {() => void} model.onRejoin
   * @param {() => void} model.onWithdraw
   * @param {(() => void)} [model.onFinish]     the provider's
   * @param {(() => void)} [model.onAttendance] the provider's: finish with a word on who was there
   * @param {(() => void)} [model.onLater]      the provider's: back to the list, deciding later
   * @param {(() => void)} [model.onOver]       the time is over: a session may go on without this client
   * @param {import("../lib/types.js").Practice | null} [model.practice]
   */
  show({ t, ended, now, onRejoin, onWithdraw, onFinish, onAttendance, onLater, onOver, practice = null }) {
    this.#rejoin.append(t.say("ended.rejoin"));
    this.#rejoin.addEventListener("click", onRejoin);
    this.#withdraw.append(t.say("ended.withdraw"));
    this.#withdraw.addEventListener("click", onWithdraw);
    const finish = onFinish && h("button", { type: "button", class: "secondary", on: { click: onFinish } }, t.say("ended.finish"));
    const attendance = onAttendance && h("button", { type: "button", class: "quiet", on: { click: onAttendance } }, t.say("ended.attendance"));
    const later = onLater && h("button", { type: "button", class: "quiet", on: { click: onLater } }, t.say("ended.later"));
    const reach = contactList(practice?.help, t);
    this.replaceChildren(
      h(
        "section",
        { class: "card sheet message" },
        h("span", { class: "medallion" }, icon("heart")),
        heading(t.say(!ended.goesOn ? "ended.title" : ended.reason === "left" ? "ended.left_title" : "ended.on_title")),
        this.#why,
        this.#state,
        this.#left,
        h("div", { class: "actions" }, this.#rejoin, this.#withdraw, finish, attendance, later),
        this.#error,
        reach ? h("h2", {}, t.say("help.reach", { practice: practice?.name ?? "" })) : null,
        reach,
      ),
    );
    this.tell(ended, t);
    const count = () => {
      if (this.#count(t, now())) onOver?.();
    };
    this.every(1000, count);
    count();
  }

  /** @param {Ended} ended @param {Translator} t */
  tell(ended, t) {
    this.#ended = ended;
    const { role, other, agreed, group, goesOn } = ended;
    const mine = ended.mine ?? agreed.some((one) => (one === "co_provider" ? "provider" : one) === role);
    const theirs = agreed.some((one) => (one === "co_provider" ? "provider" : one) !== role);
    const beside = !mine && !theirs && agreed.length > 0; // another provider of the same session
    const lead = group ? `ended.group_${role}` : `ended.lead_${role}`;
    const invited = group && role === "provider" ? "ended.group_invited" : "ended.invited";
    const waiting = group && role === "provider" ? "ended.group_waiting" : "ended.waiting";
    setText(this.#state, t.say(goesOn ? "ended.goes_on" : mine ? waiting : theirs ? invited : beside ? "ended.beside" : lead, { name: other }));
    setText(this.#why, why(ended, t));
    this.#rejoin.hidden = mine;
    this.#withdraw.hidden = !mine;
    this.#rejoin.classList.toggle("inviting", theirs);
  }

  /** Who else is ready is told here too. @param {Node} node */
  beside(node) {
    this.prepend(node);
  }

  /** @param {string} text */
  fail(text) {
    setText(this.#error, text);
  }

  /** @param {Translator} t @param {number} now @returns {boolean} whether the time is over just now */
  #count(t, now) {
    const until = this.#ended?.until;
    const left = until === undefined ? undefined : until - now;
    const before = this.#rejoin.disabled;
    this.#rejoin.disabled = left !== undefined && left <= 0;
    setText(this.#left, left === undefined ? "" : left > 0 ? t.say("ended.left", { time: t.clock(left) }) : t.say("ended.over"));
    return this.#rejoin.disabled && !before;
  }
}
/** Why it ended, where that is not plain: in words that blame nobody. @param {Ended} ended @param {Translator} t */
function why({ reason, by, role, other, group, goesOn }, t) {
  const otherSide = (by === "client") !== (role === "client");
  if (goesOn || !reason) return "";
  if (reason === "left") return otherSide ? t.say(group ? "ended.why_all_left" : "ended.why_left", { name: other }) : "";
  if (reason === "removed" && role === "provider") return t.say("ended.why_removed");
  return reason === "abandoned" ? t.say("ended.why_abandoned") : "";
}
customElements.define("ended-screen", EndedScreen);
