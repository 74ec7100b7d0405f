/** The two ways of a session's media, as one: straight to the other browser where that works, else through the server. */

import { Direct } from "./direct.js";
import { Emitter } from "./emitter.js";
import { Call } from "./media.js";

/** @typedef {import("./peer.js").Making} Making */
/** @typedef {import("./peer.js").Tracks} Tracks */
/** @typedef {import("./media.js").CallState} CallState */
/** @typedef {import("./media.js").Remote} Remote */
/** @typedef {import("./types.js").Message} Message */

/** ms between one look and the next at whether the server's way carries the other one already. */
const LOOK = 50;
/** ms after which the direct way is let go of, whatever the other one does. */
const LONGEST = 10_000;

/** @extends {Emitter<{state: CallState, remotes: Remote[]}>} */
export class Ways extends Emitter {
  /** @type {"relay" | "direct"} */
  path = "relay";

  #call;
  #needs;
  /** @type {Direct | null} */
  #direct = null;
  /** An offer of the other browser that came before this page knew that it was for it. @type {Message | null} */
  #early = null;
  /** How the server's way is to be opened, should it be needed. @type {{tracks: Tracks, audioOnly: boolean} | null} */
  #how = null;
  /** @type {() => void} */
  #callOffLook = () => {};

  /** @param {Making & {makeStream: () => MediaStream}} needs */
  constructor(needs) {
    super();
    this.#needs = needs;
    this.#call = new Call(needs);
    this.#call.on("state", () => this.emit("state", this.state));
    this.#call.on("remotes", () => this.emit("remotes", this.remotes));
  }

  get peers() {
    return [...(this.#direct?.peers ?? []), ...this.#call.peers];
  }

  /** @returns {CallState} */
  get state() {
    const { state } = this.#call;
    return this.#direct && state !== "connected" ? this.#direct.state : state;
  }

  /** @returns {Remote[]} */
  get remotes() {
    const stream = this.#direct?.stream;
    return stream ? [{ participant: "", source: "camera", stream }] : this.#call.remotes;
  }

  levels() {
    return this.#call.levels();
  }

  get nameless() {
    return this.path === "relay" && this.#call.nameless;
  }

  learn() {
    this.#call.learn();
  }

  /**
   * Begin a segment.
   * @param {Parameters<Call["open"]>[0] & {path?: "relay" | "direct", offers?: boolean}} how  `offers`: as a provider's browser does
   */
  async open({ path = "relay", offers = false, ...how }) {
    this.close();
    this.path = path;
    if (path === "relay") return this.#call.open(how);
    how.warm?.close();
    this.#how = { tracks: how.tracks, audioOnly: how.audioOnly };
    const direct = new Direct(this.#needs, { offers, iceServers: how.iceServers ?? [], ...this.#how });
    this.#direct = direct;
    direct.on("state", (state) => this.emit("state", state));
    direct.on("stream", () => this.emit("remotes", this.remotes));
    direct.on("failed", (reason) => this.#askRelay(reason));
    if (this.#early) direct.handle(this.#early);
    this.#early = null;
    this.emit("state", this.state);
  }

  close() {
    this.#callOffLook();
    this.#direct?.close();
    this.#direct = this.#how = null;
    this.path = "relay";
    this.#call.close();
  }

  /** @param {Tracks} tracks */
  async send(tracks) {
    if (this.#how) this.#how.tracks = tracks;
    // A shared screen wants a line of its own, which what is direct has not: it comes with the server's way.
    if (this.path === "direct" && tracks.screen) this.#askRelay("screen");
    await Promise.all([this.#direct?.send(tracks), this.#call.send(tracks)]);
  }

  /** @param {boolean} audioOnly @param {Tracks} tracks */
  async setAudioOnly(audioOnly, tracks) {
    if (this.#how) this.#how = { tracks, audioOnly };
    await Promise.all([this.#direct?.setAudioOnly(audioOnly, tracks), this.#call.setAudioOnly(audioOnly, tracks)]);
  }

  /** The other one came back. */
  again() {
    this.#direct?.again();
  }

  /** The network may be another one. Where only the other browser may offer, a way that is lost is noticed and given up. */
  moved() {
    this.#direct?.again();
    this.#call.moved();
  }

  resume() {
    this.#direct?.resume();
    this.#call.resume();
  }

  /** @param {Message} message */
  handle(message) {
    if (message.type === "media.offer" && !this.#direct) this.#early = message;
    else if (message.type === "visit.path" && message.path !== "direct") void this.#fallBack();
    this.#direct?.handle(message);
    this.#call.handle(message);
  }

  /** @param {"failed" | "no_direct" | "screen"} reason */
  #askRelay(reason) {
    this.#needs.signaling.ask("media.relay", { reason }).catch(() => {}); // who cannot be asked now is asked by the next trouble
  }

  /** Go through the server from now on: the direct way is kept until that one carries the other's media. */
  async #fallBack() {
    if (this.path === "relay" || !this.#how) return;
    this.path = "relay";
    await this.#call.open({ iceServers: undefined, ...this.#how });
    this.#look(this.#needs.clock.now() + LONGEST);
  }

  /** @param {number} last */
  #look(last) {
    const flows = this.#call.remotes.some(({ stream }) => stream.getTracks().some(({ muted }) => !muted));
    if ((this.#call.state === "connected" && flows) || this.#needs.clock.now() >= last) {
      this.#direct?.close();
      this.#direct = null;
      this.emit("remotes", this.remotes);
      this.emit("state", this.state);
      return;
    }
    this.#callOffLook();
    this.#callOffLook = this.#needs.clock.after(LOOK, () => this.#look(last));
  }
}
