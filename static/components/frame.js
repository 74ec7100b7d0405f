/** What stands around every screen: the practice's name, "Having trouble?", the language, the state of the line. */

import { contact, hrefOf } from "../lib/contact.js";
import { LANGUAGES } from "../lib/i18n.js";
import { find, h, setText } from "./dom.js";
import { icon } from "./icons.js";

/** @typedef {import("../lib/i18n.js").Translator} Translator */
/** @typedef {import("../lib/types.js").Practice} Practice */

/**
 * How to reach the practice, as a list.
 * @param {Practice["help"]} given
 * @param {Translator} t
 * @returns {HTMLElement | null}
 */
export function contactList(given, t) {
  const where = contact(given);
  if (!where) return null;
  const link = (/** @type {"phone" | "email" | "url"} */ kind) => {
    const href = hrefOf(where, kind);
    return href && h("li", {}, t.say(`contact.${kind}`), " ", h("a", { href, rel: "noreferrer" }, h("bdi", {}, where[kind])));
  };
  return h(
    "ul",
    { class: "contact" },
    where.name && h("li", {}, where.name),
    link("phone"),
    link("email"),
    link("url"),
    where.text && h("li", {}, where.text),
  );
}

/** A native dialog with a heading; closed by Escape, by its button, or by its owner. */
export class Modal {
  dialog;

  /**
   * @param {Object} content
   * @param {string} content.title
   * @param {import("./dom.js").Child[]} content.body
   * @param {HTMLButtonElement[]} content.actions
   * @param {string} [content.kind]  a class
   */
  constructor({ title, body, actions, kind = "" }) {
    this.dialog = h(
      "dialog",
      { class: `modal ${kind}`, "aria-label": title },
      h("h2", { tabindex: "-1" }, title),
      ...body,
      h("div", { class: "actions" }, ...actions),
    );
    this.dialog.addEventListener("close", () => this.dialog.remove());
  }

  /** @param {Element} [within] */
  open(within = document.body) {
    within.append(this.dialog);
    this.dialog.showModal();
    return this;
  }

  close() {
    this.dialog.close();
  }
}

export class PageFrame {
  #header;
  #status;
  #main;
  /** @type {Practice | null} */
  #practice = null;
  /** @type {Translator | null} */
  #t = null;

  /** @param {Document} page  holds `header`, `#line` and `main` */
  constructor(page) {
    this.#header = find(page, "header", HTMLElement);
    this.#status = find(page, "#line", HTMLElement);
    this.#main = find(page, "main", HTMLElement);
  }

  get main() {
    return this.#main;
  }

  /**
   * @param {Translator} t
   * @param {(language: string) => void} onLanguage
   * @param {...import("./dom.js").Child} more  what a page adds, before the language
   */
  show(t, onLanguage, ...more) {
    this.#t = t;
    document.documentElement.lang = t.language;
    document.documentElement.dir = t.direction;
    const language = h(
      "select",
      { "aria-label": t.say("frame.language"), name: "language" },
      ...Object.entries(LANGUAGES).map(([code, name]) => h("option", { value: code, lang: code, selected: code === t.language }, name)),
    );
    language.addEventListener("change", () => onLanguage(language.value));
    const help = h(
      "button",
      { type: "button", class: "quiet", on: { click: () => this.#help() } },
      icon("help"),
      h("span", {}, t.say("help.open")),
    );
    this.#header.replaceChildren(
      h("p", { class: "brand" }, h("span", { class: "mark" }, icon("heart")), h("span", { class: "practice" })),
      h("div", { class: "tools" }, ...more, help, h("div", { class: "language" }, icon("globe"), language)),
    );
    this.practice(this.#practice);
  }

  /** @param {Practice | null} practice */
  practice(practice) {
    this.#practice = practice;
    setText(find(this.#header, ".practice", HTMLElement), practice?.name ?? "Carelobby");
  }

  /**
   * Change the screen. The main element says which one it is, for tests and styles.
   * @param {string} name
   * @param {import("./dom.js").Screen} screen
   * @param {{focus?: boolean}} [options]
   */
  screen(name, screen, { focus = true } = {}) {
    this.#main.dataset.screen = name;
    document.body.dataset.screen = name;
    this.#main.replaceChildren(screen);
    if (focus) screen.begin();
  }

  /** Say how the line is; empty is good. @param {string} text @param {string} [kind] */
  line(text, kind = "warn") {
    setText(this.#status, text);
    this.#status.className = text ? `line ${kind}` : "line";
  }

  #help() {
    const t = this.#t;
    if (!t) return;
    const close = h("button", { type: "button", class: "primary" }, t.say("dialog.close"));
    const reach = contactList(this.#practice?.help, t);
    const modal = new Modal({
      title: t.say("help.title"),
      kind: "help",
      body: [
        h("ul", { class: "tips" }, ...["help.tip_apps", "help.tip_network", "help.tip_reload"].map((key) => h("li", {}, t.say(key)))),
        reach ? h("h3", {}, t.say("help.reach", { practice: this.#practice?.name ?? "" })) : null,
        reach,
        h("p", { class: "emergency" }, t.say("help.emergency")),
      ],
      actions: [close],
    });
    close.addEventListener("click", () => modal.close());
    modal.open();
  }
}
