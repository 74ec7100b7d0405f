/** A screen that says one thing and offers a way on: thanks, or what went wrong and whom to call. */

import { h, heading, Screen } from "./dom.js";
import { contactList } from "./frame.js";
import { icon } from "./icons.js";

/** @typedef {import("../lib/i18n.js").Translator} Translator */

export class MessageScreen extends Screen {
  /**
   * @param {Object} model
   * @param {Translator} model.t
   * @param {string} model.title
   * @param {string[]} model.text
   * @param {string} [model.picture]   an icon's name
   * @param {import("../lib/types.js").Practice | null} [model.practice]  whom to reach
   * @param {{label: string, onClick: () => void, kind?: string}[]} [model.actions]
   */
  show({ t, title, text, picture = "heart", practice = null, actions = [] }) {
    const reach = contactList(practice?.help, t);
    this.replaceChildren(
      h(
        "section",
        { class: "card sheet message" },
        h("span", { class: "medallion" }, icon(picture)),
        heading(title),
        ...text.map((line) => h("p", { class: "lead" }, line)),
        reach ? h("h2", {}, t.say("help.reach", { practice: practice?.name ?? "" })) : null,
        reach,
        h(
          "div",
          { class: "actions" },
          ...actions.map(({ label, onClick, kind = "primary" }) => h("button", { type: "button", class: kind, on: { click: onClick } }, label)),
        ),
      ),
    );
  }
}
customElements.define("message-screen", MessageScreen);
