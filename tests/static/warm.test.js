/** A connection made while somebody waits: it has no track, nobody hears of its troubles, and Start makes it the session's. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { Refusal } from "../../static/lib/refusal.js";
import { Warm } from "../../static/lib/warm.js";
import { setUp } from "./call.js";
import { settled } from "./doubles.js";

/** A page that waits, and its session to come. */
function waiting(options = {}) {
  const set = setUp(options);
  const warm = new Warm(set.making);
  const answer = async (/** @type {Record<string, any>} */ more = {}) => {
    const { peer, round } = set.offers().at(-1) ?? {};
    for (const one of [warm, set.call]) one.handle({ type: "media.answer", peer, round, sdp: "answer", tracks: [], ...more });
    await settled();
  };
  /** Until it is connected. */
  const ready = async (audioOnly = false) => {
    warm.keep(true, audioOnly);
    await set.clock.pass(0);
    await answer();
    set.made.at(-1)?.become("connected");
  };
  const start = async (audioOnly = false) => {
    const tracks = audioOnly ? { ...set.tracks, video: null } : set.tracks;
    await set.call.open({ iceServers: [{ urls: "turn:started" }], tracks, audioOnly, warm: warm.take(audioOnly) });
    await settled();
  };
  return { ...set, warm, answer, ready, start };
}

/** What every sender of every peer has. @param {{made: import("./doubles.js").FakePeer[]}} set */
const sent = ({ made }) => made.flatMap(({ lines }) => lines.map(({ sender }) => sender.track));

test("while somebody waits there is one, with lines and without a track", async () => {
  const set = waiting();

  await set.ready();

  assert.deepEqual(set.asked.map(({ type, purpose }) => [type, purpose]), [["media.prepare", "warm"], ["media.offer", "warm"]]);
  assert.deepEqual(set.peer(0).config.iceServers, [{ urls: "turn:new" }]);
  assert.equal(set.offers()[0]?.sdp, "audio:sendrecv video:sendrecv");
  assert.deepEqual(sent(set), [null, null]);
});

test("asked for again it stays the same one; with other lines it is another", async () => {
  const set = waiting();
  await set.ready();

  set.warm.keep(true, false);
  await set.clock.pass(60_000);
  assert.equal(set.made.length, 1);
  set.warm.keep(true, true);
  await set.clock.pass(100);

  assert.deepEqual(set.offers().map(({ audio_only, sdp }) => [audio_only, sdp]), [
    [false, "audio:sendrecv video:sendrecv"],
    [true, "audio:sendrecv"],
  ]);
  assert.equal(set.peer(0).connectionState, "closed");
});

test("Start makes it the session's: the same peer in its next round, with the tracks, and without another description", async () => {
  const set = waiting();
  await set.ready();

  await set.start();
  assert.equal(set.made.length, 1);
  assert.deepEqual(set.offers().map(({ peer, round, purpose }) => [peer, round, purpose]), [["peer-1", 1, "warm"], ["peer-1", 2, "visit"]]);
  assert.equal(set.offers()[1]?.sdp, set.offers()[0]?.sdp);
  assert.equal(set.peer(0).signalingState, "stable");
  assert.deepEqual(sent(set), [set.tracks.audio, set.tracks.video], "before the answer");
  assert.equal(set.call.state, "connecting");
  await set.answer({ tracks: [{ mid: "0", participant: "par_1", kind: "audio", source: "camera" }] });

  assert.equal(set.call.state, "connected");
  assert.deepEqual(set.call.peers, [set.peer(0)]);
  assert.deepEqual(set.warm.peers, []);
  assert.deepEqual(set.call.remotes.map(({ participant }) => participant), ["par_1"]);
});

test("the lines are shown at once, and their streams stay when it is said whose they are", async () => {
  const set = waiting();
  await set.ready();
  await set.start();
  const [before] = set.call.remotes;

  await set.answer({ tracks: [{ mid: "0", participant: "par_1", kind: "audio" }, { mid: "1", participant: "par_1", kind: "video" }] });

  assert.equal(before?.participant, "");
  assert.equal(set.call.remotes.length, 1);
  assert.equal(set.call.remotes[0]?.stream, before?.stream);
});

test("after the session's first answer it is a peer like any other: what changes is offered as ever", async () => {
  const set = waiting();
  await set.ready();
  await set.start();
  await set.answer();

  void set.call.setAudioOnly(true, { ...set.tracks, video: null });
  await settled();
  assert.equal(set.peer(0).signalingState, "have-local-offer");
  await set.answer();

  assert.deepEqual(set.offers().map(({ round, sdp }) => [round, sdp]).at(-1), [3, "audio:sendrecv video:inactive"]);
  assert.equal(set.peer(0).signalingState, "stable");
});

test("what changes before the session's first answer is offered after it", async () => {
  const set = waiting();
  await set.ready();
  await set.start();

  void set.call.setAudioOnly(true, { ...set.tracks, video: null });
  await settled();
  assert.equal(set.offers().length, 2, "one at a time");
  await set.answer();

  assert.deepEqual(set.offers().map(({ round }) => round), [1, 2, 3]);
  assert.equal(set.peer(0).signalingState, "have-local-offer");
});

test("one that is not where the session is, is followed at once by another, and it is no trouble", async () => {
  const set = waiting();
  /** @type {string[]} */
  const states = [];
  set.call.on("state", (state) => states.push(state));
  await set.ready();
  Object.assign(set.line, { refuse: new Refusal("not_found"), times: 1 });
  await set.start();
  assert.equal(set.made.length, 2);
  assert.equal(set.peer(0).connectionState, "closed");
  assert.deepEqual(set.peer(1).config.iceServers, [{ urls: "turn:started" }]);

  await set.clock.pass(0);
  set.call.resume();
  await settled();
  await set.answer();
  set.peer(1).become("connected");

  assert.deepEqual(states, ["connecting", "connected"]);
  assert.deepEqual(set.call.peers, [set.peer(1)]);
});

test("once it is the session's, it fails like any other", async () => {
  const set = waiting();
  await set.ready();
  await set.start();
  await set.answer();

  set.peer(0).become("failed");
  assert.equal(set.call.state, "reconnecting");
  await set.clock.pass(100);

  assert.equal(set.made.length, 2);
  assert.equal(set.peer(0).connectionState, "failed", "not let go before the next one is there");
});

for (const trouble of ["is not answered yet", "is not connected", "has other lines"]) {
  test(`one that ${trouble} is not taken: the session begins without it`, async () => {
    const set = waiting();
    if (trouble === "is not answered yet") {
      set.warm.keep(true, false);
      await set.clock.pass(0);
    } else await set.ready();
    if (trouble === "is not connected") set.peer(0).become("disconnected");

    await set.start(trouble === "has other lines");

    assert.equal(set.made.length, 2);
    assert.equal(set.peer(0).connectionState, "closed");
    assert.deepEqual(set.offers().at(-1)?.purpose, "visit");
    assert.equal(set.offers().at(-1)?.round, 1);
  });
}

test("one that fails is made anew by and by, and not sooner", async () => {
  const set = waiting();
  await set.ready();

  set.peer(0).become("failed");
  await set.clock.pass(19_900);
  assert.equal(set.made.length, 1);
  await set.clock.pass(200);

  assert.equal(set.made.length, 2);
});

test("refused, unanswered or lost, it is tried once in a while, and never more often", async () => {
  for (const refusal of [new Refusal("refused"), new Refusal("unavailable", { temporary: true }), new Refusal("lost", { temporary: true }), null]) {
    const set = waiting();
    set.line.refuse = refusal;

    set.warm.keep(true, false);
    await set.clock.pass(100_000);

    assert.ok(set.offers().length >= 3 && set.offers().length <= 6, `${refusal?.code}: ${set.offers().length}`);
    assert.ok(set.made.slice(0, -1).every(({ connectionState }) => connectionState === "closed"));
  }
});

test("it is offered again before the server gives it up, as what it is", async () => {
  const set = waiting();
  await set.ready();

  await set.clock.pass(4 * 60_000 + 100);
  assert.deepEqual(set.offers().map(({ round, purpose }) => [round, purpose]), [[1, "warm"], [2, "warm"]]);
  await set.answer();
  await set.clock.pass(60_000);

  assert.equal(set.made.length, 1);
});

test("who is let in leaves the queue a moment before: it is still there then, and is taken", async () => {
  const set = waiting();
  await set.ready();
  set.warm.keep(false, false);
  await set.clock.pass(500);

  await set.start();

  assert.equal(set.made.length, 1);
});

test("who waits no more has none soon after, and who waits again at once keeps it", async () => {
  const set = waiting();
  await set.ready();
  set.warm.keep(false, false);
  set.warm.keep(true, false);
  await set.clock.pass(10_000);
  assert.equal(set.peer(0).connectionState, "connected");

  set.warm.keep(false, false);
  await set.clock.pass(10_000);

  assert.equal(set.peer(0).connectionState, "closed");
  await set.clock.pass(600_000);
  assert.equal(set.made.length, 1);
});

test("when the WebSocket is back another is made, for the server let go of the first; not by all pages at the same moment", async () => {
  const times = [];
  for (const chance of [0, 0.5, 0.99]) {
    const set = waiting({ random: () => chance });
    await set.ready();
    const begun = set.clock.at;
    set.warm.resume();
    while (set.made.length < 2) await set.clock.pass(10);
    times.push(set.clock.at - begun);
    assert.equal(set.peer(0).connectionState, "closed");
  }
  assert.ok(new Set(times).size === 3 && times.every((time) => time <= 2_100), `${times}`);
});

test("a WebSocket that is back makes none where nobody waits", async () => {
  const set = waiting();

  set.warm.resume();
  await set.clock.pass(60_000);

  assert.equal(set.made.length, 0);
});
