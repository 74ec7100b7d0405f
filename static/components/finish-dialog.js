/** Finish with a word on attendance: what was measured stands, unless the provider knows better. */

import { freshId, h, setText } from "./dom.js";
import { Modal } from "./frame.js";

/** @typedef {import("../lib/i18n.js").Translator} Translator */
/** @typedef {import("../lib/group.js").Member} Member */
/** @typedef {{client: string, outcome: string, service_code?: string}} OutcomeGiven */

const OUTCOMES = ["attended", "late_arrival", "left_early", "no_show", "late_cancel", "provider_absent", "technical_failure"];

/**
 * @param {Member[]} members
 * @param {Translator} t
 * @param {(outcomes: OutcomeGiven[]) => void} onFinish
 */
export function openFinish(members, t, onFinish) {
  const rows = members.map((member) => row(member, t));
  const all = h("button", { type: "button", class: "secondary", hidden: members.length < 2 }, t.say("finish.all_attended"));
  all.addEventListener("click", () => {
    for (const { select, follow } of rows) {
      select.value = "attended";
      follow();
    }
  });
  const error = h("p", { class: "form-error", role: "alert" });
  const cancel = h("button", { type: "button", class: "secondary" }, t.say("tell.cancel"));
  const go = h("button", { type: "button", class: "primary" }, t.say("ended.finish"));
  const modal = new Modal({
    title: t.say("finish.title"),
    kind: "finish",
    body: [h("p", { class: "hint" }, t.say("finish.more")), all, h("div", { class: "rows outcomes" }, ...rows.map(({ element }) => element)), error],
    actions: [cancel, go],
  });
  cancel.addEventListener("click", () => modal.close());
  go.addEventListener("click", () => {
    if (rows.some(({ member, select }) => select.value && !idOf(member))) return setText(error, t.say("error.not_found"));
    modal.close();
    onFinish(rows.flatMap(({ member, select, code }) => (select.value ? [given(member, select.value, code.value.trim())] : [])));
  });
  modal.open();
}

/** @param {Member} member */
const idOf = ({ client, participant }) => client ?? participant;

/** @param {Member} member @param {string} outcome @param {string} code @returns {OutcomeGiven} */
function given(member, outcome, code) {
  return { client: String(idOf(member)), outcome, ...(code ? { service_code: code } : {}) };
}

/** @param {Member} member @param {Translator} t */
function row(member, t) {
  const select = h(
    "select",
    { id: freshId("outcome"), name: "outcome" },
    h("option", { value: "" }, t.say("finish.measured")),
    ...OUTCOMES.map((outcome) => h("option", { value: outcome }, t.say(`attendance.${outcome}`))),
  );
  const code = h("input", { id: freshId("code"), type: "text", maxlength: 100, autocomplete: "off", spellcheck: "false" });
  const field = h("div", { class: "field code" }, h("label", { for: code.id }, t.say("finish.code")), code);
  const follow = () => (field.hidden = select.value === "");
  select.addEventListener("change", follow);
  follow();
  const element = h("div", { class: "row outcome-row" }, h("div", { class: "field" }, h("label", { for: select.id }, h("bdi", {}, member.name)), select), field);
  return { member, select, code, follow, element };
}
