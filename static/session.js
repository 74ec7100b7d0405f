/** What both pages do while their person is in a session: connection, media, devices and stage, tied together. */

import { CallStage } from "./components/call-stage.js";
import { Chat } from "./lib/chat.js";
import { newId, systemClock } from "./lib/clock.js";
import { shownOthers, silentLeads } from "./lib/group.js";
import { Call } from "./lib/media.js";
import { Moving } from "./lib/moving.js";
import { Measuring } from "./lib/quality.js";
import { Speaking } from "./lib/speaking.js";

/** @typedef {import("./lib/connection.js").Connection} Connection */
/** @typedef {import("./lib/self.js").Self} Self */
/** @typedef {import("./lib/types.js").Participant} Participant */
/** @typedef {import("./lib/types.js").Message} Message */
/** @typedef {import("./lib/i18n.js").Translator} Translator */

/** ms after which the camera's light may go out: the server has taken the video line away by then. */
const RELEASE = 1_500;
/** ms between one look at who speaks and the next. */
const LISTEN = 250;
/** So many looks the server has to say whom a line carries; and so many more until it is asked again. */
const DOUBT = 4;
const DOUBT_STILL = 20;

/** Every session of this page: a provider has one for each room. @type {Set<Session>} */
const sessions = new Set();

// A support hook: getStats() of a running session, from the browser's console or a test.
Object.assign(globalThis, { carelobby: Object.freeze({ peers: () => [...sessions].flatMap(({ call }) => call.peers) }) });

export class Session {
  call;
  #connection;
  #self;
  /** @type {CallStage | null} */
  #stage = null;
  /** @type {Translator | null} */
  #t = null;
  /** @type {Participant[]} */
  #participants = [];
  /** The visit and segment whose media are open. */
  #open = "";
  #told = "";
  /** Whether what is open is audio only: what the others were told. */
  #audioOnly = false;

  #chat;
  #speaking = new Speaking();
  #moving = new Moving();
  #measuring;
  /** How the connections of this visit's people are, as a provider is told. @type {Map<string, import("./lib/types.js").Connectedness>} */
  #qualities = new Map();
  /** What is not plain about who is there, and for how many looks. */
  #doubt = { about: "", for: 0 };
  /** @type {() => void} */
  #callOffListening = () => {};

  /** @param {Connection} connection @param {Self} self @param {AbortSignal} [signal]  when it is needed no more */
  constructor(connection, self, signal) {
    this.#connection = connection;
    this.#self = self;
    this.#chat = new Chat(connection);
    sessions.add(this);
    signal?.addEventListener("abort", () => sessions.delete(this), { once: true });
    this.call = new Call({
      signaling: connection,
      makePeer: (config) => new RTCPeerConnection(config),
      makeStream: () => new MediaStream(),
      newId,
      clock: systemClock,
      random: Math.random,
    });
    this.#measuring = new Measuring({ peers: () => this.call.peers, tell: (quality) => connection.tell("media.stats", quality), clock: systemClock });
    this.call.on("state", () => this.#tell());
    this.call.on("remotes", () => this.#tell());
    self.on(
      "tracks",
      () => {
        if (this.#open) void this.call.send(self.tracks);
      },
      { signal },
    );
    self.on(
      "change",
      () => {
        this.#followMode();
        this.#tellState();
        this.#tell();
      },
      { signal },
    );
    connection.on("message", (message) => {
      this.call.handle(message);
      this.#chat.handle(message, this.#participants);
      if (message.type === "media.quality") {
        this.#qualities.set(message.participant, /** @type {any} */ (message));
        this.#tell();
      }
    });
    connection.on("state", (state) => {
      if (state === "open") {
        this.#told = ""; // another node may not know it
        this.call.resume();
        this.#tellState();
      }
      this.#tell();
    });
  }

  /**
   * Show the session, and open its media unless they are open.
   * @param {Object} model
   * @param {Translator} model.t
   * @param {string} model.visit
   * @param {number} model.segment
   * @param {RTCIceServer[] | undefined} model.iceServers
   * @param {Participant[]} model.participants
   * @param {string} model.title
   * @param {import("./lib/types.js").Practice | null} model.practice
   * @param {"end" | "leave"} model.way
   * @param {number | undefined} model.startedAt
   * @param {HTMLElement} [model.people]   what a provider opens beside the picture
   * @param {() => void} model.onEnd
   * @param {() => void} [model.onStepOut]
   * @returns {CallStage}
   */
  enter({ t, visit, segment, iceServers, participants, onEnd, onStepOut, ...rest }) {
    const stage = new CallStage();
    stage.show({
      ...rest,
      t,
      self: this.#self,
      chat: this.#chat,
      now: () => this.#connection.now(),
      onAudioOnly: (audioOnly) => void this.#setAudioOnly(audioOnly),
      onEnd: () => {
        this.leave(); // media stop at the click, whatever the network does
        onEnd();
      },
      onStepOut:
        onStepOut &&
        (() => {
          this.#connection.tell("media.state", { microphone: false, camera: false, screen: false });
          this.leave();
          onStepOut();
        }),
    });
    this.#stage = stage;
    this.#t = t;
    this.#chat.of(visit);
    this.tell(participants);
    this.#listen();
    this.#measuring.begin();
    void this.#start(`${visit}/${segment}`, iceServers);
    return stage;
  }

  /** @param {Participant[]} participants */
  tell(participants) {
    this.#participants = participants;
    this.#tell();
  }

  /** Media stop now. */
  leave() {
    this.#open = "";
    this.#told = "";
    this.#stage = null;
    this.#callOffListening();
    this.#measuring.end();
    this.#qualities.clear();
    this.call.close();
  }

  /** Who speaks, and whose picture stands still, is looked at by and by: no picture moves for it. */
  #listen() {
    this.#callOffListening();
    const now = systemClock.now();
    this.#stage?.speaking(this.#speaking.hear(this.call.levels(), now));
    if (this.#stage && !document.hidden) this.#stage.still(this.#moving.look(this.#stage.frames, now));
    this.#callOffListening = systemClock.after(LISTEN, () => this.#listen());
    this.#learn();
  }

  /** Two people need no names. Of more who are expected, the one who came may be any: then it is asked who it is. */
  #learn() {
    const others = this.#others();
    const nameless = this.call.nameless && others.length > 1;
    const about = nameless ? "names" : silentLeads(this.#participants, others).join();
    this.#doubt = { about, for: about && about === this.#doubt.about ? this.#doubt.for + 1 : 0 };
    if (this.#doubt.for === DOUBT || (nameless && this.#doubt.for % DOUBT_STILL === DOUBT)) this.call.learn();
  }

  #others() {
    return shownOthers(this.#participants, this.call.remotes);
  }

  /** @param {string} open @param {RTCIceServer[] | undefined} iceServers */
  async #start(open, iceServers) {
    if (this.#open === open) return;
    this.#open = open;
    if (!this.#self.ready) await this.#self.open();
    if (this.#open !== open) return;
    this.#audioOnly = this.#self.audioOnly;
    this.#tellState();
    await this.call.open({ iceServers, tracks: this.#self.tracks, audioOnly: this.#audioOnly });
  }

  /** @param {boolean} audioOnly */
  async #setAudioOnly(audioOnly) {
    if (!audioOnly) return this.#self.open({ video: true });
    this.#self.setAudioOnly(true, "declined");
    systemClock.after(RELEASE, () => this.#self.releaseCamera());
  }

  /** Audio only was chosen, or a camera failed or came back: the server is told, and the lines follow. */
  #followMode() {
    if (!this.#open || this.call.state === "idle" || this.#self.opening) return;
    if (this.#audioOnly === this.#self.audioOnly) return;
    this.#audioOnly = this.#self.audioOnly;
    this.#connection.tell("media.mode", { mode: this.#audioOnly ? "audio" : "video", reason: this.#self.reason });
    void this.call.setAudioOnly(this.#audioOnly, this.#self.tracks);
  }

  #tellState() {
    if (!this.#open) return;
    const now = JSON.stringify(this.#self.told);
    if (now === this.#told) return;
    if (this.#connection.tell("media.state", this.#self.told)) this.#told = now;
  }

  #tell() {
    if (!this.#stage || !this.#t) return;
    this.#stage.tell(
      {
        others: this.#others(),
        remotes: this.call.remotes,
        call: this.call.state,
        line: this.#connection.state,
        audioOnly: this.#self.audioOnly,
        weak: this.#participants.some(({ you, network }) => you && network === "weak"),
        qualities: this.#qualities,
      },
      this.#t,
    );
  }
}
