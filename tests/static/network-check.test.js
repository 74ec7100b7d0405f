/** The network is tried out with an echo, judged by one table, and trouble that is not the network's is not told as such. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { judge, NetworkCheck, WEAK } from "../../static/lib/network-check.js";
import { Refusal } from "../../static/lib/refusal.js";
import { setUp } from "./call.js";
import { settled } from "./doubles.js";

const fine = { connected: true, heard: true, connect_ms: 300, rtt_ms: 40, jitter_ms: 5, loss: 0 };

test("good is what is below every limit, and weak what reaches any of them", () => {
  assert.equal(judge(fine), "good");
  assert.equal(judge({ connected: true, heard: true }), "good", "what a browser does not count is held against nobody");
  for (const [what, limit] of Object.entries(WEAK)) {
    assert.equal(judge({ ...fine, [what]: limit }), "weak", what);
    assert.equal(judge({ ...fine, [what]: limit * 0.99 }), "good", what);
  }
});

test("without a connection, or without anything that comes back, it has failed, however good the figures are", () => {
  assert.equal(judge({ ...fine, connected: false }), "failed");
  assert.equal(judge({ ...fine, heard: false }), "failed");
});

/** A page that checks devices. */
function checking() {
  const set = setUp();
  const check = new NetworkCheck(set.making);
  /** @type {string[]} */
  const states = [];
  check.on("change", () => states.push(check.state));
  const run = async () => {
    check.run({ tracks: set.tracks, audioOnly: false });
    await settled();
  };
  const answer = async () => {
    const { peer, round } = set.offers().at(-1) ?? {};
    check.handle({ type: "media.answer", peer, round, sdp: "answer", tracks: [] });
    await settled();
  };
  /** @param {{received: number, lost?: number, rtt?: number}} counted */
  const counts = ({ received, lost = 0, rtt = 0.04 }) => {
    set.peer(set.made.length - 1).stats = [
      { type: "inbound-rtp", packetsReceived: received, packetsLost: lost, jitter: 0.004, bytesReceived: received * 100 },
      { type: "candidate-pair", nominated: true, currentRoundTripTime: rtt },
    ];
  };
  return { ...set, check, states, run, answer, counts };
}

test("it offers what this person would send, to the server alone, and tells what came back", async () => {
  const set = checking();
  await set.run();
  await set.answer();
  await set.clock.pass(200);
  set.peer(0).become("connected");
  set.counts({ received: 50, lost: 30 });
  await set.clock.pass(1_100);
  set.counts({ received: 1_050, lost: 40 });
  await set.clock.pass(4_000);

  assert.deepEqual(set.asked.map(({ type, purpose }) => [type, purpose]), [["media.prepare", "check"], ["media.offer", "check"]]);
  assert.deepEqual(set.peer(0).lines.map(({ sender }) => sender.track), [set.tracks.audio, set.tracks.video]);
  assert.deepEqual(set.states, ["measuring", "good"]);
  assert.deepEqual(set.check.measured, { connected: true, heard: true, connect_ms: 200, rtt_ms: 40, jitter_ms: 4, loss: 0.0099 });
  assert.equal(set.peer(0).connectionState, "closed");
});

test("loss makes it weak, and silence a failure", async () => {
  for (const [after, verdict] of /** @type {const} */ ([[{ received: 950, lost: 60 }, "weak"], [{ received: 50, lost: 0 }, "failed"]])) {
    const set = checking();
    await set.run();
    await set.answer();
    set.peer(0).become("connected");
    set.counts({ received: 50 });
    await set.clock.pass(1_100);
    set.counts(after);
    await set.clock.pass(4_000);

    assert.deepEqual(set.states, ["measuring", verdict]);
  }
});

test("one that does not connect in time, or that breaks, has failed", async () => {
  const late = checking();
  await late.run();
  await late.answer();
  await late.clock.pass(10_100);
  assert.deepEqual(late.states, ["measuring", "failed"]);

  const broken = checking();
  await broken.run();
  await broken.answer();
  broken.peer(0).become("failed");
  assert.deepEqual(broken.states, ["measuring", "failed"]);
});

test("a server without room for it says nothing of the network", async () => {
  for (const refusal of [new Refusal("too_many"), new Refusal("unavailable", { temporary: true })]) {
    const set = checking();
    set.line.refuse = refusal;
    await set.run();
    await set.clock.pass(60_000);

    assert.deepEqual(set.states, ["measuring", "idle"]);
    assert.equal(set.offers().length, 1);
  }
});

test("without a WebSocket it waits for one, and says nothing meanwhile", async () => {
  const set = checking();
  set.line.up = false;
  await set.run();
  await set.clock.pass(30_000);
  assert.deepEqual(set.states, []);
  set.line.up = true;

  set.check.resume();
  await settled();

  assert.deepEqual(set.states, ["measuring"]);
  assert.equal(set.offers().length, 1);
});

test("whoever goes on ends it, and what comes of it then is told to nobody", async () => {
  const set = checking();
  await set.run();
  await set.answer();
  set.peer(0).become("connected");
  await set.clock.pass(1_500);

  set.check.stop();
  await set.clock.pass(60_000);
  set.check.resume();
  await settled();

  assert.deepEqual(set.states, ["measuring", "idle"]);
  assert.equal(set.made.length, 1);
  assert.equal(set.peer(0).connectionState, "closed");
});

test("figures that come when it is over are nobody's", async () => {
  const set = checking();
  await set.run();
  await set.answer();
  set.peer(0).become("connected");
  await set.clock.pass(1_100);
  let release = (/** @type {any[]} */ _stats) => {};
  set.peer(0).getStats = () => new Promise((resolve) => (release = resolve));
  await set.clock.pass(4_000);

  set.check.stop();
  release([]);
  await settled();

  assert.deepEqual(set.states, ["measuring", "idle"]);
});
