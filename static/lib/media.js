/** A participant's media in a visit: one peer that works, replaced by a better one before it is let go. */

import { Emitter } from "./emitter.js";
import { Peer } from "./peer.js";

/** @typedef {import("./peer.js").Tracks} Tracks */
/** @typedef {import("./types.js").RemoteTrack} RemoteTrack */
/** @typedef {import("./types.js").Message} Message */
/** @typedef {"idle" | "connecting" | "connected" | "reconnecting" | "failing"} CallState  `failing`: still trying, but offer another way */
/** @typedef {{participant: string, source: "camera" | "screen", stream: MediaStream}} Remote  `participant` is "" on a line nobody owns yet */

/** ms a transport may be `disconnected` before a new peer is made, and may take to connect once it is answered. */
const PATIENCE = 1_000;
const CONNECT = 12_000;
/** ms in which one hint that the network is another is enough: it comes in several ways, and more than once. */
const SAME_MOVE = 3_000;
/** ms between one new peer and the next. */
const DELAYS = [0, 1_000, 2_000, 4_000, 8_000];
/** Failures in a row after which the practice's other way is shown. */
const FAILING = 3;

/** @extends {Emitter<{state: CallState, remotes: Remote[]}>} */
export class Call extends Emitter {
  /** @type {CallState} */
  state = "idle";
  /** @type {Remote[]} */
  remotes = [];

  #making;
  #signaling;
  #makeStream;
  #clock;
  #random;
  /** @type {Peer | null} */
  #peer = null;
  /** @type {Peer | null} */
  #next = null;
  /** @type {Tracks} */
  #tracks = { audio: null, video: null };
  #audioOnly = false;
  /** @type {RTCIceServer[]} */
  #iceServers = [];
  /** @type {{audio?: number, video?: number} | null} */
  #receive = null;
  #failures = 0;
  /** Peers whose failure was counted: each has several ways to fail, and fails once. @type {WeakSet<Peer>} */
  #given = new WeakSet();
  /** The present peer will not do, though it may still be connected. */
  #outdated = false;
  /** The peer that was connected beforehand, until the server has answered that it is the visit's. @type {Peer | null} */
  #warm = null;
  #movedAt = -Infinity;
  #generation = 0;
  /** @type {() => void} */
  #callOffPatience = () => {};
  /** @type {() => void} */
  #callOffConnect = () => {};
  /** @type {() => void} */
  #callOffRetry = () => {};

  /**
   * @param {import("./peer.js").Making & {makeStream: () => MediaStream}} needs
   */
  constructor({ makeStream, ...making }) {
    super();
    this.#making = making;
    this.#signaling = making.signaling;
    this.#makeStream = makeStream;
    this.#clock = making.clock;
    this.#random = making.random;
  }

  /** Every peer connection there is now: one, or two while one takes the other's place. */
  get peers() {
    return [this.#peer, this.#next].flatMap((peer) => (peer ? [peer.pc] : []));
  }

  /** How loud each of the others is now, 0 to 1, by participant. @returns {Map<string, number>} */
  levels() {
    const receivers = this.#peer?.pc.getReceivers?.() ?? [];
    /** @type {Map<string, number>} */
    const levels = new Map();
    for (const { participant, stream } of this.remotes) {
      const [track] = stream.getAudioTracks?.() ?? [];
      const sources = receivers.find((one) => one.track === track)?.getSynchronizationSources?.() ?? [];
      levels.set(participant, Math.max(levels.get(participant) ?? 0, ...sources.map(({ audioLevel }) => audioLevel ?? 0)));
    }
    return levels;
  }

  /**
   * Begin a segment: new peers, new offers.
   * @param {{iceServers: RTCIceServer[] | undefined, tracks: Tracks, audioOnly: boolean, warm?: Peer | null}} how
   *   without `iceServers` they are asked for; `warm` was connected beforehand
   */
  async open({ iceServers, tracks, audioOnly, warm = null }) {
    this.close();
    const generation = this.#generation;
    this.#tracks = tracks;
    this.#audioOnly = audioOnly;
    this.#become("connecting");
    if (warm) {
      this.#iceServers = iceServers ?? [];
      this.#warm = warm;
      const { remotes } = this.#bring(warm);
      remotes.now = this.#sort(warm.pc, [], []);
      void warm.enter(tracks);
      this.#show(remotes.now); // the lines are there, and who is on them is plain where there is one
      return;
    }
    this.#iceServers = iceServers ?? (await this.#prepare());
    if (generation === this.#generation) this.#fresh();
  }

  close() {
    this.#generation += 1;
    this.#callOffPatience();
    this.#callOffConnect();
    this.#callOffRetry();
    this.#peer?.close();
    this.#next?.close();
    this.#peer = this.#next = this.#warm = null;
    this.#outdated = false;
    this.#failures = 0;
    this.#receive = null;
    this.#show([]);
    this.#become("idle");
  }

  /** Send other tracks: another device, or the same ones restarted. @param {Tracks} tracks */
  async send(tracks) {
    this.#tracks = tracks;
    await Promise.all([this.#peer?.send(tracks), this.#next?.send(tracks)]);
  }

  /** @param {boolean} audioOnly @param {Tracks} tracks */
  async setAudioOnly(audioOnly, tracks) {
    this.#audioOnly = audioOnly;
    this.#tracks = tracks;
    await Promise.all([
      this.#peer?.setAudioOnly(audioOnly, tracks.video),
      this.#next?.setAudioOnly(audioOnly, tracks.video),
    ]);
  }

  /** A line carries somebody who was not named. @returns {boolean} */
  get nameless() {
    const live = (/** @type {MediaStreamTrack} */ track) => !track.muted;
    return this.state === "connected" && this.remotes.some(({ participant, stream }) => participant === "" && stream.getTracks().some(live));
  }

  /** Offer once more: the answer names whom the lines carry by now. */
  learn() {
    if (!this.#next) this.#peer?.negotiate();
  }

  /** The network may be another one: a new peer is made beside the present one, which may yet be as good as ever. */
  moved() {
    const now = this.#clock.now();
    if (!this.#peer || now - this.#movedAt < SAME_MOVE) return;
    this.#movedAt = now;
    void this.#renew(true);
  }

  /** The WebSocket is back. Media may have gone on all the while. */
  resume() {
    this.#peer?.resume();
    this.#next?.resume();
  }

  /** @param {Message} message  any message from the server; those of media are used */
  handle(message) {
    const peer = [this.#peer, this.#next].find((one) => one?.id === message.peer);
    if (!peer) return;
    if (message.type === "media.answer") void peer.answer(message);
    else if (message.type === "media.candidates") void peer.candidates(message);
    else if (message.type === "media.replace") {
      // Of a peer that is still to connect, the page itself sees whether it does.
      if (message.reason !== "ice_failed" || peer === this.#peer) void this.#replace(peer);
    }
    else if (message.type === "media.renegotiate") {
      this.#receive = message.receive ?? null;
      peer.receive(message.receive ?? {});
    }
  }

  /** Make a new peer beside the present one. @param {Peer} peer  the one to be replaced */
  async #replace(peer) {
    this.#outdated = true;
    if (peer === this.#next) this.#dropNext();
    await this.#renew();
  }

  /** Make a new peer, unless one is on its way or the present one does. @param {boolean} [anyway]  even if it does */
  async #renew(anyway = false) {
    const generation = this.#generation;
    const needed = () => generation === this.#generation && !this.#next && (anyway || this.#outdated || !this.#connected);
    if (!needed()) return;
    this.#iceServers = await this.#prepare();
    if (needed()) this.#fresh();
  }

  get #connected() {
    return this.#peer?.pc.connectionState === "connected";
  }

  /** Credentials live minutes; without an answer the old ones are tried. @returns {Promise<RTCIceServer[]>} */
  async #prepare() {
    try {
      return (await this.#signaling.ask("media.prepare", { purpose: "visit" })).ice_servers ?? [];
    } catch {
      return this.#iceServers;
    }
  }

  #fresh() {
    const peer = Peer.make(this.#making, { iceServers: this.#iceServers, tracks: this.#tracks, audioOnly: this.#audioOnly });
    this.#bring(peer);
    if (this.#receive) peer.receive(this.#receive);
    else peer.negotiate();
  }

  /** Let a peer be the present one, or the next. @param {Peer} peer */
  #bring(peer) {
    const { pc } = peer;
    if (this.#peer) this.#next = peer;
    else this.#peer = peer;
    const current = () => peer === this.#peer || peer === this.#next;
    /** @type {{now: Remote[]}} */
    const remotes = { now: [] };
    peer.on("answered", (tracks) => {
      remotes.now = this.#sort(pc, tracks, remotes.now);
      if (peer === this.#peer) this.#show(remotes.now);
      if (!current()) return;
      if (peer === this.#warm) this.#warm = null;
      if (pc.connectionState !== "connected") this.#expect(peer);
      else if (peer === this.#peer) this.#arrived(peer, remotes.now);
    });
    peer.on("state", (state) => {
      if (!current()) return;
      if (state === "connected") this.#arrived(peer, remotes.now);
      else if (state === "failed" || state === "closed") this.#failed(peer); // not closed by us: those are let go
      else if (state === "disconnected" && peer === this.#peer) this.#doubt(peer);
    });
    peer.on("failed", () => {
      if (!current()) return;
      this.#outdated = true; // a connected peer that can agree on nothing more is no good either
      this.#failed(peer);
    });
    this.#expect(peer);
    return { remotes };
  }

  /** What was connected beforehand is not where the visit is, or is gone: as if it had never been. */
  #begin() {
    this.#warm?.close();
    this.#peer = this.#warm = null;
    this.#outdated = false;
    this.#fresh();
  }

  /** Let a peer connect in time. Before it is answered another would fare no better. @param {Peer} peer */
  #expect(peer) {
    if (peer === this.#peer && this.#next) return;
    this.#callOffConnect();
    this.#callOffConnect = this.#clock.after(CONNECT, () => {
      if (!peer.unanswered) return this.#failed(peer);
      this.#failures += 1;
      this.#lower();
      this.#expect(peer);
    });
  }

  /** @param {Peer} peer @param {Remote[]} remotes */
  #arrived(peer, remotes) {
    this.#callOffPatience();
    this.#failures = 0;
    this.#given.delete(peer);
    if (peer === this.#next) {
      this.#peer?.close();
      this.#peer = peer;
      this.#next = null;
      this.#outdated = false;
    }
    if (!this.#next) this.#callOffConnect();
    this.#show(remotes);
    this.#become("connected");
  }

  /** Disconnected may heal by itself, for a while. @param {Peer} peer */
  #doubt(peer) {
    this.#lower();
    this.#callOffPatience();
    this.#callOffPatience = this.#clock.after(PATIENCE, () => peer === this.#peer && this.#failed(peer));
  }

  /** @param {Peer} peer */
  #failed(peer) {
    if (peer === this.#warm) return this.#begin();
    if (peer === this.#peer && this.#next) return this.#lower(); // the next one is on its way
    if (this.#given.has(peer)) return;
    this.#given.add(peer);
    const wait = DELAYS[Math.min(this.#failures, DELAYS.length - 1)] ?? 0;
    this.#failures += 1;
    this.#callOffPatience();
    this.#callOffConnect();
    if (peer === this.#next) this.#dropNext();
    this.#lower();
    this.#callOffRetry();
    this.#callOffRetry = this.#clock.after(wait * (1 + this.#random() / 2), () => void this.#renew());
  }

  #dropNext() {
    this.#callOffConnect();
    this.#next?.close();
    this.#next = null;
  }

  /** Say how bad it is, if it is. */
  #lower() {
    if (!this.#connected) this.#become(this.#failures >= FAILING ? "failing" : "reconnecting");
  }

  /**
   * Whose each line is. A line nobody owns yet is kept: the other party comes on it without a new offer.
   * @param {RTCPeerConnection} pc
   * @param {RemoteTrack[]} tracks
   * @param {Remote[]} before  its streams are reused, so that a picture does not blink
   * @returns {Remote[]}
   */
  #sort(pc, tracks, before) {
    const owners = new Set(tracks.filter(({ source }) => source !== "screen").map(({ participant }) => participant));
    const likely = owners.size === 1 ? [...owners][0] : undefined; // of two people, the other one
    /** @type {Map<string, Remote>} */
    const after = new Map();
    for (const { mid, receiver, direction } of pc.getTransceivers()) {
      if (mid === null || !direction.includes("recv")) continue;
      const { participant = likely ?? "", source } = tracks.find((track) => track.mid === mid) ?? {};
      const shown = source === "screen" ? "screen" : "camera";
      const key = `${participant}/${shown}`;
      const used = [...after.values()].map(({ stream }) => stream);
      const stream =
        after.get(key)?.stream ??
        before.find((one) => one.stream.getTracks().includes(receiver.track) && !used.includes(one.stream))?.stream ??
        this.#makeStream();
      for (const one of used) if (one !== stream) one.removeTrack(receiver.track);
      if (!stream.getTracks().includes(receiver.track)) stream.addTrack(receiver.track);
      after.set(key, { participant, source: shown, stream });
    }
    return [...after.values()];
  }

  /** @param {Remote[]} remotes */
  #show(remotes) {
    this.remotes = remotes;
    this.emit("remotes", remotes);
  }

  /** @param {CallState} state */
  #become(state) {
    if (state === this.state) return;
    this.state = state;
    this.emit("state", state);
  }
}
