/** A page's media in a session, with stand-ins for the browser and the service. */

import { Call } from "../../static/lib/media.js";
import { Refusal } from "../../static/lib/refusal.js";
import { FakeClock, FakePeer, FakeStream, settled, track } from "./doubles.js";

/** @param {{random?: () => number}} [chance]  0 to 1; else no wait is longer than it must be */
export function setUp({ random = () => 0 } = {}) {
  const clock = new FakeClock();
  /** @type {FakePeer[]} */
  const made = [];
  /** @type {Record<string, any>[]} */
  const asked = [];
  /** @type {Record<string, any>[]} */
  const told = [];
  const line = { up: true, refuse: /** @type {Refusal | null} */ (null), times: Infinity };
  let ids = 0;
  /** @type {import("../../static/lib/peer.js").Making} */
  const making = {
    signaling: {
      ask: async (type, fields = {}) => {
        asked.push({ type, ...fields });
        if (!line.up) throw new Refusal("lost", { temporary: true });
        if (line.refuse && type === "media.offer" && line.times-- > 0) throw line.refuse;
        return type === "media.prepare" ? { type: "ok", ice_servers: [{ urls: "turn:new" }] } : { type: "ok" };
      },
      tell: (type, fields = {}) => {
        told.push({ type, ...fields });
        return line.up;
      },
    },
    makePeer: (config) => {
      const peer = new FakePeer(config);
      made.push(peer);
      return /** @type {any} */ (peer);
    },
    newId: () => `peer-${(ids += 1)}`,
    clock,
    random,
  };
  const call = new Call({ ...making, makeStream: () => /** @type {any} */ (new FakeStream()) });
  const tracks = /** @type {any} */ ({ audio: track("audio"), video: track("video") });
  const offers = () => asked.filter(({ type }) => type === "media.offer");
  const answer = async (/** @type {Record<string, any>} */ more = {}) => {
    const { peer, round } = offers().at(-1) ?? {};
    call.handle({ type: "media.answer", peer, round, sdp: "answer", tracks: [], ...more });
    await settled();
  };
  const open = async (audioOnly = false) => {
    await call.open({ iceServers: [], tracks: audioOnly ? { ...tracks, video: null } : tracks, audioOnly });
    await settled();
  };
  /** @param {number} index */
  const peer = (index) => /** @type {FakePeer} */ (made[index]);
  return { clock, making, made, peer, asked, told, line, call, tracks, offers, answer, open };
}
