/** How this person's connection is, in a word, and what helps if it is bad. It keeps nobody from going on. */

import { h, setText } from "./dom.js";
import { contactList } from "./frame.js";
import { icon } from "./icons.js";

/** @typedef {import("../lib/i18n.js").Translator} Translator */
/** @typedef {import("../lib/network-check.js").NetworkCheck} NetworkCheck */

export class NetworkLine extends HTMLElement {
  #said = h("span", {});
  #sign = h("span", { class: "sign" });
  #line = h("p", { role: "status" }, this.#sign, this.#said);
  #help = h("p", { class: "hint", hidden: true });
  #backup = h("div", { hidden: true });
  #again = h("button", { type: "button", class: "quiet", hidden: true });

  /**
   * @param {Object} model
   * @param {Translator} model.t
   * @param {NetworkCheck} model.check
   * @param {() => string | import("../lib/types.js").Contact | undefined} model.backup  the practice's other way
   * @param {() => void} model.onAgain
   * @param {AbortSignal} model.signal
   */
  show({ t, check, backup, onAgain, signal }) {
    this.className = "network";
    this.#again.append(t.say("network.again"));
    this.#again.addEventListener("click", onAgain);
    this.replaceChildren(this.#line, this.#help, this.#backup, this.#again);
    const tell = () => this.#tell(t, check.state, backup);
    check.on("change", tell, { signal });
    tell();
  }

  /** @param {Translator} t @param {import("../lib/network-check.js").CheckState} state @param {() => string | import("../lib/types.js").Contact | undefined} backup */
  #tell(t, state, backup) {
    this.hidden = state === "idle";
    this.dataset.state = state;
    const bad = state === "weak" || state === "failed";
    const words = { idle: "", measuring: "network.measuring", good: "network.good", weak: "network.weak", failed: "network.failed" }[state];
    setText(this.#said, words && t.say(words));
    this.#sign.replaceChildren(icon(state === "measuring" ? "clock" : bad ? "alert" : "check"));
    setText(this.#help, bad ? t.say(state === "weak" ? "network.weak_more" : "network.failed_more") : "");
    const reach = state === "failed" ? contactList(backup(), t) : null;
    this.#backup.replaceChildren(...(reach ? [h("p", { class: "hint" }, t.say("session.backup")), reach] : []));
    this.#help.hidden = this.#again.hidden = !bad;
    this.#backup.hidden = !reach;
  }
}
customElements.define("network-line", NetworkLine);
