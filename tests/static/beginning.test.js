/** A picture begins at once and small, and is whole as soon as it fits. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { brisk } from "../../static/lib/beginning.js";
import { setUp } from "./call.js";

const ANSWER = [
  "v=0",
  "m=audio 9 UDP/TLS/RTP/SAVPF 111",
  "a=rtpmap:111 opus/48000/2",
  "a=fmtp:111 useinbandfec=1",
  "m=video 9 UDP/TLS/RTP/SAVPF 96 97 102",
  "a=rtpmap:96 VP8/90000",
  "a=rtpmap:97 rtx/90000",
  "a=fmtp:97 apt=96",
  "a=rtpmap:102 H264/90000",
  "a=fmtp:102 packetization-mode=1",
  "",
].join("\r\n");

test("what pictures begin with is said of every codec for them, and of nothing else", () => {
  const lines = brisk(ANSWER).split("\r\n");

  assert.deepEqual(
    lines.filter((line) => line.startsWith("a=fmtp:")),
    [
      "a=fmtp:111 useinbandfec=1",
      "a=fmtp:96 x-google-start-bitrate=600",
      "a=fmtp:97 apt=96",
      "a=fmtp:102 packetization-mode=1;x-google-start-bitrate=600",
    ],
  );
  assert.deepEqual(lines.filter((line) => !line.startsWith("a=fmtp:")), ANSWER.split("\r\n").filter((line) => !line.startsWith("a=fmtp:")));
});

test("said twice it is there once", () => {
  assert.equal(brisk(brisk(ANSWER)), brisk(ANSWER));
});

const scale = (/** @type {any} */ peer) => peer.lines.find((/** @type {any} */ { kind }) => kind === "video").sender.getParameters().encodings[0].scaleResolutionDownBy;
/** @param {number} [rate] */
const fits = (rate) => [{ type: "candidate-pair", nominated: true, ...(rate === undefined ? {} : { availableOutgoingBitrate: rate }) }];

test("a camera's picture grows when the network is known to carry it, and not before", async () => {
  const { clock, open, answer, peer } = setUp();
  await open();
  await answer();
  peer(0).stats = fits(500_000);

  await clock.pass(30_000);
  assert.equal(scale(peer(0)), 2);
  peer(0).stats = fits(1_000_000);
  await clock.pass(1_000);

  assert.equal(scale(peer(0)), 1);
});

test("where the browser does not say what fits, it grows after a while", async () => {
  const { clock, open, answer, peer } = setUp();
  await open();
  await answer();
  peer(0).stats = fits();

  await clock.pass(2_000);
  assert.equal(scale(peer(0)), 2);
  await clock.pass(1_000);

  assert.equal(scale(peer(0)), 1);
});

test("nothing is asked of a connection that is closed", async () => {
  const { clock, call, open, answer, peer } = setUp();
  await open();
  await answer();
  let asked = 0;
  peer(0).getStats = async () => {
    asked += 1;
    return new Map();
  };

  call.close();
  await clock.pass(10_000);

  assert.equal(asked, 0);
});
