/** Media negotiate one offer at a time, outlive the WebSocket, and are replaced before they are let go. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { Refusal } from "../../static/lib/refusal.js";
import { setUp } from "./call.js";
import { settled, track } from "./doubles.js";

test("a session opens with one audio and one video line to send and receive", async () => {
  const { call, offers, open, peer } = setUp();

  await open();

  assert.equal(call.state, "connecting");
  assert.deepEqual(peer(0).config.iceServers, []);
  assert.deepEqual(offers(), [
    { type: "media.offer", peer: "peer-1", round: 1, sdp: "audio:sendrecv video:sendrecv", audio_only: false, purpose: "visit" },
  ]);
});

test("audio only has no video line", async () => {
  const { offers, open } = setUp();

  await open(true);

  assert.equal(offers()[0]?.sdp, "audio:sendrecv");
  assert.equal(offers()[0]?.audio_only, true);
});

test("without servers they are asked for first", async () => {
  const { call, asked, tracks, peer } = setUp();

  await call.open({ iceServers: undefined, tracks, audioOnly: false });

  assert.equal(asked[0]?.type, "media.prepare");
  assert.deepEqual(peer(0).config.iceServers, [{ urls: "turn:new" }]);
});

test("candidates follow their offer, gathered into few messages, the last one done", async () => {
  const { clock, told, peer, call, tracks } = setUp();
  await call.open({ iceServers: [], tracks, audioOnly: false });
  peer(0).gather("candidate:1");
  peer(0).gather("");
  await settled();
  peer(0).gather("candidate:2");
  peer(0).gather(null);
  await clock.pass(50);

  const messages = told.filter(({ type }) => type === "media.candidates");
  assert.deepEqual(messages.flatMap(({ candidates }) => candidates.map((/** @type {any} */ one) => one.candidate)), ["candidate:1", "candidate:2"]);
  assert.deepEqual(messages.at(-1)?.candidates[0], { candidate: "candidate:2", sdpMid: "0", sdpMLineIndex: 0 });
  assert.equal(messages.at(-1)?.done, true);
});

test("candidates of a later round wait for its offer too", async () => {
  const { clock, call, tracks, told, open, answer, peer } = setUp();
  await open(true);
  await answer();
  let release = () => {};
  peer(0).gate = new Promise((resolve) => (release = () => resolve()));

  await call.setAudioOnly(false, tracks);
  peer(0).gather("candidate:3");
  await clock.pass(100);
  assert.deepEqual(told, []);
  release();
  await clock.pass(100);

  assert.deepEqual(told.map(({ type, round }) => [type, round]), [["media.candidates", 2]]);
});

test("one offer at a time: what changes meanwhile waits for the answer", async () => {
  const { call, offers, answer, open, tracks } = setUp();
  await open(true);

  void call.setAudioOnly(false, tracks);
  await settled();
  assert.equal(offers().length, 1);
  await answer();

  assert.deepEqual(offers().map(({ round, sdp, audio_only }) => [round, sdp, audio_only]), [
    [1, "audio:sendrecv", true],
    [2, "audio:sendrecv video:sendrecv", false],
  ]);
});

test("an answer to an older round changes nothing", async () => {
  const { call, answer, open, peer, offers, tracks } = setUp();
  await open(true);
  await answer();
  await call.setAudioOnly(false, tracks);
  await settled();

  await answer({ round: 1 });
  assert.equal(peer(0).signalingState, "have-local-offer");
  await answer();

  assert.equal(peer(0).signalingState, "stable");
  assert.equal(offers().length, 2);
});

test("going to audio makes the line inactive and keeps its track; coming back reuses the line", async () => {
  const { call, answer, open, peer, tracks, offers } = setUp();
  await open();
  await answer();

  await call.setAudioOnly(true, { ...tracks, video: null });
  await settled();
  assert.equal(offers().at(-1)?.sdp, "audio:sendrecv video:inactive");
  assert.equal(peer(0).lines[1]?.sender.track, tracks.video, "Firefox would go on sending the last picture");
  await answer();
  const other = /** @type {any} */ (track("video"));
  await call.setAudioOnly(false, { ...tracks, video: other });
  await settled();

  assert.equal(offers().at(-1)?.sdp, "audio:sendrecv video:sendrecv");
  assert.equal(peer(0).lines.length, 2);
  assert.equal(peer(0).lines[1]?.sender.track, other);
});

test("another microphone needs no offer", async () => {
  const { call, answer, open, peer, offers, tracks } = setUp();
  await open();
  await answer();
  const other = /** @type {any} */ (track("audio"));

  await call.send({ ...tracks, audio: other });

  assert.equal(peer(0).lines[0]?.sender.track, other);
  assert.equal(offers().length, 1);
});

test("the other party comes on the first lines, whether or not they were there at the answer", async () => {
  const { call, answer, open, peer } = setUp();
  await open();

  await answer({ tracks: [] });
  assert.deepEqual(call.remotes.map(({ participant }) => participant), [""]);
  const stream = call.remotes[0]?.stream;
  assert.deepEqual(stream?.getTracks(), peer(0).lines.map(({ receiver }) => receiver.track));
});

test("a line without an owner belongs to the only other participant", async () => {
  const { call, answer, open } = setUp();
  await open();

  await answer({ tracks: [{ mid: "0", participant: "prv", kind: "audio", source: "camera" }] });

  assert.equal(call.remotes.length, 1);
  assert.equal(call.remotes[0]?.participant, "prv");
  assert.equal(call.remotes[0]?.stream.getTracks().length, 2);
});

test("whom a nameless line carries is learned by one offer more", async () => {
  const { peer, call, open, answer, offers } = setUp();
  await open();
  await answer({ tracks: [] });
  assert.equal(call.nameless, false, "not before it is connected");
  peer(0).become("connected");
  assert.equal(call.nameless, true);

  call.learn();
  await settled();
  await answer({ tracks: [{ mid: "0", participant: "co", kind: "audio" }, { mid: "1", participant: "co", kind: "video" }] });

  assert.equal(offers().length, 2);
  assert.deepEqual(call.remotes.map(({ participant }) => participant), ["co"]);
  assert.equal(call.nameless, false);
});

test("more lines are offered when the server asks, and sorted by participant", async () => {
  const { call, answer, open, offers, peer } = setUp();
  await open();
  await answer({ tracks: [{ mid: "0", participant: "prv", kind: "audio" }, { mid: "1", participant: "prv", kind: "video" }] });
  const before = call.remotes[0]?.stream;

  call.handle({ type: "media.renegotiate", peer: "peer-1", receive: { audio: 2, video: 2 }, reason: "joined" });
  await settled();
  assert.equal(offers().at(-1)?.sdp, "audio:sendrecv video:sendrecv audio:recvonly video:recvonly");
  const tracks = ["prv", "prv", "ben", "ben"].map((participant, mid) => ({ mid: String(mid), participant, kind: peer(0).lines[mid]?.kind }));
  await answer({ tracks });

  assert.deepEqual(call.remotes.map(({ participant, stream }) => [participant, stream.getTracks().length]), [["prv", 2], ["ben", 2]]);
  assert.equal(call.remotes[0]?.stream, before, "the first picture does not blink");
});

test("a short interruption heals by itself; a long one gets a new peer", async () => {
  const { clock, call, answer, open, peer, made } = setUp();
  await open();
  await answer();
  peer(0).become("connected");

  peer(0).become("disconnected");
  assert.equal(call.state, "reconnecting");
  await clock.pass(900);
  peer(0).become("connected");
  await clock.pass(10_000);
  assert.equal(call.state, "connected");
  assert.equal(made.length, 1);

  peer(0).become("disconnected");
  await clock.pass(1_100);
  assert.equal(made.length, 2);
});

test("media that cannot connect are tried again and again, and after three times another way is offered", async () => {
  const { clock, call, made, peer, open } = setUp();
  await open();
  /** @type {string[]} */
  const states = [];
  call.on("state", (state) => states.push(state));

  for (let index = 0; index < 4; index += 1) {
    peer(index).become("failed");
    await clock.pass(4_000);
  }

  assert.deepEqual(states, ["reconnecting", "failing"]);
  assert.equal(made.length, 5);
});

test("media go on while the WebSocket is away", async () => {
  const { call, line, offers, open, answer, peer } = setUp();
  await open();
  await answer();
  peer(0).become("connected");
  line.up = false;
  line.up = true;

  call.resume();

  assert.equal(offers().length, 1);
  assert.equal(call.state, "connected");
});

test("an offer that is refused for good, or a broken answer, leads to a new peer", async () => {
  for (const way of ["refused", "broken"]) {
    const { clock, line, made, open, answer } = setUp();
    line.refuse = way === "refused" ? new Refusal("bad_sdp") : null;
    await open();
    line.refuse = null;
    if (way === "broken") await answer({ sdp: "broken" });
    await clock.pass(100);

    assert.equal(made.length, 2, way);
  }
});

test("the end closes everything, and nothing comes after it", async () => {
  const { clock, call, made, open, peer } = setUp();
  await open();
  peer(0).become("failed");

  call.close();
  await clock.pass(60_000);

  assert.equal(made.length, 1);
  assert.equal(peer(0).connectionState, "closed");
  assert.deepEqual(call.remotes, []);
  assert.equal(call.state, "idle");
});
