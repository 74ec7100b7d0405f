/** Stand-ins for the browser: a clock moved by hand, a socket and a peer connection that record. */

/** @typedef {import("../../static/lib/clock.js").Clock} Clock */

/** @implements {Clock} */
export class FakeClock {
  at = 1_000_000;
  /** @type {{due: number, then: () => void}[]} */
  #timers = [];

  now = () => this.at;

  /** @param {number} ms @param {() => void} then */
  after = (ms, then) => {
    const timer = { due: this.at + ms, then };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((one) => one !== timer);
    };
  };

  /** Move on, ringing what is due on the way, and let promises settle in between. @param {number} ms */
  async pass(ms) {
    const end = this.at + ms;
    await settled();
    for (;;) {
      const next = this.#timers.filter(({ due }) => due <= end).sort((a, b) => a.due - b.due)[0];
      if (!next) break;
      this.#timers = this.#timers.filter((one) => one !== next);
      this.at = next.due;
      next.then();
      await settled();
    }
    this.at = end;
    await settled();
  }
}

/** Let every promise that can settle do so. */
export async function settled() {
  for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
}

export class FakeSocket {
  /** @type {Record<string, any>[]} */
  sent = [];
  readyState = 0;
  closedBySelf = false;
  /** @type {(() => void) | null} */
  onopen = null;
  /** @type {((event: {data: string}) => void) | null} */
  onmessage = null;
  /** @type {((event: {code: number}) => void) | null} */
  onclose = null;

  /** @param {string} url @param {string} protocol */
  constructor(url, protocol) {
    this.url = url;
    this.protocol = protocol;
  }

  /** @param {string} text */
  send(text) {
    this.sent.push(JSON.parse(text));
  }

  close() {
    this.readyState = 3;
    this.closedBySelf = true;
  }

  open() {
    this.readyState = 1;
    this.onopen?.();
  }

  /** @param {Record<string, any>} message */
  hear(message) {
    this.onmessage?.({ data: JSON.stringify(message) });
  }

  /** @param {number} code */
  drop(code) {
    this.readyState = 3;
    this.onclose?.({ code });
  }

  /** What was sent of one type. @param {string} type */
  of(type) {
    return this.sent.filter((message) => message.type === type);
  }

  /** The last thing that was sent. @returns {Record<string, any>} */
  get last() {
    return this.sent.at(-1) ?? {};
  }
}

/** @param {string} kind */
export function track(kind) {
  return { kind, id: `${kind}-${Math.floor(Math.random() * 1e9)}` };
}

class FakeTransceiver {
  /** @type {string | null} */
  mid = null;

  /** @param {string | {kind: string}} trackOrKind @param {string} direction @param {Record<string, unknown>[]} [sendEncodings] */
  constructor(trackOrKind, direction, sendEncodings = []) {
    this.kind = typeof trackOrKind === "string" ? trackOrKind : trackOrKind.kind;
    this.direction = direction;
    let encodings = sendEncodings;
    this.sender = {
      getParameters: () => ({ encodings: encodings.map((one) => ({ ...one })) }),
      /** @param {{encodings: Record<string, unknown>[]}} parameters */
      setParameters: async (parameters) => {
        encodings = parameters.encodings;
      },
      track: typeof trackOrKind === "string" ? null : trackOrKind,
      /** @param {{kind: string} | null} other */
      replaceTrack: async (other) => {
        this.sender.track = other;
      },
    };
    this.receiver = { track: track(this.kind) };
  }
}

/** Keeps the rules of offer and answer, and nothing else. */
export class FakePeer {
  connectionState = "new";
  signalingState = "stable";
  /** @type {FakeTransceiver[]} */
  lines = [];
  /** @type {{type: string, sdp: string} | null} */
  localDescription = null;
  /** @type {((event: {candidate: any}) => void) | null} */
  onicecandidate = null;
  /** @type {(() => void) | null} */
  onconnectionstatechange = null;

  /** @param {RTCConfiguration} config */
  constructor(config) {
    this.config = config;
  }

  /** @param {string | {kind: string}} trackOrKind @param {{direction: string, sendEncodings?: Record<string, unknown>[]}} init */
  addTransceiver(trackOrKind, { direction, sendEncodings }) {
    const line = new FakeTransceiver(trackOrKind, direction, sendEncodings);
    this.lines.push(line);
    return line;
  }

  getTransceivers() {
    return this.lines;
  }

  /** What the browser counts. @type {Record<string, unknown>[]} */
  stats = [];

  async getStats() {
    return new Map(Object.entries(this.stats));
  }

  /** An offer is made, and an answer taken, only when this is kept. @type {Promise<void>} */
  gate = Promise.resolve();

  async createOffer() {
    await this.gate;
    return { type: "offer", sdp: this.lines.map(({ kind, direction }) => `${kind}:${direction}`).join(" ") };
  }

  async createAnswer() {
    return { type: "answer", sdp: this.lines.map(({ kind, direction }) => `${kind}:${direction}`).join(" ") };
  }

  /** @type {{sdp: string} | null} */
  remoteDescription = null;
  /** @type {((event: {track: unknown}) => void) | null} */
  ontrack = null;

  /** @param {{type: string, sdp: string}} description */
  async setLocalDescription(description) {
    this.localDescription = description;
    this.signalingState = description.type === "answer" ? "stable" : "have-local-offer";
    this.lines.forEach((line, index) => (line.mid = String(index)));
  }

  /** @param {{type?: string, sdp: string}} description */
  async setRemoteDescription({ type, sdp }) {
    if (type === "offer") {
      this.lines = sdp.split(" ").map((line) => new FakeTransceiver(line.split(":")[0] ?? "", "recvonly"));
      this.signalingState = "have-remote-offer";
      this.remoteDescription = { sdp };
      return;
    }
    if (this.signalingState !== "have-local-offer") throw new Error("InvalidStateError");
    await this.gate;
    if (sdp === "broken") throw new Error("OperationError");
    this.signalingState = "stable";
    this.remoteDescription = { sdp };
  }

  /** What the other side told. @type {{candidate: string}[]} */
  candidates = [];

  /** @param {{candidate: string}} candidate */
  async addIceCandidate(candidate) {
    this.candidates.push(candidate);
  }

  /** @param {string} state */
  become(state) {
    this.connectionState = state;
    this.onconnectionstatechange?.();
  }

  /** @param {string | null} candidate */
  gather(candidate) {
    const whole = candidate === null ? null : { candidate, toJSON: () => ({ candidate, sdpMid: "0", sdpMLineIndex: 0, usernameFragment: "u" }) };
    this.onicecandidate?.({ candidate: whole });
  }

  close() {
    this.connectionState = "closed";
  }
}

export class FakeStream {
  /** @type {unknown[]} */
  tracks = [];

  getTracks() {
    return this.tracks;
  }

  /** @param {unknown} one */
  addTrack(one) {
    this.tracks.push(one);
  }

  /** @param {unknown} one */
  removeTrack(one) {
    this.tracks = this.tracks.filter((other) => other !== one);
  }
}
