/** The provider's way in. Passwords may be pasted and filled in by a manager. */

import { freshId, h, heading, Screen, setText } from "./dom.js";

/** @typedef {import("../lib/i18n.js").Translator} Translator */

export class SignIn extends Screen {
  #error = h("p", { class: "form-error", role: "alert" });
  #submit = h("button", { type: "submit", class: "primary large" });

  /**
   * @param {Object} model
   * @param {Translator} model.t
   * @param {string} [model.note]
   * @param {(username: string, password: string) => void} model.onSubmit
   */
  show({ t, note, onSubmit }) {
    const username = h("input", { id: freshId("username"), name: "username", type: "text", autocomplete: "username", autocapitalize: "none", spellcheck: "false", required: true });
    const password = h("input", { id: freshId("password"), name: "password", type: "password", autocomplete: "current-password", required: true });
    this.#submit.textContent = t.say("signin.submit");
    const form = h(
      "form",
      { class: "card sheet", novalidate: true },
      heading(t.say("signin.title")),
      h("p", { class: "lead" }, t.say("signin.lead")),
      note ? h("p", { class: "note", role: "status" }, note) : null,
      h("div", { class: "field" }, h("label", { for: username.id }, t.say("signin.username")), username),
      h("div", { class: "field" }, h("label", { for: password.id }, t.say("signin.password")), password),
      this.#error,
      h("div", { class: "actions" }, this.#submit),
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      setText(this.#error, "");
      if (!username.value.trim()) return username.focus();
      if (!password.value) return password.focus();
      this.#submit.disabled = true;
      onSubmit(username.value.trim(), password.value);
    });
    this.replaceChildren(form);
  }

  /** @param {string} text */
  fail(text) {
    this.#submit.disabled = false;
    setText(this.#error, text);
  }
}
customElements.define("sign-in", SignIn);
