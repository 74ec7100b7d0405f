/** The first screen of a link: with whom, when, and what will happen. Nobody has been told of anything yet. */

import { freshId, h, heading, Screen } from "./dom.js";
import { icon } from "./icons.js";

/** @typedef {import("../lib/i18n.js").Translator} Translator */
/** @typedef {import("../lib/types.js").Provider} Provider */
/** @typedef {import("../lib/types.js").Appointment} Appointment */

export class WelcomeScreen extends Screen {
  /**
   * @param {Object} model
   * @param {Translator} model.t
   * @param {string} model.practice
   * @param {Provider} [model.provider]         of a join link
   * @param {Appointment} [model.appointment]   of a join link
   * @param {{id: string, name: string}[]} [model.providers]  of a practice's page: to choose from
   * @param {string} [model.note]
   * @param {(provider: string | undefined) => void} model.onCheck
   */
  show({ t, practice, provider, appointment, providers, note, onCheck }) {
    const choose = providers && h(
      "select",
      { id: freshId("provider"), name: "provider" },
      ...providers.map(({ id, name }) => h("option", { value: id }, name)),
    );
    const check = h("button", { type: "button", class: "primary large" }, icon("camera"), t.say("welcome.check"));
    check.addEventListener("click", () => onCheck(choose ? choose.value : undefined));
    const start = appointment?.start;
    this.replaceChildren(
      h(
        "section",
        { class: "card sheet" },
        note ? h("p", { class: "note", role: "status" }, note) : null,
        h("p", { class: "eyebrow" }, practice),
        heading(provider ? t.say("welcome.title", { provider: provider.name }) : t.say("welcome.title_lobby")),
        start
          ? h("p", { class: "when" }, icon("clock"), h("span", {}, h("strong", {}, t.say("welcome.when", { day: t.day(start), time: t.time(start) }))))
          : null,
        choose ? h("div", { class: "field" }, h("label", { for: choose.id }, t.say("welcome.provider")), choose) : null,
        h("p", { class: "lead" }, t.say("welcome.lead")),
        h(
          "ol",
          { class: "steps" },
          ...["check", "answer", "wait"].map((step) => h("li", {}, h("strong", {}, t.say(`welcome.step_${step}`)), " ", t.say(`welcome.step_${step}_more`))),
        ),
        h("div", { class: "actions" }, check),
        h("p", { class: "private" }, icon("lock"), h("span", {}, t.say("welcome.private"))),
      ),
    );
  }
}
customElements.define("welcome-screen", WelcomeScreen);
