/** One peer connection towards the server. It always offers, one offer at a time, each with a round. */

import { SMALLER, Growing, brisk } from "./beginning.js";
import { brief } from "./brief.js";
import { Emitter } from "./emitter.js";
import { growing } from "./pause.js";
import { codeOf, Refusal } from "./refusal.js";

/** @typedef {import("./types.js").RemoteTrack} RemoteTrack */
/** @typedef {import("./types.js").Message} Message */
/** @typedef {{audio: MediaStreamTrack | null, video: MediaStreamTrack | null, screen?: MediaStreamTrack | null}} Tracks */

/**
 * @typedef {Object} Signaling  what a peer needs of the connection
 * @property {(type: string, fields?: Record<string, unknown>) => Promise<Message>} ask
 * @property {(type: string, fields?: Record<string, unknown>) => boolean} tell
 */

/**
 * @typedef {Object} Making  what peers are made with
 * @property {Signaling} signaling
 * @property {(config: RTCConfiguration) => RTCPeerConnection} makePeer
 * @property {() => string} newId
 * @property {import("./clock.js").Clock} clock
 * @property {() => number} random  0 to 1
 */

/** @typedef {"visit" | "check" | "warm"} Purpose  the latter two are with the server alone */

/** ms an offer may go unanswered until another is made; the server itself refuses what takes it 10 s. */
const ANSWER = 12_000;
/** ms until an offer is repeated that was refused for a while: a visit finds another node within a few seconds. */
const PAUSES = { first: 500, longest: 4_000 };
/** ms in which candidates are gathered into one message. */
const BATCH = 30;

/** On a weak network the picture gives way to the voice. @type {RTCRtpEncodingParameters[]} */
const VOICE = [{ priority: "high", networkPriority: "high" }];
/** @type {RTCRtpEncodingParameters[]} */
const PICTURE = [{ priority: "low", maxBitrate: 1_500_000, scaleResolutionDownBy: SMALLER }];
/** Letters must be sharp; nothing on a screen moves as fast as a face. @type {RTCRtpEncodingParameters[]} */
const SCREEN = [{ priority: "low", maxBitrate: 2_500_000, maxFramerate: 15 }];

/**
 * `state` is the transport's; `answered` comes with the lines of the other participants;
 * `failed` says that this peer will not do, though a new one may.
 * @extends {Emitter<{state: RTCPeerConnectionState, answered: RemoteTrack[], failed: string}>}
 */
export class Peer extends Emitter {
  round = 0;
  audioOnly;
  /** @type {Purpose} */
  purpose;
  id;
  pc;

  #signaling;
  #clock;
  #random;
  #audio;
  /** @type {RTCRtpTransceiver | null} */
  #video = null;
  /** @type {Growing | null} */
  #growing = null;
  /** @type {RTCRtpTransceiver | null} */
  #screen = null;
  /** Asking: an offer awaits its answer, and no other is made. @type {"idle" | "asking" | "paused" | "lost"} */
  #offer = "idle";
  /** What is offered now holds already. */
  #settled = false;
  /** Offers in a row that were refused for a while, or not answered. */
  #tries = 0;
  #again = false;
  #closed = false;
  /** @type {RTCIceCandidateInit[]} */
  #candidates = [];
  #gathered = false;
  #offered = false;
  #flushing = false;
  /** Calls the end of waiting off: for an answer, or until the next try. @type {() => void} */
  #callOff = () => {};

  /**
   * @param {Making} making
   * @param {{iceServers: RTCIceServer[], tracks: Tracks, audioOnly: boolean, purpose?: Purpose}} how
   */
  static make({ makePeer, newId, ...needs }, { iceServers, ...how }) {
    return new Peer({ ...needs, ...how, id: newId(), pc: makePeer({ iceServers, bundlePolicy: "max-bundle" }) });
  }

  /**
   * @param {Object} needs
   * @param {string} needs.id
   * @param {RTCPeerConnection} needs.pc
   * @param {Signaling} needs.signaling
   * @param {import("./clock.js").Clock} needs.clock
   * @param {() => number} needs.random  0 to 1
   * @param {Tracks} needs.tracks
   * @param {boolean} needs.audioOnly
   * @param {Purpose} [needs.purpose]
   */
  constructor({ id, pc, signaling, clock, random, tracks, audioOnly, purpose = "visit" }) {
    super();
    this.id = id;
    this.pc = pc;
    this.audioOnly = audioOnly;
    this.purpose = purpose;
    this.#signaling = signaling;
    this.#clock = clock;
    this.#random = random;
    this.#audio = pc.addTransceiver(tracks.audio ?? "audio", { direction: "sendrecv", sendEncodings: VOICE });
    if (!audioOnly) this.#video = this.#addVideo(tracks.video);
    if (tracks.screen) this.#share(tracks.screen);
    pc.onicecandidate = ({ candidate }) => this.#gather(candidate);
    pc.onconnectionstatechange = () => {
      if (!this.#closed) this.emit("state", pc.connectionState);
    };
  }

  /**
   * Be the visit's from now on: the offer opens the gate, and what is sent meanwhile waits at it. The lines are agreed on
   * already, so it is the same description once more, and its answer changes nothing here: that saves the browser's time.
   * @param {Tracks} tracks
   */
  enter(tracks) {
    this.purpose = "visit";
    const settled = this.#offer === "idle" && this.pc.signalingState === "stable";
    void this.#ask(settled ? this.pc.localDescription?.sdp : undefined);
    return this.send(tracks);
  }

  /** Send other tracks; only a screen that comes or goes needs a new offer. @param {Tracks} tracks */
  async send(tracks) {
    if (tracks.screen !== undefined && this.#share(tracks.screen)) this.negotiate();
    const video = this.#video && this.#video.direction !== "inactive" ? this.#video.sender : null;
    await Promise.all([
      this.#audio.sender.track !== tracks.audio && this.#audio.sender.replaceTrack(tracks.audio),
      video && video.track !== tracks.video && video.replaceTrack(tracks.video),
    ]);
  }

  /**
   * Take the video line away, or put it (back) in. The line is reused: a stopped one breaks the server's side.
   * @param {boolean} audioOnly
   * @param {MediaStreamTrack | null} video
   */
  async setAudioOnly(audioOnly, video) {
    if (audioOnly === this.audioOnly) return;
    this.audioOnly = audioOnly;
    if (audioOnly) {
      // Inactive, never replaceTrack(null): Firefox would go on sending the last picture.
      if (this.#video) this.#video.direction = "inactive";
    } else if (this.#video) {
      this.#video.direction = "sendrecv";
      await this.#video.sender.replaceTrack(video);
    } else {
      this.#video = this.#addVideo(video);
    }
    this.negotiate();
  }

  /** @param {MediaStreamTrack | null} video @param {RTCRtpTransceiverDirection} [direction] */
  #addVideo(video, direction = "sendrecv") {
    return this.pc.addTransceiver(video ?? "video", { direction, sendEncodings: PICTURE });
  }

  /**
   * A screen has a line of its own, which is kept for the next one. The first line for pictures is the camera's, by
   * which the others tell them apart: so it is there, if only at rest.
   * @param {MediaStreamTrack | null} screen
   * @returns {boolean} whether an offer is needed
   */
  #share(screen) {
    const line = this.#screen;
    if ((line && line.direction !== "inactive" ? line.sender.track : null) === screen) return false;
    this.#video ??= this.#addVideo(null, "inactive");
    if (!line) this.#screen = this.pc.addTransceiver(/** @type {MediaStreamTrack} */ (screen), { direction: "sendonly", sendEncodings: SCREEN });
    else {
      line.direction = screen ? "sendonly" : "inactive";
      if (screen) void line.sender.replaceTrack(screen);
    }
    return true;
  }

  /** Have so many lines to receive, then offer. @param {{audio?: number, video?: number}} receive */
  receive({ audio = 0, video = 0 }) {
    if (video > 0) this.#video ??= this.#addVideo(null, "inactive"); // those to come are no cameras of ours
    for (const [kind, wanted] of /** @type {const} */ ([["audio", audio], ["video", video]])) {
      const there = this.pc
        .getTransceivers()
        .filter(({ receiver, direction }) => receiver.track.kind === kind && direction.includes("recv")).length;
      for (let line = there; line < wanted; line += 1) this.pc.addTransceiver(kind, { direction: "recvonly" });
    }
    this.negotiate();
  }

  /** An offer is still to be answered: nothing is to be expected of the transport yet. */
  get unanswered() {
    return this.#offer !== "idle";
  }

  /** Offer, or offer once more after the answer that is awaited. */
  negotiate() {
    if (this.#closed) return;
    if (this.#offer === "idle") void this.#ask();
    else if (this.#offer === "asking") this.#again = true;
    // Else the next offer, which is due, will hold it.
  }

  /** The WebSocket is back: what it dropped is asked again, under a new round. */
  resume() {
    if (this.#closed) return;
    if (this.#offer === "lost" || this.#offer === "paused") {
      this.#tries = 0;
      void this.#ask();
    } else this.#flush();
  }

  /** @param {string} [settled]  the description that holds, to be offered as it is */
  async #ask(settled) {
    this.#offer = "asking";
    this.#settled = settled !== undefined;
    this.#again = false;
    this.#offered = false;
    const round = ++this.round;
    const awaited = () => !this.#closed && round === this.round && this.#offer === "asking";
    this.#callOff();
    this.#callOff = this.#clock.after(ANSWER, () => this.#pause());
    try {
      if (settled === undefined) await this.pc.setLocalDescription(await this.pc.createOffer());
      if (!awaited()) return;
      const answered = this.#signaling.ask("media.offer", {
        peer: this.id,
        round,
        sdp: brief(settled ?? this.pc.localDescription?.sdp ?? ""),
        audio_only: this.audioOnly,
        purpose: this.purpose,
      });
      this.#offered = true; // candidates follow their offer, never overtake it
      this.#flush();
      await answered;
    } catch (error) {
      if (!awaited()) return;
      this.#callOff();
      const code = codeOf(error);
      if (code === "lost" && this.purpose === "visit") this.#withdraw("lost");
      else if (error instanceof Refusal && error.temporary) this.#pause(error.retryAfter);
      else this.#fail(code);
    }
  }

  /** Offer anew after a while: what the visit's media are on is about to change. @param {number} [told]  s, by the server */
  #pause(told) {
    if (this.purpose !== "visit") return this.#fail("unavailable"); // nobody waits for it
    this.#withdraw("paused");
    const wait = told ? told * 1000 * (1 + this.#random() / 2) : growing(this.#tries, this.#random, PAUSES);
    this.#tries += 1;
    this.#callOff = this.#clock.after(wait, () => void this.#ask());
  }

  /** The offer is dead, and so is its round: candidates wait for the next one. @param {"paused" | "lost"} how */
  #withdraw(how) {
    this.#offer = how;
    this.#offered = false;
  }

  /** @param {Message} message  `media.answer`; one to an older round changes nothing */
  async answer({ round, sdp, tracks }) {
    if (this.#closed || round !== this.round) return;
    if (!this.#settled && this.pc.signalingState !== "have-local-offer") return;
    try {
      if (!this.#settled) await this.pc.setRemoteDescription({ type: "answer", sdp: brisk(sdp) });
    } catch {
      if (round === this.round) this.#fail("bad_answer");
      return;
    }
    if (this.#closed || round !== this.round) return; // the next offer was made meanwhile
    this.#callOff();
    this.#offer = "idle";
    this.#offered = true;
    this.#tries = 0;
    if (this.purpose === "visit" && this.#video) this.#growing ??= new Growing(this.#clock, this.pc, this.#video.sender);
    this.emit("answered", tracks ?? []);
    if (this.#again) this.negotiate();
    else this.#flush();
  }

  /** @param {Message} message  `media.candidates`, in direct mode only; those of an older round are good for nothing */
  async candidates({ round, candidates }) {
    if (this.#closed || round !== this.round) return;
    for (const candidate of candidates ?? []) await this.pc.addIceCandidate(candidate).catch(() => {});
  }

  close() {
    this.#closed = true;
    this.#callOff();
    this.#growing?.end();
    this.pc.onicecandidate = this.pc.onconnectionstatechange = null;
    this.pc.close();
  }

  /** @param {string} why */
  #fail(why) {
    this.#callOff();
    if (!this.#closed) this.emit("failed", why);
  }

  /** @param {RTCIceCandidate | null} candidate */
  #gather(candidate) {
    if (!candidate) this.#gathered = true;
    else if (candidate.candidate) this.#candidates.push(candidate.toJSON());
    if (this.#flushing) return;
    this.#flushing = true;
    this.#clock.after(BATCH, () => {
      this.#flushing = false;
      this.#flush();
    });
  }

  #flush() {
    if (this.#closed || !this.#offered || (this.#candidates.length === 0 && !this.#gathered)) return;
    const done = this.#gathered ? { done: true } : {};
    const candidates = this.#candidates.map(({ candidate, sdpMid, sdpMLineIndex }) => ({ candidate, sdpMid, sdpMLineIndex }));
    const told = this.#signaling.tell("media.candidates", { peer: this.id, round: this.round, candidates, ...done });
    if (!told) return;
    this.#candidates = [];
    this.#gathered = false;
  }
}
