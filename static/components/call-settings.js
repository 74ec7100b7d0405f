/** The dialogs of a session: devices and audio only, and the question before the way out. */

import { deviceSelects } from "./device-check.js";
import { h } from "./dom.js";
import { Modal } from "./frame.js";
import { icon } from "./icons.js";

/** @typedef {import("../lib/i18n.js").Translator} Translator */
/** @typedef {import("../lib/self.js").Self} Self */

/**
 * @param {Translator} t
 * @param {Self} self
 * @param {{onAudioOnly: (audioOnly: boolean) => void, onMove: () => void, onFullScreen: () => void, path: "relay" | "direct"}} how  `path`: how media go now
 */
export function openSettings(t, self, { onAudioOnly, onMove, onFullScreen, path }) {
  const close = h("button", { type: "button", class: "primary" }, t.say("dialog.close"));
  const audio = h("input", { type: "checkbox", name: "audio_only", checked: self.audioOnly });
  audio.addEventListener("change", () => onAudioOnly(audio.checked));
  const act = (/** @type {string} */ key, /** @type {() => void} */ click) => h("button", { type: "button", class: "secondary", on: { click } }, t.say(key));
  const selects = h("div", { class: "selects" });
  // On a narrow page the control for it is here alone.
  const share = () => {
    modal.close();
    if (self.sharing) self.unshare();
    else void self.share();
  };
  const modal = new Modal({
    title: t.say("session.settings"),
    body: [
      selects,
      h("label", { class: "choice" }, audio, h("span", {}, h("strong", {}, t.say("session.audio_only")), h("small", {}, t.say("session.audio_only_more")))),
      h(
        "div",
        { class: "actions start" },
        act("session.restart_devices", () => void self.open()),
        act("session.move_self", onMove),
        self.canShare ? act(self.sharing ? "session.unshare" : "session.share", share) : null,
        document.fullscreenEnabled ? act("session.full_screen", onFullScreen) : null,
      ),
      h("p", { class: "hint way-words" }, icon("lock"), h("span", {}, h("strong", {}, t.say(`way.${path}`)), " ", t.say(`way.${path}_more`))),
    ],
    actions: [close],
  });
  close.addEventListener("click", () => modal.close());
  void self.list().then((devices) => selects.replaceChildren(...deviceSelects(t, self, devices)));
  return modal.open();
}

/**
 * End is pressed by mistake many times: so it asks, and the safe answer has the focus.
 * @param {Translator} t
 * @param {Object} out
 * @param {"end" | "leave"} out.way
 * @param {boolean} out.group
 * @param {() => void} out.onEnd
 * @param {() => void} [out.onStepOut]  a provider's, while another one goes on with it
 */
export function confirmWayOut(t, { way, group, onEnd, onStepOut }) {
  const stay = h("button", { type: "button", class: "secondary", autofocus: true }, t.say("session.stay"));
  const end = h("button", { type: "button", class: "danger" }, t.say(way === "end" ? "session.end_confirm" : "session.leave_confirm"));
  const out = onStepOut && h("button", { type: "button", class: "secondary" }, t.say("session.step_out"));
  const words = way === "leave" ? "session.leave_more" : group ? "session.end_more_group" : "session.end_more";
  const modal = new Modal({
    title: t.say(way === "end" ? "session.end_title" : "session.leave_title"),
    body: [h("p", {}, t.say(words))],
    actions: out ? [stay, out, end] : [stay, end],
  });
  stay.addEventListener("click", () => modal.close());
  out?.addEventListener("click", () => {
    modal.close();
    onStepOut?.();
  });
  end.addEventListener("click", () => {
    modal.close();
    onEnd();
  });
  return modal.open();
}
