/** A rule of the practice speaks against a session: the provider may know better, and says why. */

import { freshId, h } from "./dom.js";
import { Modal } from "./frame.js";

/**
 * @param {string} rule
 * @param {import("../lib/i18n.js").Translator} t
 * @param {(override: {rule: string, reason: string}) => void} onOverride
 */
export function askWhy(rule, t, onOverride) {
  const reason = h("input", { id: freshId("reason"), type: "text", maxlength: 200 });
  const cancel = h("button", { type: "button", class: "secondary" }, t.say("tell.cancel"));
  const go = h("button", { type: "button", class: "primary" }, t.say("override.confirm"));
  const modal = new Modal({
    title: t.say("override.title"),
    body: [h("p", {}, t.say("override.more", { rule: rule.replaceAll("_", " ") })), h("label", { for: reason.id }, t.say("override.reason")), reason],
    actions: [cancel, go],
  });
  cancel.addEventListener("click", () => modal.close());
  go.addEventListener("click", () => {
    if (!reason.value.trim()) return reason.focus();
    modal.close();
    onOverride({ rule, reason: reason.value.trim() });
  });
  modal.open();
}
