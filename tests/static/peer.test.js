/** An offer is made until it is answered: one at a time, each in a round of its own, and not all at once. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { Refusal } from "../../static/lib/refusal.js";
import { setUp } from "./call.js";
import { settled, track } from "./doubles.js";

const away = () => new Refusal("unavailable", { temporary: true });

/** The times at which offers were made, in ms since now, while `passes` ms pass. */
async function timesOfOffers({ clock, offers }, passes) {
  const begun = clock.at;
  const times = [];
  for (let known = offers().length; clock.at < begun + passes; ) {
    await clock.pass(50);
    for (; known < offers().length; known += 1) times.push(clock.at - begun);
  }
  return times;
}

test("an offer the WebSocket lost is made again when it is back, under a new round", async () => {
  const { call, line, offers, open, answer, peer } = setUp();
  line.up = false;
  await open();
  line.up = true;

  call.resume();
  await settled();
  assert.deepEqual(offers().map(({ round }) => round), [1, 2]);
  await answer();

  assert.equal(peer(0).signalingState, "stable");
});

test("an offer that is refused for a while is made again when it was told, under a new round", async () => {
  const { clock, line, made, offers, answer, open, peer } = setUp();
  line.refuse = new Refusal("unavailable", { temporary: true, retryAfter: 3 });
  await open();
  line.refuse = null;

  await clock.pass(2_950);
  assert.equal(offers().length, 1);
  await clock.pass(100);
  assert.deepEqual(offers().map(({ peer, round }) => [peer, round]), [["peer-1", 1], ["peer-1", 2]]);
  await answer();

  assert.equal(peer(0).signalingState, "stable");
  assert.equal(made.length, 1);
});

test("without a time the pauses grow, up to one that somebody can sit through, and never end", async () => {
  const set = setUp();
  set.line.refuse = away();
  await set.open();

  assert.deepEqual(await timesOfOffers(set, 10_000), [250, 750, 1750, 3750, 5750, 7750, 9750]);
  assert.equal(set.made.length, 1);
});

test("not everybody asks at the same moment", async () => {
  for (const retryAfter of [undefined, 2]) {
    const times = [];
    for (const chance of [0, 0.5, 0.99]) {
      const set = setUp({ random: () => chance });
      set.line.refuse = new Refusal("unavailable", { temporary: true, retryAfter });
      await set.open();
      times.push((await timesOfOffers(set, 4_000))[0]);
    }
    assert.equal(new Set(times).size, 3, `${times}`);
    assert.ok(times[0] >= (retryAfter ?? 0) * 1000);
  }
});

test("an offer without an answer is made again, and what changed meanwhile is in it", async () => {
  const { call, clock, tracks, answer, made, offers, open, peer } = setUp();
  await open(true);
  await clock.pass(11_900);
  void call.setAudioOnly(false, tracks);
  call.resume();
  await settled();
  assert.equal(offers().length, 1, "never two unanswered offers at once");

  await clock.pass(1_000);
  assert.deepEqual(offers().map(({ round, sdp }) => [round, sdp]), [
    [1, "audio:sendrecv"],
    [2, "audio:sendrecv video:sendrecv"],
  ]);
  await answer({ round: 1 });
  assert.equal(peer(0).signalingState, "have-local-offer");
  await answer();

  await clock.pass(5_000);
  assert.equal(peer(0).signalingState, "stable");
  assert.equal(offers().length, 2);
  assert.equal(made.length, 1);
});

test("what changes while an offer is put off waits for the next, and so do candidates", async () => {
  const { call, clock, line, told, tracks, answer, offers, open, peer } = setUp();
  line.refuse = new Refusal("unavailable", { temporary: true, retryAfter: 1 });
  await open(true);
  line.refuse = null;
  peer(0).gather("candidate:1");
  void call.setAudioOnly(false, tracks);
  await clock.pass(900);
  assert.deepEqual(told, [], "nothing of a round that is dead");
  assert.equal(offers().length, 1);

  await clock.pass(200);
  assert.deepEqual(told.map(({ round, candidates }) => [round, candidates.length]), [[2, 1]]);
  await answer();
  await clock.pass(1_000);
  assert.equal(offers().length, 2);
});

test("candidates that the WebSocket did not take are told when it is back", async () => {
  const { call, clock, line, told, answer, open, peer } = setUp();
  await open();
  await answer();
  line.up = false;
  peer(0).gather("candidate:1");
  await clock.pass(100);
  line.up = true;
  told.length = 0;

  call.resume();

  assert.deepEqual(told.map(({ round, candidates }) => [round, candidates[0].candidate]), [[1, "candidate:1"]]);
});

test("candidates of an older round change nothing", async () => {
  const { call, answer, open, offers, peer, tracks } = setUp();
  await open(true);
  await answer();
  await call.setAudioOnly(false, tracks);
  await settled();
  await answer();
  assert.equal(offers().at(-1)?.round, 2);

  for (const round of [1, 2]) call.handle({ type: "media.candidates", peer: "peer-1", round, candidates: [{ candidate: `of ${round}` }] });
  await settled();

  assert.deepEqual(peer(0).candidates, [{ candidate: "of 2" }]);
});

test("while the WebSocket is away nothing is offered; when it is back, at once", async () => {
  const { call, clock, line, made, offers, open } = setUp();
  line.refuse = away();
  await open();
  line.up = false;
  await clock.pass(60_000);
  assert.equal(offers().length, 2, "only one found it gone");
  line.up = true;
  line.refuse = null;

  call.resume();
  await settled();

  assert.equal(offers().length, 3);
  assert.equal(made.length, 1);
});

test("an answer that is taken while the next offer is made leaves that offer alone", async () => {
  const { call, clock, line, answer, offers, open, peer, tracks } = setUp();
  line.refuse = new Refusal("lost", { temporary: true });
  await open(true);
  line.refuse = null;
  let release = () => {};
  peer(0).gate = new Promise((resolve) => (release = () => resolve()));
  await answer();
  call.resume();
  await settled();

  release();
  await settled();
  void call.setAudioOnly(false, tracks);
  await settled();
  assert.deepEqual(offers().map(({ round }) => round), [1, 2], "one at a time");
  await clock.pass(13_000);

  assert.deepEqual(offers().map(({ round }) => round), [1, 2, 3], "and it is still awaited");
});

test("a session that is long without media says so, and offers another way", async () => {
  const { call, clock, line, answer, made, open, peer } = setUp();
  /** @type {string[]} */
  const states = [];
  call.on("state", (state) => states.push(`${state} at ${Math.round((clock.at - 1_000_000) / 1000)} s`));
  line.refuse = away();
  await open();
  await clock.pass(40_000);
  line.refuse = null;
  await clock.pass(4_000);
  await answer();
  peer(0).become("connected");

  assert.deepEqual(states, ["connecting at 0 s", "reconnecting at 12 s", "failing at 36 s", "connected at 44 s"]);
  assert.equal(made.length, 1);
});

test("after the end nothing is offered", async () => {
  const { call, clock, line, offers, open } = setUp();
  line.refuse = away();
  await open();

  call.close();
  await clock.pass(60_000);

  assert.equal(offers().length, 1);
});

test("a screen has a line of its own, which is used again", async () => {
  const { call, tracks, offers, answer, open, peer } = setUp();
  await open();
  await answer();
  const [first, second] = /** @type {any[]} */ ([track("video"), track("video")]);

  await call.send({ ...tracks, screen: first });
  await answer();
  assert.equal(offers().at(-1)?.sdp, "audio:sendrecv video:sendrecv video:sendonly");
  await call.send({ ...tracks, screen: first });
  assert.equal(offers().length, 2, "nothing has changed");
  await call.send({ ...tracks, screen: null });
  await answer();
  assert.equal(offers().at(-1)?.sdp, "audio:sendrecv video:sendrecv video:inactive");
  await call.send({ ...tracks, screen: second });
  await answer();

  assert.equal(offers().at(-1)?.sdp, "audio:sendrecv video:sendrecv video:sendonly");
  assert.equal(peer(0).lines[2]?.sender.track, second);
});

test("with audio only the first line for pictures is still the camera's, whoever's screen comes", async () => {
  for (const shares of [true, false]) {
    const { call, tracks, offers, answer, open } = setUp();
    await open(true);
    await answer();

    if (shares) await call.send({ ...tracks, video: null, screen: /** @type {any} */ (track("video")) });
    else call.handle({ type: "media.renegotiate", peer: "peer-1", receive: { audio: 1, video: 1 } });
    await settled();
    await answer();
    assert.equal(offers().at(-1)?.sdp, `audio:sendrecv video:inactive video:${shares ? "sendonly" : "recvonly"}`);
    await call.setAudioOnly(false, tracks);
    await settled();

    assert.equal(offers().at(-1)?.sdp, `audio:sendrecv video:sendrecv video:${shares ? "sendonly" : "recvonly"}`);
  }
});

test("a new peer takes the screen along", async () => {
  const { call, tracks, clock, offers, answer, open, peer } = setUp();
  await open();
  await answer();
  await call.send({ ...tracks, screen: /** @type {any} */ (track("video")) });
  await answer();
  peer(0).become("connected");

  call.handle({ type: "media.replace", peer: "peer-1" });
  await clock.pass(0);

  assert.equal(offers().at(-1)?.peer, "peer-2");
  assert.equal(offers().at(-1)?.sdp, "audio:sendrecv video:sendrecv video:sendonly");
});
