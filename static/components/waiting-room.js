/** What a checked-in client sees until the provider clicks Start. They need do nothing; the page brings them in. */

import { SelfPreview } from "./device-check.js";
import { h, heading, Screen, setText } from "./dom.js";
import { Modal } from "./frame.js";
import { icon } from "./icons.js";

/** @typedef {import("../lib/i18n.js").Translator} Translator */
/** @typedef {import("../lib/types.js").ClientView} ClientView */

export class WaitingRoom extends Screen {
  #preview = new SelfPreview();
  #told = h("p", { class: "told", role: "status" });
  #note = h("p", { class: "note", role: "status", hidden: true });
  #status = h("p", { class: "provider-status", role: "status" });
  #ahead = h("p", { class: "hint", role: "status" });
  #messages = h("ul", { class: "messages", "aria-live": "polite" });
  #awayNote = h("p", { class: "note", hidden: true });
  #away = h("button", { type: "button", class: "secondary", "aria-pressed": "false" });
  #microphone = h("button", { type: "button", class: "toggle", "aria-pressed": "true" });
  #camera = h("button", { type: "button", class: "toggle", "aria-pressed": "true" });
  #remedy = h("button", { type: "button", class: "secondary", hidden: true });

  /**
   * @param {Object} model
   * @param {Translator} model.t
   * @param {ClientView} model.view
   * @param {import("../lib/self.js").Self} model.self
   * @param {(away: boolean) => void} model.onAway
   * @param {() => void} model.onLeave
   */
  show({ t, view, self, onAway, onLeave }) {
    const leave = h("button", { type: "button", class: "quiet danger-text" }, icon("out"), t.say("waiting.leave"));
    leave.addEventListener("click", () => this.#confirmLeave(t, onLeave));
    this.#away.append(t.say("waiting.step_away"));
    this.#away.addEventListener("click", () => onAway(this.#away.getAttribute("aria-pressed") !== "true"));
    this.#microphone.addEventListener("click", () => self.setMicrophone(!self.microphone));
    this.#camera.addEventListener("click", () => self.setCamera(!self.camera));
    this.#remedy.append(t.say("session.restart_devices"));
    this.#remedy.addEventListener("click", () => void self.open());
    const start = view.appointment?.start;
    this.replaceChildren(
      h(
        "section",
        { class: "card wide waiting" },
        h(
          "div",
          { class: "two" },
          h(
            "div",
            { class: "stack" },
            h("p", { class: "eyebrow" }, t.say("waiting.eyebrow")),
            heading(t.say("waiting.title")),
            this.#note,
            this.#told,
            h("div", { class: "panel" }, this.#status, start ? h("p", { class: "hint" }, t.say("waiting.appointment", { time: t.time(start), provider: view.provider.name })) : null, this.#ahead),
            this.#messages,
            h("p", { class: "hint" }, t.say("waiting.hint")),
          ),
          h(
            "div",
            { class: "stack" },
            this.#preview,
            h("div", { class: "toggles" }, this.#microphone, this.#camera),
            this.#remedy,
            h("p", { class: "private" }, icon("lock"), h("span", {}, t.say("waiting.only_you"))),
          ),
        ),
        this.#awayNote,
        h("div", { class: "actions" }, this.#away, leave),
      ),
    );
    const tell = () => {
      this.#preview.tell(self, t);
      toggle(this.#microphone, "microphone", self.told.microphone, t.say("session.microphone"));
      toggle(this.#camera, "camera", self.told.camera, t.say("session.camera"));
      this.#camera.disabled = self.audioOnly;
      this.#remedy.hidden = !self.interrupted;
    };
    self.on("change", tell, { signal: this.signal });
    tell();
    this.tell(view, t);
  }

  /** @param {ClientView} view @param {Translator} t */
  tell(view, t) {
    const { name, status, minutes } = view.provider;
    const away = view.away === true;
    const returned = view.ended_reason === "returned";
    setText(this.#note, returned ? t.say("waiting.returned", { provider: name }) : "");
    this.#note.hidden = !returned;
    setText(this.#told, away ? t.say("waiting.away") : t.say("waiting.told", { provider: name }));
    setText(this.#awayNote, t.say("waiting.away_more")); // where the click was: on a phone the rest is out of sight
    this.#awayNote.hidden = !away;
    const late = status === "late" && minutes ? "waiting.status_late_minutes" : `waiting.status_${status ?? "available"}`;
    setText(this.#status, t.say(late, { provider: name, count: minutes ?? 0 }));
    this.#status.dataset.status = status ?? "available";
    setText(this.#ahead, view.ahead === undefined ? "" : t.say(view.ahead === 0 ? "waiting.next" : "waiting.ahead", { count: view.ahead }));
    this.#away.setAttribute("aria-pressed", String(away));
    this.#away.className = away ? "primary" : "secondary";
    setText(this.#away, t.say(away ? "waiting.come_back" : "waiting.step_away"));
  }

  /** Words of the provider to this client alone. @param {string} text @param {string} from @param {string} time */
  message(text, from, time) {
    const line = h("li", {}, icon("message"), h("span", {}, h("strong", {}, from), " ", h("small", {}, time), h("br"), text));
    this.#messages.append(line);
    line.scrollIntoView({ block: "nearest" });
  }

  /** @param {Translator} t @param {() => void} onLeave */
  #confirmLeave(t, onLeave) {
    const stay = h("button", { type: "button", class: "primary", autofocus: true }, t.say("waiting.stay"));
    const leave = h("button", { type: "button", class: "secondary" }, t.say("waiting.leave_now"));
    const modal = new Modal({ title: t.say("waiting.leave_title"), body: [h("p", {}, t.say("waiting.leave_more"))], actions: [stay, leave] });
    stay.addEventListener("click", () => modal.close());
    leave.addEventListener("click", () => {
      modal.close();
      onLeave();
    });
    modal.open();
  }
}
customElements.define("waiting-room", WaitingRoom);

/**
 * One label, and pressed or not. The picture changes for the eye only.
 * @param {HTMLButtonElement} button
 * @param {"microphone" | "camera"} name
 * @param {boolean} on
 * @param {string} label
 */
export function toggle(button, name, on, label) {
  const now = `${on}${label}`;
  if (button.dataset.shown === now) return;
  button.dataset.shown = now;
  button.setAttribute("aria-pressed", String(on));
  button.replaceChildren(icon(on ? name : `${name}-off`), h("span", {}, label));
}
