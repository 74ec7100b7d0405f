/** What this participant sends: the open devices, what is switched on, and whether it is audio only. */

import { audioReason, openDevices, outcomeOf } from "./devices.js";
import { Emitter } from "./emitter.js";

/** @typedef {import("./devices.js").Outcome} Outcome */
/** @typedef {"no_camera" | "camera_failed" | "bandwidth" | "declined" | "policy"} AudioReason */

/**
 * `change` is anything to show; `tracks` that what is sent must be replaced.
 * @extends {Emitter<{change: null, tracks: null}>}
 */
export class Self extends Emitter {
  microphone = true;
  camera = true;
  audioOnly = false;
  /** @type {AudioReason} */
  reason = "declined";
  /** @type {{camera: Outcome, microphone: Outcome}} */
  outcome = { camera: "off", microphone: "off" };
  /** A device went away or was taken by a telephone call: it can be restarted. */
  interrupted = false;
  /** @type {Promise<void> | null} */
  #opening = null;

  /** @type {{audio: MediaStreamTrack | null, video: MediaStreamTrack | null}} */
  #tracks = { audio: null, video: null };
  /** @type {MediaStreamTrack | null} */
  #screen = null;
  /** The screen could not be shared, and not because somebody changed their mind. */
  screenFailed = false;
  #media;
  #permission;
  /** @type {{microphoneId?: string, cameraId?: string}} */
  #chosen = {};

  /**
   * @param {Object} needs
   * @param {MediaDevices | undefined} needs.media
   * @param {(name: "camera" | "microphone") => Promise<string>} needs.permission
   */
  constructor({ media, permission }) {
    super();
    this.#media = media;
    this.#permission = permission;
    media?.addEventListener?.("devicechange", () => this.emit("change", null));
  }

  /** What to send now. */
  get tracks() {
    return { audio: this.#tracks.audio, video: this.audioOnly ? null : this.#tracks.video, screen: this.#screen };
  }

  get ready() {
    return this.#tracks.audio !== null || this.#tracks.video !== null;
  }

  get opening() {
    return this.#opening !== null;
  }

  get devices() {
    return { camera: this.#tracks.video !== null, microphone: this.#tracks.audio !== null };
  }

  /** The state told to the others. */
  get told() {
    return {
      microphone: this.microphone && this.#tracks.audio !== null,
      camera: this.camera && !this.audioOnly && this.#tracks.video !== null,
      screen: this.sharing,
    };
  }

  /** Telephones cannot. */
  get canShare() {
    return typeof this.#media?.getDisplayMedia === "function";
  }

  get sharing() {
    return this.#screen !== null;
  }

  /** Ask which screen or window, and show it to the others: also with audio only, since it is no camera. */
  async share() {
    this.screenFailed = false;
    /** @type {MediaStream | undefined} */
    let stream;
    try {
      stream = await this.#media?.getDisplayMedia({ video: { frameRate: { max: 15 } }, audio: false });
    } catch (error) {
      this.screenFailed = outcomeOf(error) !== "blocked"; // "no" is an answer
    }
    const [screen] = stream?.getVideoTracks() ?? [];
    if (screen) {
      screen.contentHint = "detail";
      screen.onended = () => this.unshare(); // the browser has a button of its own
      this.#present(screen);
    } else this.emit("change", null);
  }

  unshare() {
    if (this.#screen) this.#present(null);
  }

  /** @param {MediaStreamTrack | null} screen */
  #present(screen) {
    const before = this.#screen;
    this.#screen = screen;
    if (before) before.onended = null;
    before?.stop();
    this.emit("tracks", null);
    this.emit("change", null);
  }

  /** Ask for the devices, or open them again. One question at a time. @param {{video?: boolean}} [options] */
  open({ video = !this.audioOnly } = {}) {
    this.#opening ??= this.#open(video).finally(() => {
      this.#opening = null;
      this.emit("tracks", null);
      this.emit("change", null);
    });
    this.emit("change", null);
    return this.#opening;
  }

  /** @param {boolean} video */
  async #open(video) {
    const wanted = { audio: true, video, ...this.#chosen };
    let got = await openDevices(this.#media, wanted, this.#permission);
    if (video && got.camera === "busy" && this.#tracks.video) {
      got.audio?.stop();
      this.#tracks.video.stop(); // telephones open one camera at a time
      got = await openDevices(this.#media, wanted, this.#permission);
    }
    this.#swap(got.audio, video ? got.video : null);
    this.outcome = { microphone: got.microphone, camera: video ? got.camera : this.outcome.camera };
    if (video && !got.video && got.audio) this.setAudioOnly(true, audioReason(got.camera));
    else if (video && got.video) this.setAudioOnly(false);
    this.interrupted = false;
  }

  /** @param {boolean} on */
  setMicrophone(on) {
    this.microphone = on;
    this.#apply();
  }

  /** @param {boolean} on  off is a black picture, not audio only */
  setCamera(on) {
    this.camera = on;
    this.#apply();
  }

  /** @param {boolean} audioOnly @param {AudioReason} [reason] */
  setAudioOnly(audioOnly, reason = "declined") {
    this.audioOnly = audioOnly;
    this.reason = reason;
    this.#apply();
  }

  /** Let the camera go, light and all: after the others no longer get it. */
  releaseCamera() {
    if (!this.audioOnly) return;
    this.#swap(this.#tracks.audio, null);
    this.emit("change", null);
  }

  /** @param {{microphoneId?: string, cameraId?: string}} chosen */
  async choose(chosen) {
    this.#chosen = { ...this.#chosen, ...chosen };
    await this.open();
  }

  /** The id in use. @param {"audio" | "video"} kind */
  using(kind) {
    return this.#tracks[kind]?.getSettings?.().deviceId ?? "";
  }

  /** @returns {Promise<MediaDeviceInfo[]>} cameras and microphones; nameless before they were allowed */
  async list() {
    const all = (await this.#media?.enumerateDevices?.().catch(() => [])) ?? [];
    return all.filter(({ deviceId }) => deviceId !== "");
  }

  close() {
    this.unshare();
    this.#swap(null, null);
    this.emit("change", null);
  }

  /** @param {MediaStreamTrack | null} audio @param {MediaStreamTrack | null} video */
  #swap(audio, video) {
    const before = this.#tracks;
    this.#tracks = { audio, video };
    for (const track of [before.audio, before.video]) {
      if (!track || track === audio || track === video) continue;
      track.onended = track.onmute = track.onunmute = null;
      track.stop();
    }
    for (const track of [audio, video]) {
      if (!track) continue;
      // `ended`: unplugged or taken back; `mute`: a telephone call has it. Neither always heals by itself.
      track.onended = track.onmute = () => this.#interrupt(true);
      track.onunmute = () => this.#interrupt(false);
    }
    this.#apply();
  }

  /** @param {boolean} interrupted */
  #interrupt(interrupted) {
    this.interrupted = interrupted;
    this.emit("change", null);
  }

  #apply() {
    if (this.#tracks.audio) this.#tracks.audio.enabled = this.microphone;
    if (this.#tracks.video) this.#tracks.video.enabled = this.camera && !this.audioOnly;
    this.emit("change", null);
  }
}
