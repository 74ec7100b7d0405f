/** The chat of a session is relayed, shown, and forgotten. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { Chat } from "../../static/lib/chat.js";
import { Refusal } from "../../static/lib/refusal.js";

/** @type {import("../../static/lib/types.js").Participant[]} */
const PEOPLE = [{ id: "prv", role: "provider", name: "Dr. Rivera" }];
const LINE = { type: "chat", participant: "prv", text: "Hello", at: 5 };

function setUp() {
  /** @type {Record<string, any>[]} */
  const asked = [];
  const line = { up: true };
  const chat = new Chat({
    ask: async (type, fields) => {
      if (!line.up) throw new Refusal("lost", { temporary: true });
      asked.push({ type, ...fields });
      return { type: "ok" };
    },
    now: () => 9,
  });
  chat.of("vis");
  return { chat, asked, line };
}

test("lines of others count as unread until they are looked at", () => {
  const { chat } = setUp();

  chat.handle(LINE, PEOPLE);
  chat.handle({ ...LINE, participant: "stranger" }, PEOPLE);
  assert.deepEqual([chat.lines.map(({ text }) => text), chat.unread], [["Hello"], 1]);

  chat.look(true);
  chat.handle(LINE, PEOPLE);
  assert.equal(chat.unread, 0);
});

test("a line of one's own shows once it was taken", async () => {
  const { chat, asked, line } = setUp();

  await chat.say("  Hi  ");
  assert.deepEqual(asked, [{ type: "chat", text: "Hi" }]);
  assert.deepEqual(chat.lines, [{ from: null, text: "Hi", at: 9 }]);

  line.up = false;
  await assert.rejects(chat.say("lost words"), { code: "lost" });
  await chat.say("   ");
  assert.equal(chat.lines.length, 1);
});

test("another visit knows none of the last one's words; a resumed one still does", () => {
  const { chat } = setUp();
  chat.handle(LINE, PEOPLE);

  chat.of("vis");
  assert.equal(chat.lines.length, 1);
  chat.handle({ type: "visit.closed", visit: "vis" }, PEOPLE);
  assert.equal(chat.lines.length, 0);
});
