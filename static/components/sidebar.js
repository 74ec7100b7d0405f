/** What stands beside the picture of a session, one panel at a time; on a phone, over it. */

import { freshId, h, setText } from "./dom.js";
import { icon } from "./icons.js";

/** @typedef {import("../lib/i18n.js").Translator} Translator */
/** @typedef {{button: HTMLButtonElement, section: HTMLElement, onOpen: (open: boolean) => void, begin: () => void}} Panel */

export class Sidebar extends HTMLElement {
  /** @type {Panel[]} */
  #panels = [];

  constructor() {
    super();
    this.hidden = true;
    this.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.#show(null);
    });
  }

  /**
   * @param {Object} panel
   * @param {string} panel.name   an icon's name
   * @param {string} panel.title
   * @param {Translator} panel.t
   * @param {HTMLElement} panel.panel
   * @param {(open: boolean) => void} [panel.onOpen]
   * @param {() => void} [panel.begin]  puts the focus where one goes on
   * @returns {HTMLButtonElement} opens and closes it
   */
  add({ name, title, t, panel, onOpen = () => {}, begin }) {
    const heading = h("h2", { tabindex: "-1", id: freshId("panel") });
    setText(heading, title);
    const close = h("button", { type: "button", class: "quiet icon-only", "aria-label": t.say("dialog.close"), title: t.say("dialog.close") }, icon("close"));
    const section = h("section", { id: freshId("side"), "aria-labelledby": heading.id, hidden: true }, h("div", { class: "side-head" }, heading, close), panel);
    const button = h("button", { type: "button", class: "control opener", "aria-expanded": "false", "aria-controls": section.id }, icon(name), h("span", {}, title));
    const one = { button, section, onOpen, begin: begin ?? (() => heading.focus()) };
    button.addEventListener("click", () => this.#show(section.hidden ? one : null));
    close.addEventListener("click", () => this.#show(null));
    this.#panels.push(one);
    this.append(section);
    return button;
  }

  /** @param {Panel | null} wanted */
  #show(wanted) {
    this.hidden = wanted === null;
    for (const one of this.#panels) {
      const open = one === wanted;
      const was = !one.section.hidden;
      one.section.hidden = !open;
      one.button.setAttribute("aria-expanded", String(open));
      if (open !== was) one.onOpen(open);
      if (was && !open && wanted === null) one.button.focus();
    }
    wanted?.begin();
  }
}
customElements.define("side-bar", Sidebar);
