/** Two browsers without the server between them: one offers, the other answers, and any trouble is told as one. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { Direct } from "../../static/lib/direct.js";
import { Refusal } from "../../static/lib/refusal.js";
import { Ways } from "../../static/lib/ways.js";
import { setUp } from "./call.js";
import { FakeStream, settled, track } from "./doubles.js";

/** @param {boolean} offers @param {{audioOnly?: boolean}} [more] */
function begin(offers, { audioOnly = false } = {}) {
  const stage = setUp();
  const needs = { ...stage.making, makeStream: () => /** @type {any} */ (new FakeStream()) };
  const direct = new Direct(needs, { offers, iceServers: [], tracks: stage.tracks, audioOnly });
  /** @type {string[]} */
  const failed = [];
  direct.on("failed", (why) => failed.push(why));
  const flows = () => stage.told.filter(({ type }) => type === "media.flow").map(({ up, video }) => [up, video]);
  const trickled = () => stage.told.filter(({ type }) => type === "media.candidates");
  return { ...stage, direct, failed, flows, trickled, needs };
}

const OFFER = { type: "media.offer", peer: "theirs", round: 1, sdp: "audio:sendrecv video:sendrecv", participant: "dr" };

test("the provider's browser offers both lines, to the other and not to the server", async () => {
  const { asked } = begin(true);
  await settled();

  assert.deepEqual(asked, [
    { type: "media.offer", peer: "peer-1", round: 1, sdp: "audio:sendrecv video:sendrecv", audio_only: false, direct: true },
  ]);
});

test("the client's browser waits for the offer, and answers it with its own tracks", async () => {
  const { direct, asked, made, tracks } = begin(false);
  await settled();
  assert.equal(made.length, 0);

  direct.handle(OFFER);
  await settled();

  assert.deepEqual(asked, [{ type: "media.answer", peer: "theirs", round: 1, sdp: "audio:sendrecv video:sendrecv" }]);
  assert.deepEqual(made[0]?.lines.map(({ sender }) => sender.track), [tracks.audio, tracks.video]);
});

test("candidates follow the description, and those that come too early wait for theirs", async () => {
  const { direct, made, trickled } = begin(true);
  made[0]?.gather("candidate:1");
  assert.deepEqual(trickled(), []);
  await settled();
  made[0]?.gather("candidate:2");

  assert.deepEqual(trickled().map(({ candidates, direct }) => [candidates[0].candidate, direct]), [["candidate:1", true], ["candidate:2", true]]);

  direct.handle({ type: "media.candidates", peer: "peer-1", round: 1, candidates: [{ candidate: "theirs" }] });
  await settled();
  assert.deepEqual(made[0]?.candidates, []);
  direct.handle({ type: "media.answer", peer: "peer-1", round: 1, sdp: "audio:sendrecv video:sendrecv" });
  await settled();
  assert.deepEqual(made[0]?.candidates, [{ candidate: "theirs" }]);
});

test("words about another connection change nothing", async () => {
  const { direct, made } = begin(true);
  await settled();

  direct.handle({ type: "media.answer", peer: "another", round: 1, sdp: "x" });
  direct.handle({ type: "media.candidates", peer: "another", round: 1, candidates: [{ candidate: "x" }] });
  direct.handle(OFFER);
  await settled();

  assert.equal(made.length, 1);
  assert.equal(made[0]?.signalingState, "have-local-offer");
});

test("it is told when both are connected, and with pictures or without", async () => {
  const { direct, made, flows, tracks, clock } = begin(true);
  await settled();
  made[0]?.become("connected");
  await direct.setAudioOnly(true, { ...tracks, video: null });
  await clock.pass(1_000);
  await direct.setAudioOnly(false, tracks);
  made[0]?.become("disconnected");

  assert.deepEqual(flows(), [[true, true], [true, false], [true, true], [false, false]]);
});

test("before nothing is sent any more the picture is black: some browsers go on with the last one", async () => {
  const { direct, made, tracks, clock } = begin(true);
  await settled();
  const picture = /** @type {any} */ (tracks.video);

  await direct.setAudioOnly(true, { ...tracks, video: null });
  assert.deepEqual([picture.enabled, made[0]?.lines[1]?.sender.track], [false, picture]);
  await clock.pass(250);

  assert.equal(made[0]?.lines[1]?.sender.track, null);
});

test("who finds no way in time, or loses it for seconds, gives it up; a stumble does not", async () => {
  const never = begin(true);
  await never.clock.pass(5_900);
  assert.deepEqual(never.failed, []);
  await never.clock.pass(200);
  assert.deepEqual(never.failed, ["failed"]);

  const stumbles = begin(true);
  await settled();
  stumbles.made[0]?.become("connected");
  stumbles.made[0]?.become("disconnected");
  await stumbles.clock.pass(2_900);
  stumbles.made[0]?.become("connected");
  await stumbles.clock.pass(60_000);
  assert.deepEqual(stumbles.failed, []);
  stumbles.made[0]?.become("disconnected");
  await stumbles.clock.pass(3_000);
  assert.deepEqual(stumbles.failed, ["failed"]);
});

test("where the service passes no words on, it is no way at all", async () => {
  const stage = setUp();
  stage.line.refuse = new Refusal("refused");
  const direct = new Direct({ ...stage.making, makeStream: () => /** @type {any} */ (new FakeStream()) }, { offers: true, iceServers: [], tracks: stage.tracks, audioOnly: false });
  /** @type {string[]} */
  const failed = [];
  direct.on("failed", (why) => failed.push(why));
  await settled();

  assert.deepEqual(failed, ["no_direct"]);
});

test("when the other one is there again there is a new connection, and the old one goes once it works", async () => {
  const { direct, made } = begin(true);
  await settled();
  made[0]?.become("connected");

  direct.again();
  await settled();
  assert.equal(made[0]?.connectionState, "connected");
  made[1]?.become("connected");

  assert.equal(made[0]?.connectionState, "closed");
  direct.close();
  assert.equal(made[1]?.connectionState, "closed");
});

test("both ways are one: the direct way shows its stream until the server's carries the other one", async () => {
  const { needs, clock, made, told, asked, tracks } = begin(true);
  const ways = new Ways(needs);
  await ways.open({ path: "direct", offers: true, iceServers: [], tracks, audioOnly: false });
  await settled();
  const straight = made.at(-1);
  straight?.ontrack?.({ track: track("video") });
  straight?.become("connected");
  assert.equal(ways.state, "connected");
  const before = ways.remotes[0]?.stream;

  ways.handle({ type: "visit.path", visit: "v", path: "relay", reason: "failed" });
  await settled();
  const relayed = made.at(-1);
  const others = (relayed?.lines ?? []).map(({ receiver }) => /** @type {any} */ (receiver.track));
  for (const one of others) one.muted = true;
  const { peer, round } = asked.filter(({ type }) => type === "media.offer").at(-1) ?? {};
  assert.equal(ways.remotes[0]?.stream, before);
  assert.equal(straight?.connectionState, "connected");
  ways.handle({ type: "media.answer", peer, round, sdp: "answer", tracks: [] });
  await settled();
  relayed?.become("connected");
  await clock.pass(200);
  assert.equal(straight?.connectionState, "connected"); // nothing comes by the other way yet
  for (const one of others) one.muted = false;
  await clock.pass(50);

  assert.equal(straight?.connectionState, "closed");
  assert.notEqual(ways.remotes[0]?.stream, before);
  assert.equal(ways.state, "connected");
  assert.ok(told.some(({ type }) => type === "media.flow"));
});

test("an offer that comes before the page knows of its session is not lost", async () => {
  const { needs, asked, tracks } = begin(true);
  const ways = new Ways(needs);

  ways.handle(OFFER);
  await ways.open({ path: "direct", offers: false, iceServers: [], tracks, audioOnly: false });
  await settled();

  assert.equal(asked.at(-1)?.type, "media.answer");
});

test("End closes both ways at once", async () => {
  const { needs, made, tracks } = begin(true);
  const ways = new Ways(needs);
  await ways.open({ path: "direct", offers: true, iceServers: [], tracks, audioOnly: false });
  ways.handle({ type: "visit.path", visit: "v", path: "relay", reason: "failed" });
  await settled();

  ways.close();

  assert.deepEqual(made.slice(1).map(({ connectionState }) => connectionState), ["closed", "closed"]);
  assert.equal(ways.state, "idle");
});

test("a word of the other way that comes when all is over opens nothing", async () => {
  const { needs, made, tracks } = begin(true);
  const ways = new Ways(needs);
  await ways.open({ path: "direct", offers: true, iceServers: [], tracks, audioOnly: false });
  await settled();
  ways.close();
  const count = made.length;

  ways.handle({ type: "visit.path", visit: "v", path: "relay", reason: "failed" });
  await settled();

  assert.equal(made.length, count);
});
