/** What a provider may do with one who waits, besides Start: a message, a match to an appointment, taking the place away. */

import { freshId, h, setText } from "./dom.js";
import { Modal } from "./frame.js";

/** @typedef {import("../lib/i18n.js").Translator} Translator */
/** @typedef {import("../lib/types.js").Entry} Entry */
/** @typedef {import("../lib/group.js").Match} Match */

/** @param {Entry} entry @param {Translator} t @param {(entry: Entry, text: string) => Promise<unknown>} onTell */
export function openTell(entry, t, onTell) {
  const name = entry.client.name;
  const text = h("textarea", { id: freshId("text"), rows: 3, maxlength: 500 });
  const ready = ["tell.soon", "tell.late", "tell.camera"].map((key) => {
    const button = h("button", { type: "button", class: "secondary small" }, t.say(key));
    button.addEventListener("click", () => {
      text.value = t.say(key);
      text.focus();
    });
    return button;
  });
  const error = h("p", { class: "form-error", role: "alert" });
  const send = h("button", { type: "button", class: "primary" }, t.say("tell.send"));
  const cancel = h("button", { type: "button", class: "secondary" }, t.say("tell.cancel"));
  const modal = new Modal({
    title: t.say("tell.title", { name }),
    body: [h("label", { for: text.id, class: "hint" }, t.say("tell.label", { name })), text, h("div", { class: "ready-texts" }, ...ready), error],
    actions: [cancel, send],
  });
  cancel.addEventListener("click", () => modal.close());
  send.addEventListener("click", () => {
    if (!text.value.trim()) return text.focus();
    send.disabled = true;
    onTell(entry, text.value.trim()).then(
      () => modal.close(),
      (/** @type {any} */ refusal) => {
        send.disabled = false;
        setText(error, t.say(`error.${refusal?.code ?? "internal"}`));
      },
    );
  });
  modal.open();
  text.focus();
}

/**
 * Taking somebody out is asked twice, and says what they will see.
 * @param {string} name
 * @param {Translator} t
 * @param {"waiting" | "session"} from
 * @param {(reason: string | undefined) => void} onRemove
 */
export function openRemove(name, t, from, onRemove) {
  const keep = h("button", { type: "button", class: "secondary", autofocus: true }, t.say(from === "waiting" ? "room.keep" : "group.keep"));
  const remove = h("button", { type: "button", class: "danger" }, t.say("room.remove_confirm"));
  const reason = h("input", { id: freshId("reason"), type: "text", maxlength: 100 });
  const modal = new Modal({
    title: t.say(from === "waiting" ? "room.remove_title" : "group.remove_title", { name }),
    body: [
      h("p", {}, t.say(from === "waiting" ? "room.remove_more" : "group.remove_more")),
      h("div", { class: "field" }, h("label", { for: reason.id }, t.say("remove.reason")), reason),
    ],
    actions: [keep, remove],
  });
  keep.addEventListener("click", () => modal.close());
  remove.addEventListener("click", () => {
    modal.close();
    onRemove(reason.value.trim() || undefined);
  });
  modal.open();
}

/**
 * Somebody without a link is matched by a person, never by the service: names may be alike, and typed by anyone.
 * @param {Entry} entry
 * @param {Match[]} matches  the seats that are free
 * @param {Translator} t
 * @param {boolean} live     their session has begun already
 * @param {(match: Match) => void} onMatch
 */
export function openMatch(entry, matches, t, live, onMatch) {
  const name = entry.client.name;
  const group = freshId("match");
  const choices = matches.map((match) => {
    const { appointment, client } = match;
    const radio = h("input", { type: "radio", name: group, value: `${appointment.id}/${client.id}` });
    const when = `${t.day(appointment.start)}, ${t.time(appointment.start)}`;
    const words = h("span", {}, h("strong", {}, h("bdi", {}, client.name)), h("small", {}, appointment.group ? `${when} · ${t.say("session.title_group")}` : when));
    return { match, radio, row: h("label", { class: "choice" }, radio, words) };
  });
  const error = h("p", { class: "form-error", role: "alert" });
  const cancel = h("button", { type: "button", class: "secondary" }, t.say("tell.cancel"));
  const go = h("button", { type: "button", class: "primary", hidden: choices.length === 0 }, t.say(live ? "group.admit" : "room.start"));
  const modal = new Modal({
    title: t.say("match.title", { name }),
    body: [
      h("p", {}, t.say(choices.length === 0 ? "match.none" : live ? "match.more_live" : "match.more")),
      h("div", { class: "radios", role: "radiogroup", "aria-label": t.say("match.title", { name }) }, ...choices.map(({ row }) => row)),
      error,
    ],
    actions: [cancel, go],
  });
  cancel.addEventListener("click", () => modal.close());
  go.addEventListener("click", () => {
    const chosen = choices.find(({ radio }) => radio.checked);
    if (!chosen) return setText(error, t.say("match.choose"));
    modal.close();
    onMatch(chosen.match);
  });
  modal.open();
}
