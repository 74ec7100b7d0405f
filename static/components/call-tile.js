/** One other participant of a session: their picture, or the words that stand for it. */

import { h, setText } from "./dom.js";

/** @typedef {import("../lib/i18n.js").Translator} Translator */
/** @typedef {import("../lib/types.js").Participant} Participant */

export class CallTile extends HTMLElement {
  video = h("video", { playsinline: true, autoplay: true, "data-remote": true });
  #initials = h("span", { class: "initials", "aria-hidden": "true" });
  #words = h("p", { class: "placeholder-words" });
  #name = h("bdi", { class: "tile-name" });
  #badges = h("span", { class: "badges" });
  #signal = h("span", { class: "signal", role: "img", hidden: true }, h("i"), h("i"), h("i"));
  /** @type {() => void} */
  #redraw = () => {};
  #still = false;

  constructor() {
    super();
    for (const event of ["resize", "loadeddata", "playing", "emptied"]) this.video.addEventListener(event, () => this.#redraw());
  }

  /** No new frame comes. @param {boolean} still */
  set still(still) {
    if (still === this.#still) return;
    this.#still = still;
    this.#redraw();
  }

  /**
   * @param {Participant} one
   * @param {MediaStream | null} stream
   * @param {Translator} t
   * @param {boolean} audioOnly  of oneself: then no picture comes
   * @param {(video: HTMLVideoElement) => void} play
   */
  tell(one, stream, t, audioOnly, play) {
    if (!this.firstChild) {
      this.append(this.video, h("div", { class: "stand-in" }, this.#initials, this.#words), h("p", { class: "caption" }, this.#name, this.#signal, this.#badges));
    }
    const name = shownName(one.name, t);
    this.video.setAttribute("aria-label", t.say("session.picture_of", { name }));
    if (this.video.srcObject !== stream) {
      this.video.srcObject = stream;
      if (stream) play(this.video);
    }
    setText(this.#name, name);
    setText(this.#initials, initials(name));
    this.#redraw = () => {
      const gone = one.presence === "gone" || one.reconnecting === true;
      // Whose messages alone do not come may be seen all the same: picture and sound have a way of their own.
      const picture = !one.reconnecting && !audioOnly && one.mode !== "audio" && one.camera !== false && this.video.videoWidth > 0 && !this.#still;
      this.classList.toggle("no-picture", !picture);
      this.classList.toggle("doubtful", gone);
      const words = gone ? "badge.reconnecting" : one.mode === "audio" ? "session.other_audio" : one.camera === false ? "session.other_camera_off" : audioOnly ? "session.you_audio" : this.#still ? "session.other_paused" : "session.other_coming";
      setText(this.#words, picture ? "" : t.say(words, { name }));
      const badges = [one.mode === "audio" ? t.say("badge.audio_only") : "", one.microphone === false ? t.say("badge.muted") : "", one.network === "weak" && !gone ? t.say("badge.weak") : "", this.#still && !picture && this.closest(".many") ? t.say("badge.paused") : "", gone ? t.say("badge.reconnecting") : ""];
      const shown = badges.filter(Boolean);
      if (this.#badges.textContent !== shown.join("")) this.#badges.replaceChildren(...shown.map((text) => h("span", { class: "badge" }, text)));
    };
    this.#redraw();
  }

  /** Three bars, and in words what they mean. @param {import("../lib/types.js").Connectedness | undefined} quality @param {Translator} t */
  connection(quality, t) {
    this.#signal.hidden = !quality;
    if (!quality) return;
    const { level, rtt_ms: rtt, loss, freezes } = quality;
    const words = t.say(`connection.${level}`);
    const more = t.say("connection.more", { rtt, loss: Math.round(loss * 1000) / 10, freezes });
    this.#signal.dataset.level = level;
    this.#signal.setAttribute("aria-label", `${words} ${more}`);
    this.#signal.title = `${words} ${more}`;
  }
}
customElements.define("call-tile", CallTile);

/** @param {string} name @returns {string} two letters at most */
function initials(name) {
  const words = name.replace(/^(dr|mr|mrs|ms|dra)\.?\s/i, "").trim().split(/\s+/);
  const letters = [words[0], words.length > 1 ? words.at(-1) : ""].map((word) => [...(word ?? "")][0] ?? "");
  return letters.join("").toLocaleUpperCase();
}

/** Where the practice keeps names back, the server numbers the clients; the number is said in the reader's language. @param {string} name @param {Translator} t */
export function shownName(name, t) {
  const number = /^Client (\d+)$/.exec(name)?.[1];
  return number ? t.say("session.client_number", { number: Number(number) }) : name;
}
