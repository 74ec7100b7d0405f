/**
 * Media straight from this browser to the other one's: of two people alone, whose practice wants it so.
 *
 * The provider's browser offers and the client's answers; the server passes their words on and sees no media. Whatever
 * goes wrong is `failed`: then both go through the server instead.
 */

import { brisk } from "./beginning.js";
import { Emitter } from "./emitter.js";

/** @typedef {import("./peer.js").Making} Making */
/** @typedef {import("./peer.js").Tracks} Tracks */
/** @typedef {import("./media.js").CallState} CallState */
/** @typedef {import("./types.js").Message} Message */
/** @typedef {"failed" | "no_direct"} Failure */

/** ms until two browsers that found no way to each other go through the server. */
const CONNECT = 6_000;
/** ms that a connection may be doubtful; it may heal, but the server's way is there in less. */
const PATIENCE = 3_000;
/** ms for a black picture to reach the other side, before nothing more is sent: some browsers go on with the last one. */
const BLACK = 250;

/** @extends {Emitter<{state: CallState, stream: MediaStream | null, failed: Failure}>} */
export class Direct extends Emitter {
  /** @type {CallState} */
  state = "connecting";
  /** What comes from the other one. @type {MediaStream | null} */
  stream = null;

  #needs;
  #offers;
  /** @type {RTCPeerConnection | null} */
  #pc = null;
  #id = "";
  #round = 0;
  /** @type {Tracks} */
  #tracks;
  #audioOnly;
  #iceServers;
  /** The one that works, until `#pc` does. @type {RTCPeerConnection | null} */
  #before = null;
  /** Candidates that came before the description they belong to. @type {RTCIceCandidateInit[]} */
  #early = [];
  /** Candidates of ours, until our description is on its way. @type {RTCIceCandidateInit[] | null} */
  #waiting = [];
  #told = "";
  #closed = false;
  /** @type {() => void} */
  #callOff = () => {};
  /** @type {() => void} */
  #callOffBlack = () => {};

  /**
   * @param {Making & {makeStream: () => MediaStream}} needs
   * @param {{offers: boolean, iceServers: RTCIceServer[], tracks: Tracks, audioOnly: boolean}} how  `offers`: as the provider's browser does
   */
  constructor(needs, { offers, iceServers, tracks, audioOnly }) {
    super();
    this.#needs = needs;
    this.#offers = offers;
    this.#iceServers = iceServers;
    this.#tracks = tracks;
    this.#audioOnly = audioOnly;
    this.#expect();
    if (offers) void this.#offer();
  }

  get peers() {
    return this.#pc ? [this.#pc] : [];
  }

  /** The other one is there again, on a page that knows nothing of what was: begin anew with it. */
  again() {
    if (this.#closed || !this.#offers) return;
    this.#expect();
    void this.#offer();
  }

  /** The WebSocket is back: what it dropped is lost, and what the server knew of us may be. */
  resume() {
    this.#told = "";
    this.#tell();
    if (this.state === "connecting") this.again();
  }

  /** @param {Message} message */
  handle(message) {
    if (this.#closed) return;
    if (message.type === "media.offer" && !this.#offers) void this.#answer(message);
    if (message.peer !== this.#id) return;
    if (message.type === "media.answer" && this.#offers) void this.#answered(message);
    if (message.type === "media.candidates") void this.#add(message.candidates ?? []);
  }

  /** Send other tracks on the lines there are. @param {Tracks} tracks */
  async send(tracks) {
    this.#tracks = tracks;
    this.#callOffBlack();
    await Promise.all(this.#lines().map(({ kind, sender }) => (sender.track === this.#wanted(kind) ? undefined : sender.replaceTrack(this.#wanted(kind)))));
    this.#tell();
  }

  /** No line is taken away: nothing is sent on it. @param {boolean} audioOnly @param {Tracks} tracks */
  async setAudioOnly(audioOnly, tracks) {
    this.#audioOnly = audioOnly;
    const picture = this.#lines().find(({ kind }) => kind === "video")?.sender.track;
    if (!audioOnly || !picture) return this.send(tracks);
    picture.enabled = false;
    this.#callOffBlack();
    this.#callOffBlack = this.#needs.clock.after(BLACK, () => void this.send(tracks));
    this.#tell();
  }

  close() {
    this.#closed = true;
    this.#callOff();
    this.#callOffBlack();
    this.#let(this.#pc);
    this.#let(this.#before);
    this.#pc = this.#before = this.stream = null;
  }

  async #offer() {
    const pc = this.#make(this.#needs.newId());
    for (const kind of /** @type {const} */ (["audio", "video"])) pc.addTransceiver(this.#wanted(kind) ?? kind, { direction: "sendrecv" });
    await this.#attempt(pc, async () => {
      await pc.setLocalDescription(await pc.createOffer());
      await this.#say(pc, "media.offer", { audio_only: this.#audioOnly, direct: true });
    });
  }

  /** @param {Message} offer */
  async #answer({ peer, round, sdp }) {
    const pc = this.#make(peer);
    this.#round = round;
    await this.#attempt(pc, async () => {
      await pc.setRemoteDescription({ type: "offer", sdp: brisk(sdp) });
      for (const transceiver of pc.getTransceivers()) {
        transceiver.direction = "sendrecv";
        await transceiver.sender.replaceTrack(this.#wanted(transceiver.receiver.track.kind));
      }
      await pc.setLocalDescription(await pc.createAnswer());
      await this.#say(pc, "media.answer");
      await this.#add(this.#early.splice(0));
    });
  }

  /** @param {Message} answer */
  async #answered({ round, sdp }) {
    const pc = this.#pc;
    if (!pc || round !== this.#round || pc.signalingState !== "have-local-offer") return;
    await this.#attempt(pc, async () => {
      await pc.setRemoteDescription({ type: "answer", sdp: brisk(sdp) });
      await this.#add(this.#early.splice(0));
    });
  }

  /** @param {RTCPeerConnection} pc @param {() => Promise<void>} step */
  async #attempt(pc, step) {
    try {
      await step();
    } catch {
      if (pc === this.#pc) this.#fail("no_direct");
    }
  }

  /** @param {RTCIceCandidateInit[]} candidates */
  async #add(candidates) {
    const pc = this.#pc;
    if (!pc?.remoteDescription) this.#early.push(...candidates);
    else for (const candidate of candidates) await pc.addIceCandidate(candidate).catch(() => {}); // one that is no good is one less
  }

  /** A connection of that name takes the place of the one there was. @param {string} id */
  #make(id) {
    if (this.#pc === null || this.#pc.connectionState === "connected") this.#before = this.#pc;
    else this.#let(this.#pc);
    const pc = this.#needs.makePeer({ iceServers: this.#iceServers, bundlePolicy: "max-bundle" });
    const stream = this.#needs.makeStream();
    this.#pc = pc;
    this.#id = id;
    this.#round = 1;
    this.#early = [];
    this.#waiting = [];
    this.#told = "";
    pc.ontrack = ({ track }) => stream.addTrack(track);
    pc.onicecandidate = ({ candidate }) => {
      if (pc !== this.#pc || !candidate?.candidate) return;
      if (this.#waiting) this.#waiting.push(candidate.toJSON());
      else this.#trickle([candidate.toJSON()]);
    };
    pc.onconnectionstatechange = () => {
      if (pc !== this.#pc) return;
      this.#tell();
      if (pc.connectionState === "connected") this.#arrived(stream);
      else if (pc.connectionState === "failed" || pc.connectionState === "closed") this.#fail("failed");
      else if (pc.connectionState === "disconnected") this.#doubt();
    };
    return pc;
  }

  /** @param {MediaStream} stream */
  #arrived(stream) {
    this.#callOff();
    this.#let(this.#before);
    this.#before = null;
    if (this.stream !== stream) {
      this.stream = stream;
      this.emit("stream", stream);
    }
    this.#become("connected");
  }

  #doubt() {
    this.#become("reconnecting");
    this.#callOff();
    this.#callOff = this.#needs.clock.after(PATIENCE, () => this.#fail("failed"));
  }

  #expect() {
    this.#callOff();
    this.#callOff = this.#needs.clock.after(CONNECT, () => this.#fail("failed"));
  }

  /** @param {Failure} why */
  #fail(why) {
    this.#callOff();
    if (!this.#closed) this.emit("failed", why);
  }

  /** What the server counts minutes by, where it sees nothing itself. */
  #tell() {
    if (this.#closed || !this.#pc) return;
    const up = this.#pc.connectionState === "connected";
    const flow = { up, video: up && this.#wanted("video") !== null };
    const now = JSON.stringify(flow);
    if (now === this.#told || (!up && !this.#told)) return;
    if (this.#needs.signaling.tell("media.flow", flow)) this.#told = now;
  }

  /** @param {string} kind @returns {MediaStreamTrack | null} */
  #wanted(kind) {
    return kind === "audio" ? this.#tracks.audio : this.#audioOnly ? null : this.#tracks.video;
  }

  #lines() {
    return (this.#pc?.getTransceivers() ?? []).map(({ receiver, sender }) => ({ kind: receiver.track.kind, sender }));
  }

  /** Candidates follow their description, and never overtake it. @param {RTCPeerConnection} pc @param {string} type @param {object} [more] */
  async #say(pc, type, more = {}) {
    if (pc !== this.#pc) return;
    const said = this.#needs.signaling.ask(type, { peer: this.#id, round: this.#round, sdp: pc.localDescription?.sdp, ...more });
    const waiting = this.#waiting ?? [];
    this.#waiting = null;
    if (waiting.length) this.#trickle(waiting);
    await said;
  }

  /** @param {RTCIceCandidateInit[]} candidates */
  #trickle(candidates) {
    this.#needs.signaling.tell("media.candidates", { peer: this.#id, round: this.#round, candidates, direct: true });
  }

  /** @param {RTCPeerConnection | null} pc */
  #let(pc) {
    if (!pc) return;
    pc.ontrack = pc.onicecandidate = pc.onconnectionstatechange = null;
    pc.close();
  }

  /** @param {CallState} state */
  #become(state) {
    if (state === this.state) return;
    this.state = state;
    this.emit("state", state);
  }
}
