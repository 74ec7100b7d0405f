/** What both pages do while their person is in a session: connection, media, devices and stage, tied together. */

import { CallStage } from "./components/call-stage.js";
import { Chat } from "./lib/chat.js";
import { newId, systemClock } from "./lib/clock.js";
import { shownOthers, silentLeads } from "./lib/group.js";
import { Moving } from "./lib/moving.js";
import { NetworkCheck } from "./lib/network-check.js";
import { Measuring } from "./lib/quality.js";
import { watchNetwork } from "./lib/network.js";
import { Speaking } from "./lib/speaking.js";
import { Warm } from "./lib/warm.js";
import { Ways } from "./lib/ways.js";

/** @typedef {import("./lib/connection.js").Connection} Connection */
/** @typedef {import("./lib/self.js").Self} Self */
/** @typedef {import("./lib/types.js").Participant} Participant */
/** @typedef {import("./lib/types.js").Message} Message */
/** @typedef {import("./lib/i18n.js").Translator} Translator */

/** ms after which the camera's light may go out: the server has taken the video line away by then. */
const RELEASE = 1_500;
/** ms between one look at who speaks and the next: no part of a second, or what comes each second were missed each time. */
const LISTEN = 230;
/** So many looks the server has to say whom a line carries; and so many more until it is asked again. */
const DOUBT = 4;
const DOUBT_STILL = 20;

/** ms after which a page that nobody looks at lets its waiting connection go. */
const HIDDEN = 5 * 60_000;

/** Every session of this page: a provider has one for each room. @type {Set<Session>} */
const sessions = new Set();

// A support hook: getStats() of a running session, from the browser's console or a test.
const peers = () => [...sessions].flatMap(({ call }) => call.peers);
const warm = () => [...sessions].flatMap((session) => session.warmPeers);
Object.assign(globalThis, { carelobby: Object.freeze({ peers, warm }) });

let unseen = false;
let callOffUnseen = () => {};
document.addEventListener("visibilitychange", () => {
  callOffUnseen();
  if (document.hidden) callOffUnseen = systemClock.after(HIDDEN, () => look(true));
  else look(false);
});

/** @param {boolean} now  whether nobody looks at this page, and has not for long */
function look(now) {
  unseen = now;
  for (const session of sessions) session.keepWarm();
}

export class Session {
  call;
  /** How the network is, tried out before a session. */
  network;
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

  #warm;
  /** Whether a session is likely to begin soon. */
  #awaited = false;
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
    const making = {
      signaling: connection,
      makePeer: (/** @type {RTCConfiguration} */ config) => new RTCPeerConnection(config),
      newId,
      clock: systemClock,
      random: Math.random,
    };
    this.#warm = new Warm(making);
    this.network = new NetworkCheck(making);
    this.call = new Ways({ ...making, makeStream: () => new MediaStream() });
    this.#measuring = new Measuring({ peers: () => this.call.peers, tell: (quality) => connection.tell("media.stats", quality), clock: systemClock });
    const { connection: network } = /** @type {{connection?: import("./lib/network.js").NetworkInformation}} */ (navigator);
    watchNetwork({ window, connection: network }, () => this.call.moved(), signal);
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
        this.keepWarm();
        this.#tell();
      },
      { signal },
    );
    connection.on("message", (message) => {
      this.call.handle(message);
      this.#warm.handle(message);
      this.network.handle(message);
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
        this.#warm.resume();
        this.network.resume();
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
   * @param {"relay" | "direct" | undefined} model.path
   * @param {boolean} model.offers         as a provider does, where it is direct
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
  enter({ t, visit, segment, iceServers, path, offers, participants, onEnd, onStepOut, ...rest }) {
    this.#start(`${visit}/${segment}`, { iceServers, path, offers }); // first of all: the rest is done while the answer is on its way
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
    return stage;
  }

  get warmPeers() {
    return this.#warm.peers;
  }

  /** A session is likely to begin soon, or not: then a connection waits for it, which carries nothing. @param {boolean} awaited */
  awaits(awaited) {
    this.#awaited = awaited;
    this.keepWarm();
  }

  keepWarm() {
    this.#warm.keep(this.#awaited && !unseen && !this.#open, this.#self.audioOnly);
  }

  /** @param {Participant[]} participants */
  tell(participants) {
    const gone = this.#participants.filter(({ presence }) => presence === "gone").map(({ id }) => id);
    if (participants.some(({ id, presence, you }) => !you && presence === "connected" && gone.includes(id))) this.call.again();
    this.#participants = participants;
    this.#tell();
  }

  /** Media stop now. */
  leave() {
    const was = this.#open;
    this.#open = "";
    this.#told = "";
    this.#stage = null;
    this.#callOffListening();
    this.#measuring.end();
    this.#qualities.clear();
    this.call.close();
    if (was) this.#self.unshare(); // nobody's screen is seen in a session that they did not share it in
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

  /** Devices that are still to open keep nobody waiting: what they give is sent when it is there. @param {string} open @param {{iceServers: RTCIceServer[] | undefined, path: "relay" | "direct" | undefined, offers: boolean}} how */
  #start(open, how) {
    if (this.#open === open) return;
    this.#open = open;
    if (!this.#self.ready) void this.#self.open();
    this.#audioOnly = this.#self.audioOnly;
    const warm = this.#warm.take(this.#audioOnly);
    void this.call.open({ ...how, tracks: this.#self.tracks, audioOnly: this.#audioOnly, warm });
    this.#tellState(); // behind the offer, which is answered before anything else is saved
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
    if (!this.#open || this.#self.opening) return;
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
        screenFailed: this.#self.screenFailed,
        weak: this.#participants.some(({ you, network }) => you && network === "weak"),
        path: this.call.path,
        qualities: this.#qualities,
      },
      this.#t,
    );
  }
}
