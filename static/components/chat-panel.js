/** The chat of a session: short lines beside the picture, for a number or a name. Nothing of it is kept. */

import { LONGEST } from "../lib/chat.js";
import { codeOf } from "../lib/refusal.js";
import { shownName } from "./call-tile.js";
import { freshId, h, setText } from "./dom.js";

/** @typedef {import("../lib/i18n.js").Translator} Translator */
/** @typedef {import("../lib/chat.js").Chat} Chat */
/** @typedef {import("../lib/chat.js").Line} Line */

export class ChatPanel extends HTMLElement {
  #lines = h("ol", { class: "chat-lines", "aria-live": "polite", tabindex: "0" });
  #empty = h("p", { class: "chat-empty" });
  #text = h("textarea", { id: freshId("chat"), name: "chat", rows: 2, maxlength: LONGEST });
  #error = h("p", { class: "form-error", role: "alert" });

  /** @param {Chat} chat @param {Translator} t @param {AbortSignal} signal */
  show(chat, t, signal) {
    const send = h("button", { type: "submit", class: "primary" }, t.say("chat.send"));
    const form = h("form", { class: "chat-form" }, h("label", { for: this.#text.id, class: "chat-label" }, t.say("chat.label")), this.#text, this.#error, send);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#say(chat, t, send);
    });
    this.#text.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      form.requestSubmit();
    });
    setText(this.#empty, t.say("chat.empty"));
    this.#lines.setAttribute("aria-label", t.say("chat.title"));
    this.#lines.replaceChildren(...chat.lines.map((line) => this.#row(line, t)));
    this.replaceChildren(h("p", { class: "hint" }, t.say("chat.private")), this.#empty, this.#lines, form);
    this.#empty.hidden = chat.lines.length > 0;
    chat.on(
      "line",
      (line) => {
        const atEnd = this.#lines.scrollTop + this.#lines.clientHeight >= this.#lines.scrollHeight - 40;
        this.#lines.append(this.#row(line, t));
        this.#empty.hidden = true;
        if (atEnd || !line.from) this.#lines.scrollTop = this.#lines.scrollHeight;
      },
      { signal },
    );
  }

  begin() {
    this.#lines.scrollTop = this.#lines.scrollHeight;
    this.#text.focus();
  }

  /** @param {Chat} chat @param {Translator} t @param {HTMLButtonElement} send */
  async #say(chat, t, send) {
    const text = this.#text.value;
    if (!text.trim() || send.disabled) return this.#text.focus();
    send.disabled = true;
    setText(this.#error, "");
    try {
      await chat.say(text);
      if (this.#text.value === text) this.#text.value = "";
    } catch (error) {
      setText(this.#error, t.say(`error.${codeOf(error)}`));
    } finally {
      send.disabled = false;
      this.#text.focus();
    }
  }

  /** @param {Line} line @param {Translator} t */
  #row({ from, text, at }, t) {
    const name = from ? shownName(from.name, t) : t.say("chat.you");
    return h("li", { class: from ? "theirs" : "mine" }, h("p", { class: "chat-who" }, h("bdi", {}, name), " ", h("time", {}, t.time(at))), h("p", { class: "chat-text", dir: "auto" }, text));
  }
}
customElements.define("chat-panel", ChatPanel);
