/** Media move to another node: a new peer is made, and the old one is let go when the new one is there. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { Refusal } from "../../static/lib/refusal.js";
import { setUp } from "./call.js";
import { settled } from "./doubles.js";

/** A session with sound and picture. */
async function inSession() {
  const set = setUp();
  await set.open();
  await set.answer();
  set.peer(0).become("connected");
  const replace = async (/** @type {string} */ peer) => {
    set.call.handle({ type: "media.replace", peer, reason: "node_lost" });
    await settled();
  };
  return { ...set, replace };
}

test("a new peer connects before the old one is let go", async () => {
  const { call, answer, open, peer, made, offers } = setUp();
  await open();
  await answer();
  peer(0).become("connected");
  assert.equal(call.state, "connected");

  call.handle({ type: "media.replace", peer: "peer-1", reason: "node_lost" });
  await settled();
  assert.equal(made.length, 2);
  assert.equal(call.peers.length, 2);
  assert.deepEqual(peer(1).config.iceServers, [{ urls: "turn:new" }], "old credentials live minutes only");
  await answer();
  assert.equal(offers().at(-1)?.peer, "peer-2");
  assert.equal(peer(0).connectionState, "connected");
  peer(1).become("connected");

  assert.equal(peer(0).connectionState, "closed");
  assert.deepEqual(call.peers, [peer(1)]);
});

test("a peer that is not known needs no replacement", async () => {
  const { asked, made, replace } = await inSession();
  const before = asked.length;

  await replace("peer-of-before-the-reload");

  assert.equal(made.length, 1);
  assert.equal(asked.length, before);
});

test("told twice, one new peer is made", async () => {
  const { made, replace } = await inSession();

  await Promise.all([replace("peer-1"), replace("peer-1")]);
  await replace("peer-1");

  assert.equal(made.length, 2);
});

test("a new peer offers until the visit has a node again, beside the old one", async () => {
  const { answer, call, clock, line, made, offers, peer, replace } = await inSession();
  line.refuse = new Refusal("unavailable", { temporary: true });
  await replace("peer-1");
  await clock.pass(5_000);
  assert.equal(call.state, "connected", "nobody has noticed anything yet");
  peer(0).become("disconnected");
  assert.equal(call.state, "reconnecting");
  line.refuse = null;
  await clock.pass(2_000);
  assert.equal(offers().at(-1)?.peer, "peer-2");
  await answer();
  peer(1).become("connected");

  assert.equal(call.state, "connected");
  assert.equal(made.length, 2);
  assert.equal(peer(0).connectionState, "closed");
});

test("a new peer whose node goes too is replaced, and the old one stays", async () => {
  const { call, made, peer, replace } = await inSession();
  await replace("peer-1");

  await replace("peer-2");

  assert.equal(made.length, 3);
  assert.equal(peer(1).connectionState, "closed");
  assert.deepEqual(call.peers, [peer(0), peer(2)]);
});

test("a new peer that does not connect is followed by another, however well the old one looks", async () => {
  const { answer, clock, made, peer, replace } = await inSession();
  await replace("peer-1");
  await answer();

  peer(1).become("failed");
  await clock.pass(100);

  assert.equal(made.length, 3);
  assert.equal(peer(0).connectionState, "connected");
});

test("the new peer's time to connect runs whatever becomes of the old one", async () => {
  const { answer, clock, made, peer, replace } = await inSession();
  await replace("peer-1");
  await answer();

  await clock.pass(1_000);
  peer(0).become("disconnected");
  await clock.pass(5_000);
  peer(0).become("failed");
  await clock.pass(5_500);
  assert.equal(made.length, 2, "the new one still has time");
  await clock.pass(1_000);

  assert.equal(made.length, 3);
  assert.equal(peer(1).connectionState, "closed");
});

test("a connected peer that can agree on nothing more is replaced, and media go on meanwhile", async () => {
  const { answer, call, clock, line, made, peer, tracks } = await inSession();
  line.refuse = new Refusal("bad_sdp");
  await call.setAudioOnly(true, { ...tracks, video: null });
  await settled();
  line.refuse = null;
  await clock.pass(100);
  assert.equal(made.length, 2);
  assert.equal(call.state, "connected");

  await answer();
  peer(1).become("connected");

  assert.deepEqual(call.peers, [peer(1)]);
});

test("in another network a new peer is made at once, though the old one looks well", async () => {
  const { answer, call, made, peer } = await inSession();

  call.moved();
  call.moved();
  await settled();
  assert.equal(made.length, 2);
  assert.equal(call.state, "connected", "nobody has noticed anything");
  await answer();
  peer(1).become("connected");

  assert.deepEqual(call.peers, [peer(1)]);
});

test("if it was the same network after all, and the new peer does not connect, the old one stays", async () => {
  const { answer, call, clock, made, peer } = await inSession();
  call.moved();
  await settled();
  await answer();

  peer(1).become("failed");
  await clock.pass(20_000);

  assert.equal(made.length, 2);
  assert.deepEqual(call.peers, [peer(0)]);
  assert.equal(call.state, "connected");
});

test("a hint that comes again and again makes no more peers than one in a while", async () => {
  const { call, clock, made } = await inSession();

  for (let second = 0; second < 9; second += 1) {
    call.moved();
    await clock.pass(300);
  }

  assert.equal(made.length, 2);
});

test("the server hears nothing of the present peer: it is replaced; of one that is on its way, it is let be", async () => {
  const { call, made, peer } = await inSession();
  const fail = async (/** @type {string} */ id) => {
    call.handle({ type: "media.replace", peer: id, reason: "ice_failed" });
    await settled();
  };

  await fail("peer-1");
  assert.equal(made.length, 2);
  await fail("peer-2");
  await fail("peer-1");

  assert.equal(made.length, 2);
  assert.deepEqual(call.peers, [peer(0), peer(1)]);
});

test("without a session there is nothing to replace", async () => {
  const { call, made } = setUp();

  call.moved();
  await settled();

  assert.equal(made.length, 0);
});
