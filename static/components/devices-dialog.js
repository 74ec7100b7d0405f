/** The provider's own camera and microphone, tried out beside the waiting list. */

import { DeviceCheck } from "./device-check.js";
import { h } from "./dom.js";
import { Modal } from "./frame.js";

/**
 * @param {Object} needs
 * @param {import("../lib/i18n.js").Translator} needs.t
 * @param {import("../lib/self.js").Self} needs.self
 * @param {import("../lib/browser.js").Browser} needs.browser
 * @param {(track: MediaStreamTrack, tell: (level: number) => void) => () => void} needs.watchLevel
 * @param {() => void} needs.onTestSound
 * @param {import("../lib/network-check.js").NetworkCheck} needs.network
 * @param {() => string | import("../lib/types.js").Contact | undefined} needs.backup
 */
export function openDevicesDialog({ t, self, ...needs }) {
  const check = new DeviceCheck();
  const close = h("button", { type: "button", class: "secondary" }, t.say("dialog.close"));
  const modal = new Modal({ title: t.say("room.devices_title"), kind: "devices", body: [check], actions: [close] });
  check.show({ ...needs, t, self, onContinue: () => modal.close(), title: t.say("room.devices_title") });
  close.addEventListener("click", () => modal.close());
  modal.dialog.addEventListener("close", () => self.close()); // no camera runs in an empty room
  modal.open();
  void self.open({ video: true });
}
