/** A page keeps its place: it says hello, resumes, asks again with the same key, and knows when it must not come back. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { comesBack, Connection } from "../../static/lib/connection.js";
import { Refusal } from "../../static/lib/refusal.js";
import { FakeClock, FakeSocket, settled } from "./doubles.js";

/** @typedef {import("../../static/lib/memory.js").Resume} Resume */

/** @param {{resume?: Resume | null, ticket?: () => Promise<string>}} [given] */
function setUp({ resume = null, ticket } = {}) {
  const clock = new FakeClock();
  /** @type {FakeSocket[]} */
  const sockets = [];
  /** @type {{resume: Resume | null}} */
  const memory = { resume };
  let tickets = 0;
  let ids = 0;
  /** @type {string[]} */
  const states = [];
  /** @type {any[]} */
  const heard = [];
  /** @type {any[]} */
  const closed = [];
  const connection = new Connection({
    url: "wss://clinic.example/v1/ws",
    open: (url, protocol) => {
      const socket = new FakeSocket(url, protocol);
      sockets.push(socket);
      return /** @type {any} */ (socket);
    },
    ticket: ticket ?? (async () => `ticket-${(tickets += 1)}`),
    memory: {
      load: () => memory.resume,
      save: (one) => (memory.resume = one),
      clear: () => (memory.resume = null),
    },
    device: () => "tab-1",
    clock,
    random: () => 0,
    newId: () => `key-${(ids += 1)}`,
  });
  connection.on("state", (state) => states.push(state));
  connection.on("message", (message) => heard.push(message));
  connection.on("closed", (closing) => closed.push(closing));
  const socket = () => /** @type {FakeSocket} */ (sockets.at(-1));
  const welcome = (/** @type {Record<string, any>} */ more = {}) => {
    socket().open();
    socket().hear({ type: "welcome", connection: "con_1", secret: `secret-${sockets.length}`, recovered: false, ...more });
  };
  const start = async () => {
    connection.start();
    await settled();
    welcome();
    socket().hear({ type: "view", version: 3, epoch: "e", seq: 4, phase: "scheduled" });
  };
  return { clock, sockets, socket, memory, connection, states, heard, closed, welcome, start };
}

test("the first message is a hello with a fresh ticket, under the protocol's name", async () => {
  const { socket, connection, states, memory, start } = setUp();

  await start();

  assert.equal(socket().protocol, "carelobby.v1.json");
  assert.deepEqual(socket().sent, [{ type: "hello", protocol: 1, ticket: "ticket-1", device: "tab-1" }]);
  assert.deepEqual(states, ["connecting", "open"]);
  assert.deepEqual(memory.resume, { connection: "con_1", secret: "secret-1", epoch: "e", seq: 4 });
  assert.equal(connection.state, "open");
});

test("a reply finds its request, and an error is a refusal with its code", async () => {
  const { socket, connection, heard, start } = setUp();
  await start();
  heard.length = 0;

  const good = connection.ask("sync");
  const bad = connection.change("start", { appointment: "apt" });
  socket().hear({ type: "error", re: 2, code: "stale", temporary: false, visit: { rev: 7 } });
  socket().hear({ type: "ok", re: 1 });

  assert.equal((await good).type, "ok");
  await assert.rejects(bad, (error) => error instanceof Refusal && error.code === "stale" && error.reply.visit.rev === 7);
  assert.deepEqual(heard, [], "replies are not events");
});

test("a change survives a drop: the same key again, under a new id", async () => {
  const { clock, socket, connection, welcome, start } = setUp();
  await start();

  const asked = connection.change("check_in", { privacy: true });
  assert.deepEqual(socket().last, { type: "check_in", id: 1, key: "key-1", privacy: true });
  socket().drop(1006);
  await clock.pass(500);
  welcome({ recovered: true });

  assert.deepEqual(socket().last, { type: "check_in", id: 2, key: "key-1", privacy: true });
  socket().hear({ type: "ok", re: 2 });
  assert.equal((await asked).type, "ok");
});

test("a request without a key is not repeated: it is lost with its connection", async () => {
  const { clock, socket, connection, welcome, start } = setUp();
  await start();

  const asked = connection.ask("media.offer", { peer: "p" });
  socket().drop(1006);

  await assert.rejects(asked, (error) => error instanceof Refusal && error.code === "lost");
  await clock.pass(500);
  welcome();
  assert.deepEqual(socket().of("media.offer"), []);
});

test("a change asked for while the line is down is sent when it is back, and given up after 20 s", async () => {
  const { clock, socket, connection, start } = setUp();
  await start();
  socket().drop(1006);

  const asked = connection.change("end", { visit: "vis" });
  const given = assert.rejects(asked, (error) => error instanceof Refusal && error.code === "lost");
  await clock.pass(20_000);

  await given;
});

test("a temporary error is asked again with the same key", async () => {
  const { clock, socket, connection, start } = setUp();
  await start();

  const asked = connection.change("start", {});
  socket().hear({ type: "error", re: 1, code: "unavailable", temporary: true, retry_after: 2 });
  await clock.pass(1_900);
  assert.equal(socket().of("start").length, 1);
  await clock.pass(200);

  assert.deepEqual(socket().of("start").map(({ id, key }) => [id, key]), [[1, "key-1"], [2, "key-1"]]);
  socket().hear({ type: "ok", re: 2 });
  await asked;
});

test("what there is no room for is told at once, and not asked again", async () => {
  const { clock, socket, connection, start } = setUp();
  await start();

  const asked = connection.change("start", {});
  const told = assert.rejects(asked, (error) => error instanceof Refusal && error.temporary && error.retryAfter === 5);
  socket().hear({ type: "error", re: 1, code: "too_many", temporary: true, retry_after: 5 });
  await told;
  await clock.pass(6_000);

  assert.equal(socket().of("start").length, 1);
});

test("after a drop it resumes with the rotated secret and the last cursor", async () => {
  const { clock, socket, sockets, memory, welcome, start } = setUp();
  await start();
  socket().hear({ type: "waiting.changed", status: "late", epoch: "e", seq: 9 });

  socket().drop(1006);
  await clock.pass(500);
  welcome({ recovered: true });

  assert.equal(sockets.length, 2);
  assert.deepEqual(socket().sent[0], {
    type: "hello",
    protocol: 1,
    resume: { connection: "con_1", secret: "secret-1", epoch: "e", seq: 9 },
    device: "tab-1",
  });
  assert.equal(memory.resume?.secret, "secret-2");
  assert.equal(memory.resume?.seq, 9);
});

test("a reloaded page resumes without a ticket, and asks for the view that it does not have", async () => {
  const { socket, connection, welcome } = setUp({ resume: { connection: "con_0", secret: "s", epoch: "e", seq: 2 } });

  connection.start();
  await settled();
  welcome({ recovered: true });

  assert.equal(socket().sent[0]?.resume.secret, "s");
  assert.equal(socket().last.type, "sync");
});

test("too late to resume: the link still opens the door", async () => {
  const { socket, sockets, connection, closed } = setUp({ resume: { connection: "con_0", secret: "old", epoch: "e", seq: 2 } });

  connection.start();
  await settled();
  socket().open();
  socket().drop(4500);
  await settled();
  socket().open();

  assert.equal(sockets.length, 2);
  assert.equal(socket().sent[0]?.ticket, "ticket-1");
  assert.deepEqual(closed, []);
});

test("codes from 4500 to 4999 do not come back; others do", () => {
  assert.deepEqual([1000, 1006, 4001, 4012, 4100, 4408, 4499, 5000].map(comesBack), Array(8).fill(true));
  assert.deepEqual([4500, 4501, 4503, 4509, 4510, 4511, 4512, 4999].map(comesBack), Array(8).fill(false));
});

test("an open page that takes over says hello anew, with a fresh ticket", async () => {
  const { socket, sockets, connection, start, welcome } = setUp();
  await start();

  const taken = connection.takeOver();
  await settled();
  welcome();

  assert.equal(sockets[0]?.closedBySelf, true);
  assert.deepEqual(socket().sent[0], { type: "hello", protocol: 1, ticket: "ticket-2", device: "tab-1", takeover: true });
  assert.equal(await taken, true);
  const refused = connection.takeOver();
  await settled();
  socket().onclose?.({ code: 4503 });
  assert.equal(await refused, false);
});

test("a displaced tab stays out until a person takes over", async () => {
  const { clock, socket, sockets, connection, closed, memory, start } = setUp();
  await start();

  socket().drop(4509);
  await clock.pass(60_000);
  assert.equal(sockets.length, 1);
  assert.deepEqual(closed, [{ code: 4509 }]);
  assert.equal(memory.resume, null);

  connection.start({ takeover: true });
  await settled();
  socket().open();
  assert.deepEqual(socket().last, { type: "hello", protocol: 1, ticket: "ticket-2", device: "tab-1", takeover: true });
});

test("it waits longer after each failure, up to 15 s", async () => {
  const { clock, socket, sockets, start } = setUp();
  await start();
  const waits = [];
  for (let failure = 0; failure < 8; failure += 1) {
    const before = sockets.length;
    const since = clock.at;
    socket().drop(1006);
    while (sockets.length === before) await clock.pass(50);
    waits.push(clock.at - since);
  }

  assert.deepEqual(waits, [250, 500, 1000, 2000, 4000, 7500, 7500, 7500]);
});

test("10 s of silence lead to a ping, and 5 more to a new connection", async () => {
  const { clock, socket, sockets, start } = setUp();
  await start();

  await clock.pass(10_000);
  assert.equal(socket().last.type, "ping");
  socket().hear({ type: "ok", re: socket().last.id });
  await clock.pass(10_000);
  assert.equal(socket().of("ping").length, 2);
  const dead = socket();
  await clock.pass(5_300);

  assert.equal(dead.closedBySelf, true);
  assert.equal(sockets.length, 2);
});

test("a page that wakes up looks at once", async () => {
  const { clock, socket, sockets, connection, start } = setUp();
  await start();

  connection.nudge();
  assert.equal(socket().last.type, "ping");
  socket().drop(1006);
  connection.nudge();
  await clock.pass(0);

  assert.equal(sockets.length, 2);
});

test("a draining node is left after its delay, and the place is resumed elsewhere", async () => {
  const { clock, socket, sockets, start } = setUp();
  await start();

  socket().hear({ type: "goaway", after: 3_000, jitter: 2_000 });
  await clock.pass(2_900);
  assert.equal(sockets.length, 1);
  await clock.pass(200);
  socket().open();

  assert.equal(sockets.length, 2);
  assert.ok(socket().sent[0]?.resume);
});

test("a dead link ends it; a busy service is asked again", async () => {
  const dead = setUp({ ticket: async () => Promise.reject(new Refusal("bad_link", { status: 404 })) });
  dead.connection.start();
  await settled();
  assert.equal(dead.closed[0]?.refusal.code, "bad_link");

  let tries = 0;
  const busy = setUp({
    ticket: async () => {
      tries += 1;
      if (tries === 1) throw new Refusal("rate", { temporary: true, retryAfter: 3 });
      return "ticket";
    },
  });
  busy.connection.start();
  await busy.clock.pass(3_300);
  assert.equal(busy.sockets.length, 1);
});

test("leaving says bye and forgets", async () => {
  const { socket, connection, memory, closed, start } = setUp();
  await start();

  connection.stop();

  assert.equal(socket().last.type, "bye");
  assert.equal(memory.resume, null);
  assert.deepEqual(closed, []);
});

test("the server's clock is followed", async () => {
  const { clock, socket, connection, start } = setUp();
  await start();

  socket().hear({ type: "waiting.changed", epoch: "e", seq: 5, at: clock.at + 90_000 });

  assert.equal(connection.now(), clock.at + 90_000);
});

test("what is not JSON is passed over", async () => {
  const { socket, connection, start } = setUp();
  await start();

  socket().onmessage?.({ data: "<html>" });

  assert.equal(connection.state, "open");
});
