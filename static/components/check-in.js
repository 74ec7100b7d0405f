/** Where the client is, that the place is private, and the practice's consent text. */

import { STATES } from "../lib/states.js";
import { freshId, h, heading, paragraphs, Screen, setText } from "./dom.js";

/** @typedef {import("../lib/i18n.js").Translator} Translator */
/** @typedef {{display_name?: string, place: {state: string, kind: string}, consent: {version: string}, privacy: boolean, address?: string, phone?: string}} CheckIn */

export class CheckInForm extends Screen {
  #error = h("p", { class: "form-error", role: "alert" });
  #submit = h("button", { type: "submit", class: "primary large" });

  /**
   * @param {Object} model
   * @param {Translator} model.t
   * @param {import("../lib/types.js").Consent | undefined} model.consent
   * @param {"own" | "chosen" | "none"} model.name  the unverified lane asks who it is; a group, how to be called in it
   * @param {(answers: CheckIn) => void} model.onSubmit
   */
  show({ t, consent, name: asks, onSubmit }) {
    const own = asks === "own";
    const name = input("display_name", own ? { autocomplete: "name", maxlength: 80, required: true } : { autocomplete: "given-name", maxlength: 40 });
    const state = h(
      "select",
      { id: freshId("state"), name: "state", required: true, autocomplete: "address-level1" },
      h("option", { value: "" }, t.say("checkin.choose")),
      ...STATES.map(([code, label]) => h("option", { value: code }, label)),
    );
    const kinds = ["home", "lodging", "other"].map((kind) => radio("kind", kind, t.say(`checkin.${kind}`), t.say(`checkin.${kind}_more`)));
    const privacy = checkbox("privacy", t.say("checkin.privacy"));
    const consented = checkbox("consent", t.say("checkin.consent"));
    consented.input.required = true;
    const address = input("address", { autocomplete: "street-address", maxlength: 200 });
    const phone = input("phone", { autocomplete: "tel", type: "tel", maxlength: 40 });
    this.#submit.textContent = t.say("checkin.submit");

    const form = h(
      "form",
      { class: "card sheet", novalidate: true },
      heading(t.say("checkin.title")),
      h("p", { class: "lead" }, t.say("checkin.lead")),
      own ? field(t.say("checkin.name"), name) : null,
      h(
        "fieldset",
        {},
        h("legend", {}, t.say("checkin.where")),
        field(t.say("checkin.state"), state, t.say("checkin.state_why")),
        h("div", { class: "radios", role: "radiogroup", "aria-label": t.say("checkin.kind") }, ...kinds.map(({ label }) => label)),
      ),
      asks === "chosen" ? h("fieldset", {}, h("legend", {}, t.say("checkin.group")), field(t.say("checkin.group_name"), name, t.say("checkin.group_name_why"))) : null,
      h("fieldset", {}, h("legend", {}, t.say("checkin.private")), privacy.label, h("p", { class: "hint" }, t.say("checkin.privacy_more"))),
      h(
        "fieldset",
        {},
        h("legend", {}, t.say("checkin.consent_title")),
        consent?.text ? h("div", { class: "consent", tabindex: "0", role: "group", "aria-label": t.say("checkin.consent_title") }, ...paragraphs(consent.text)) : null,
        consented.label,
      ),
      h(
        "details",
        {},
        h("summary", {}, t.say("checkin.emergency")),
        h("p", { class: "hint" }, t.say("checkin.emergency_why")),
        field(t.say("checkin.address"), address),
        field(t.say("checkin.phone"), phone),
      ),
      this.#error,
      h("div", { class: "actions" }, this.#submit),
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const kind = kinds.find((one) => one.input.checked)?.input.value;
      /** @type {[boolean, HTMLElement, string][]} */
      const needed = [
        [own && name.value.trim() === "", name, "checkin.need_name"],
        [state.value === "", state, "checkin.need_state"],
        [!kind, kinds[0]?.input ?? state, "checkin.need_kind"],
        [!consented.input.checked, consented.input, "checkin.need_consent"],
      ];
      for (const [, control] of needed) control.removeAttribute("aria-invalid");
      const missing = needed.find(([lacks]) => lacks);
      if (missing) {
        const [, control, key] = missing;
        control.closest(".field, fieldset")?.append(this.#error); // beside what it is about
        setText(this.#error, t.say(key));
        control.setAttribute("aria-invalid", "true");
        control.focus();
        return;
      }
      form.querySelector(":scope > .actions")?.before(this.#error);
      setText(this.#error, "");
      this.#submit.disabled = true;
      onSubmit({
        ...(asks !== "none" && name.value.trim() ? { display_name: name.value.trim() } : {}),
        place: { state: state.value, kind: kind ?? "other" },
        consent: { version: consent?.version ?? "" },
        privacy: privacy.input.checked,
        ...(address.value.trim() ? { address: address.value.trim() } : {}),
        ...(phone.value.trim() ? { phone: phone.value.trim() } : {}),
      });
    });
    this.replaceChildren(form);
  }

  /** The server said no; the answers stay. @param {string} text */
  fail(text) {
    this.#submit.disabled = false;
    setText(this.#error, text);
  }
}
customElements.define("check-in-form", CheckInForm);

/** @param {string} name @param {import("./dom.js").Props} props */
function input(name, props) {
  return h("input", { id: freshId(name), name, type: "text", ...props });
}

/** @param {string} label @param {HTMLElement} control @param {string} [hint] */
function field(label, control, hint) {
  const described = hint ? h("p", { class: "hint", id: freshId("hint") }, hint) : null;
  if (described) control.setAttribute("aria-describedby", described.id);
  return h("div", { class: "field" }, h("label", { for: control.id }, label), control, described);
}

/** @param {string} name @param {string} value @param {string} text @param {string} more */
function radio(name, value, text, more) {
  const input = h("input", { type: "radio", name, value });
  return { input, label: h("label", { class: "choice" }, input, h("span", {}, h("strong", {}, text), h("small", {}, more))) };
}

/** @param {string} name @param {string} text */
function checkbox(name, text) {
  const input = h("input", { type: "checkbox", name });
  return { input, label: h("label", { class: "choice" }, input, h("span", {}, text)) };
}
