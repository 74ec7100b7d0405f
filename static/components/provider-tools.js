/** What stands at the top of a provider's page beside the language: desktop notices, the sound, the way out. */

import { h } from "./dom.js";
import { icon } from "./icons.js";

/**
 * @param {import("../lib/i18n.js").Translator} t
 * @param {import("../lib/sounds.js").Sounds} sounds
 * @param {() => void} onSignOut
 * @returns {HTMLElement[]}
 */
export function providerTools(t, sounds, onSignOut) {
  const picture = () => icon(sounds.muted ? "bell-off" : "bell");
  const sound = h("button", { type: "button", class: "quiet icon-only", "aria-pressed": String(!sounds.muted), "aria-label": t.say("room.sound"), title: t.say("room.sound") }, picture());
  sound.addEventListener("click", () => {
    sounds.muted = !sounds.muted;
    sound.setAttribute("aria-pressed", String(!sounds.muted));
    sound.replaceChildren(picture());
  });
  const notices = h("button", { type: "button", class: "quiet wide-tool" }, t.say("room.notifications"));
  notices.hidden = globalThis.Notification?.permission !== "default";
  notices.addEventListener("click", () => void Notification.requestPermission().then(() => (notices.hidden = true)));
  const out = h("button", { type: "button", class: "quiet wide-tool sign-out", on: { click: onSignOut } }, t.say("signin.out"));
  return [notices, sound, out];
}
