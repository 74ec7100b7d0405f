/** What the browser counts becomes a report of what has been since the one before. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { Measuring, since, sumsOf } from "../../static/lib/quality.js";
import { FakeClock, settled } from "./doubles.js";

const audio = (/** @type {object} */ more = {}) => ({ type: "inbound-rtp", kind: "audio", packetsReceived: 100, packetsLost: 0, bytesReceived: 8_000, jitter: 0.004, ...more });
const video = (/** @type {object} */ more = {}) => ({ type: "inbound-rtp", kind: "video", packetsReceived: 300, packetsLost: 0, bytesReceived: 300_000, jitter: 0.009, freezeCount: 0, ...more });
const pair = { type: "candidate-pair", nominated: true, currentRoundTripTime: 0.042 };

test("all lines that come in are added up, and the worst jitter counts", () => {
  const sums = sumsOf([audio(), video({ packetsLost: 3, freezeCount: 2 }), pair, { type: "outbound-rtp", packetsSent: 9 }], 7);

  assert.deepEqual(sums, { at: 7, received: 400, lost: 3, bytes: 308_000, freezes: 2, rtt: 42, jitter: 9 });
});

test("a browser that counts no round trip of the pair tells the one of its reports", () => {
  assert.equal(sumsOf([audio(), { type: "remote-inbound-rtp", roundTripTime: 0.08 }], 0).rtt, 80);
  assert.equal(sumsOf([pair, { type: "remote-inbound-rtp", roundTripTime: 0.08 }], 0).rtt, 42);
});

test("a report is what has changed since the one before", () => {
  const before = sumsOf([audio(), video(), pair], 0);
  const now = sumsOf([audio({ packetsReceived: 350 }), video({ packetsReceived: 990, packetsLost: 60, bytesReceived: 925_000, freezeCount: 1 }), pair], 5_000);

  assert.deepEqual(since(before, now), { rtt_ms: 42, loss: 0.06, jitter_ms: 9, kbps: 1_000, freezes: 1 });
});

test("a peer that took another's place counts from nothing", () => {
  const before = sumsOf([video({ packetsReceived: 9_000, packetsLost: 500, bytesReceived: 9_000_000, freezeCount: 4 })], 0);
  const now = sumsOf([video({ packetsReceived: 98, packetsLost: 2, freezeCount: 1 })], 5_000);

  assert.deepEqual(since(before, now), { loss: 0.02, jitter_ms: 9, kbps: 480, freezes: 1 });
});

test("packets that came twice are no loss, and silence is no loss either", () => {
  const quiet = sumsOf([audio({ packetsLost: -2 })], 0);

  assert.deepEqual(since(quiet, { ...quiet, at: 5_000 }), { jitter_ms: 4, kbps: 0, freezes: 0 });
});

/** @param {any[]} looks  what getStats() holds, one look after the other */
function watching(looks) {
  const clock = new FakeClock();
  /** @type {any[]} */
  const told = [];
  const peer = { getStats: async () => new Map(Object.entries(looks.length > 1 ? looks.shift() : looks[0])) };
  const peers = [peer];
  return { clock, told, peers, measuring: new Measuring({ peers: () => peers, tell: (quality) => told.push(quality), clock }) };
}

test("the first look is only remembered; each one after it is told", async () => {
  const { clock, told, measuring } = watching([[audio()], [audio({ packetsReceived: 200 })], [audio({ packetsReceived: 250, packetsLost: 50 })]]);

  measuring.begin();
  await clock.pass(5_500);
  assert.equal(told.length, 0);
  await clock.pass(11_000);

  assert.deepEqual(told.map(({ loss }) => loss), [0, 0.5]);
});

test("after the end nothing is told, not even of a look that was under way", async () => {
  const { clock, told, measuring } = watching([[audio()]]);
  measuring.begin();
  await clock.pass(5_500);

  await clock.pass(5_499);
  const passing = clock.pass(1);
  measuring.end();
  await passing;
  await clock.pass(60_000);

  assert.deepEqual(told, []);
});

test("a call that has no peer for a moment is looked at again", async () => {
  const { clock, told, peers, measuring } = watching([[audio()]]);
  const [peer] = peers.splice(0);
  measuring.begin();
  await clock.pass(5_500);

  if (peer) peers.push(peer);
  await clock.pass(11_000);
  await settled();

  assert.equal(told.length, 1);
});
