// What of an offer goes to the server: all that it reads, and little else.
import assert from "node:assert/strict";
import { test } from "node:test";

import { brief } from "../../static/lib/brief.js";

const SESSION = ["v=0", "o=- 1 2 IN IP4 127.0.0.1", "s=-", "t=0 0", "a=group:BUNDLE 0 1", "a=extmap-allow-mixed", "a=msid-semantic: WMS"];
const READ = {
  audio: [
    "m=audio 9 UDP/TLS/RTP/SAVPF 111 63 9",
    "c=IN IP4 0.0.0.0",
    "a=ice-ufrag:abcd",
    "a=ice-pwd:0123456789012345678901",
    "a=fingerprint:sha-256 A5:A5",
    "a=setup:actpass",
    "a=mid:0",
    "a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level",
    "a=extmap:4/recvonly urn:ietf:params:rtp-hdrext:sdes:mid",
    "a=sendrecv",
    "a=rtcp-mux",
    "a=rtpmap:111 opus/48000/2",
    "a=rtcp-fb:111 transport-cc",
    "a=fmtp:111 minptime=10;useinbandfec=1",
    "a=ssrc:1001 cname:me",
  ],
  video: [
    "m=video 9 UDP/TLS/RTP/SAVPF 96 97 102 103 104 45",
    "a=bundle-only",
    "a=mid:1",
    "a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
    "a=recvonly",
    "a=rtpmap:96 VP8/90000",
    "a=rtpmap:97 rtx/90000",
    "a=fmtp:97 apt=96",
    "a=rtpmap:102 H264/90000",
    "a=fmtp:102 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f",
    "a=ssrc-group:FID 5 6",
    "a=ssrc:5 cname:me",
    "a=candidate:1 1 udp 1 192.0.2.1 9 typ host",
  ],
};
const UNREAD = [
  "a=rtcp:9 IN IP4 0.0.0.0",
  "a=ice-options:trickle",
  "a=extmap:10 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
  "a=msid:stream one",
  "a=rtcp-rsize",
  "a=rtpmap:63 red/48000/2",
  "a=fmtp:63 111/111",
  "a=rtpmap:104 H264/90000",
  "a=fmtp:104 packetization-mode=0",
  "a=rtpmap:103 rtx/90000",
  "a=fmtp:103 apt=104",
  "a=rtcp-fb:96 nack pli",
  "a=rtcp-fb:45 transport-cc",
  "a=rtpmap:45 AV1/90000",
  "a=ssrc:5 msid:stream one",
];
const text = (/** @type {string[][]} */ ...sections) => sections.flat().map((line) => `${line}\r\n`).join("");

test("what the server reads is left as it is, in its order", () => {
  const sdp = text(SESSION, READ.audio, READ.video);
  assert.equal(brief(sdp), sdp);
});

test("what it does not read is left out, of each line by itself", () => {
  assert.equal(brief(text(SESSION, READ.audio, UNREAD, READ.video, UNREAD)), text(SESSION, READ.audio, READ.video));
});

test("lines that are neither sound nor picture are not touched", () => {
  const other = ["m=application 9 UDP/DTLS/SCTP webrtc-datachannel", "a=mid:2", "a=sctp-port:5000", "a=ice-options:trickle"];
  assert.equal(brief(text(SESSION, READ.audio, other)), text(SESSION, READ.audio, other));
});
