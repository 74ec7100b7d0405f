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
 */

export class EndedScreen extends Screen {
  #state = h("p", { class: "lead", role: "status" });
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
   * @param {(() => void)} [model.onLater]      the provider's: back to the list, deciding later
   * @param {import("../lib/types.js").Practice | null} [model.practice]
   */
  show({ t, ended, now, onRejoin, onWithdraw, onFinish, onLater, practice = null }) {
    this.#rejoin.append(t.say("ended.rejoin"));
    this.#rejoin.addEventListener("click", onRejoin);
    this.#withdraw.append(t.say("ended.withdraw"));
    this.#withdraw.addEventListener("click", onWithdraw);
    const finish = onFinish && h("button", { type: "button", class: "secondary", on: { click: onFinish } }, t.say("ended.finish"));
    const later = onLater && h("button", { type: "button", class: "quiet", on: { click: onLater } }, t.say("ended.later"));
    const reach = contactList(practice?.help, t);
    this.replaceChildren(
      h(
        "section",
        { class: "card sheet message" },
        h("span", { class: "medallion" }, icon("heart")),
        heading(t.say("ended.title")),
        this.#state,
        this.#left,
        h("div", { class: "actions" }, this.#rejoin, this.#withdraw, finish, later),
        this.#error,
        reach ? h("h2", {}, t.say("help.reach", { practice: practice?.name ?? "" })) : null,
        reach,
      ),
    );
    this.tell(ended, t);
    const count = () => this.#count(t, now());
    this.every(1000, count);
    count();
  }

  /** @param {Ended} ended @param {Translator} t */
  tell(ended, t) {
    this.#ended = ended;
    const { role, other, agreed } = ended;
    const mine = agreed.some((one) => (one === "co_provider" ? "provider" : one) === role);
    const theirs = agreed.some((one) => (one === "co_provider" ? "provider" : one) !== role);
    const key = mine ? "ended.waiting" : theirs ? "ended.invited" : `ended.lead_${role}`;
    setText(this.#state, t.say(key, { name: other }));
    this.#rejoin.hidden = mine;
    this.#withdraw.hidden = !mine;
    this.#rejoin.classList.toggle("inviting", theirs);
  }

  /** @param {string} text */
  fail(text) {
    setText(this.#error, text);
  }

  /** @param {Translator} t @param {number} now */
  #count(t, now) {
    const until = this.#ended?.until;
    const left = until === undefined ? undefined : until - now;
    this.#rejoin.disabled = left !== undefined && left <= 0;
    setText(this.#left, left === undefined ? "" : left > 0 ? t.say("ended.left", { time: t.clock(left) }) : t.say("ended.over"));
  }
}
customElements.define("ended-screen", EndedScreen);
