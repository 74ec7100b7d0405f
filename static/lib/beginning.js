/**
 * How a picture begins: at once, at half its size, and at the whole as soon as the network is known to carry it.
 *
 * A browser that knows nothing of a network begins at 300 kbit/s, and Chromium then leaves out one picture after the
 * other until they are small enough for that: a fifth of a second, after which a face has 320 points across.
 */

/** kbit/s that Chromium begins with, where it is told so. Of these, sound takes its share first. */
const START = 600;
const TOLD = "x-google-start-bitrate";
const PICTURES = /^(?:vp8|vp9|h264|av1)\//i;

/** By how much a camera's picture, of 720 lines if it has them, is made smaller at first. */
export const SMALLER = 2;
/** Bits a second that must fit, so that it is sent as it is. */
const ENOUGH = 900_000;
/** ms between one look and the next. */
const LOOK = 1_000;
/** ms after which a browser that does not say what fits sends it as it is; what does not fit it notices by itself. */
const UNTOLD = 3_000;

/** Return the other side's description with what the pictures of ours begin with. @param {string} sdp @returns {string} */
export function brisk(sdp) {
  const [session, ...media] = sdp.split(/^(?=m=)/m);
  return [session, ...media.map((section) => (section.startsWith("m=video ") ? told(section) : section))].join("");
}

/** @param {string} section  of video */
function told(section) {
  const lines = section.split("\r\n");
  const types = lines.flatMap((line) => {
    const [, type, codec = ""] = /^a=rtpmap:(\d+) (.*)$/.exec(line) ?? [];
    return type && PICTURES.test(codec) ? [type] : [];
  });
  const ours = (/** @type {string} */ line, /** @type {string} */ name) => types.find((type) => line.startsWith(`a=${name}:${type} `));
  const known = new Set(lines.flatMap((line) => ours(line, "fmtp") ?? []));
  return lines
    .flatMap((line) => {
      if (ours(line, "fmtp")) return line.includes(TOLD) ? [line] : [`${line};${TOLD}=${START}`];
      const type = ours(line, "rtpmap");
      return type && !known.has(type) ? [line, `a=fmtp:${type} ${TOLD}=${START}`] : [line];
    })
    .join("\r\n");
}

/** Sends a camera's picture as it is, once that fits. */
export class Growing {
  #clock;
  #pc;
  #sender;
  #ended = false;
  #callOff = () => {};

  /** @param {import("./clock.js").Clock} clock @param {RTCPeerConnection} pc @param {RTCRtpSender} sender  begun with `SMALLER` */
  constructor(clock, pc, sender) {
    this.#clock = clock;
    this.#pc = pc;
    this.#sender = sender;
    this.#look(clock.now() + UNTOLD);
  }

  end() {
    this.#ended = true;
    this.#callOff();
  }

  /** @param {number} untold  when it is grown whatever fits, if nobody says */
  #look(untold) {
    this.#callOff = this.#clock.after(LOOK, async () => {
      const fits = await this.#fits().catch(() => undefined);
      if (this.#ended) return;
      if (fits === undefined ? this.#clock.now() >= untold : fits >= ENOUGH) await this.#grow();
      else this.#look(untold);
    });
  }

  /** @returns {Promise<number | undefined>} bits a second */
  async #fits() {
    for (const report of (await this.#pc.getStats()).values()) {
      if (report.type === "candidate-pair" && report.nominated && report.availableOutgoingBitrate !== undefined) return report.availableOutgoingBitrate;
    }
    return undefined;
  }

  async #grow() {
    const parameters = this.#sender.getParameters();
    for (const encoding of parameters.encodings) encoding.scaleResolutionDownBy = 1;
    await this.#sender.setParameters(parameters).catch(() => {}); // it is closed, or goes on as it is
  }
}
