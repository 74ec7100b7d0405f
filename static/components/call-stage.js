/** A session as both sides see it: the others large, oneself small, and the controls. */

import { SelfPreview, deviceSelects } from "./device-check.js";
import { find, h, heading, Screen, setText } from "./dom.js";
import { contactList, Modal } from "./frame.js";
import { icon } from "./icons.js";
import { toggle } from "./waiting-room.js";

/** @typedef {import("../lib/i18n.js").Translator} Translator */
/** @typedef {import("../lib/types.js").Participant} Participant */
/** @typedef {import("../lib/media.js").Remote} Remote */
/** @typedef {import("../lib/self.js").Self} Self */

/**
 * @typedef {Object} Stage                  what there is to show
 * @property {Participant[]} others
 * @property {Remote[]} remotes
 * @property {import("../lib/media.js").CallState} call
 * @property {import("../lib/connection.js").ConnectionState} line
 * @property {boolean} audioOnly            of oneself: then no picture comes either
 */

const CORNERS = ["bottom-end", "top-end", "top-start", "bottom-start"];

/** One other participant: picture, or the words that stand for it. */
class Tile extends HTMLElement {
  video = h("video", { playsinline: true, autoplay: true, "data-remote": true });
  #initials = h("span", { class: "initials", "aria-hidden": "true" });
  #words = h("p", { class: "placeholder-words" });
  #name = h("bdi", { class: "tile-name" });
  #badges = h("span", { class: "badges" });
  /** @type {() => void} */
  #redraw = () => {};

  constructor() {
    super();
    for (const event of ["resize", "loadeddata", "playing", "emptied"]) this.video.addEventListener(event, () => this.#redraw());
  }

  /**
   * @param {Participant} one
   * @param {MediaStream | null} stream
   * @param {Translator} t
   * @param {boolean} audioOnly
   * @param {(video: HTMLVideoElement) => void} play
   */
  tell(one, stream, t, audioOnly, play) {
    if (!this.firstChild) {
      this.append(this.video, h("div", { class: "stand-in" }, this.#initials, this.#words), h("p", { class: "caption" }, this.#name, this.#badges));
    }
    this.video.setAttribute("aria-label", t.say("session.picture_of", { name: one.name }));
    if (this.video.srcObject !== stream) {
      this.video.srcObject = stream;
      if (stream) play(this.video);
    }
    setText(this.#name, one.name);
    setText(this.#initials, initials(one.name));
    this.#redraw = () => {
      const gone = one.presence === "gone";
      const picture = !gone && !audioOnly && one.mode !== "audio" && one.camera !== false && this.video.videoWidth > 0;
      this.classList.toggle("no-picture", !picture);
      const words = gone ? "badge.reconnecting" : one.mode === "audio" ? "session.other_audio" : one.camera === false ? "session.other_camera_off" : audioOnly ? "session.you_audio" : "session.other_coming";
      setText(this.#words, picture ? "" : t.say(words, { name: one.name }));
      const badges = [one.mode === "audio" ? t.say("badge.audio_only") : "", one.microphone === false ? t.say("badge.muted") : "", gone ? t.say("badge.reconnecting") : ""];
      const shown = badges.filter(Boolean);
      if (this.#badges.textContent !== shown.join("")) this.#badges.replaceChildren(...shown.map((text) => h("span", { class: "badge" }, text)));
    };
    this.#redraw();
  }
}
customElements.define("call-tile", Tile);

/** @param {string} name @returns {string} two letters at most */
export function initials(name) {
  const words = name.replace(/^(dr|mr|mrs|ms|dra)\.?\s/i, "").trim().split(/\s+/);
  const letters = [words[0], words.length > 1 ? words.at(-1) : ""].map((word) => [...(word ?? "")][0] ?? "");
  return letters.join("").toLocaleUpperCase();
}

export class CallStage extends Screen {
  #tiles = h("div", { class: "tiles" });
  #self = new SelfPreview();
  #selfBox = h("div", { class: "self-view", "data-corner": "bottom-end" });
  #notice = h("p", { class: "stage-notice", role: "status" });
  #remedies = h("div", { class: "remedies" });
  #side = h("div", { class: "stage-side" });
  #timer = h("span", { class: "timer" });
  #controls = h("div", { class: "controls", role: "group" });
  #microphone = h("button", { type: "button", class: "control", "aria-pressed": "true" });
  #camera = h("button", { type: "button", class: "control", "aria-pressed": "true" });
  #audioOnly = h("button", { type: "button", class: "control wide-only", "aria-pressed": "false" });
  /** @type {Map<string, Tile>} */
  #seen = new Map();
  #blocked = false;
  #restart = h("button", { type: "button", class: "primary", hidden: true });
  #sound = h("button", { type: "button", class: "primary", hidden: true });
  #backup = h("div", { class: "backup", hidden: true });
  /** @type {Modal | null} */
  #settings = null;
  /** @type {Modal | null} */
  #ending = null;

  /**
   * @param {Object} model
   * @param {Translator} model.t
   * @param {Self} model.self
   * @param {string} model.title
   * @param {import("../lib/types.js").Practice | null} model.practice
   * @param {"end" | "leave"} model.way           what the way out does
   * @param {number | undefined} model.startedAt  server time, ms; shown as a running clock
   * @param {() => number} model.now
   * @param {(audioOnly: boolean) => void} model.onAudioOnly
   * @param {() => void} model.onEnd
   */
  show({ t, self, title, practice, way, startedAt, now, onAudioOnly, onEnd }) {
    const control = (/** @type {string} */ name, /** @type {string} */ label, /** @type {string} */ kind, /** @type {() => void} */ click) =>
      h("button", { type: "button", class: `control ${kind}`, on: { click } }, icon(name), h("span", {}, label));
    this.#microphone.addEventListener("click", () => self.setMicrophone(!self.microphone));
    this.#camera.addEventListener("click", () => self.setCamera(!self.camera));
    this.#audioOnly.append(icon("audio"), h("span", {}, t.say("session.audio_only")));
    this.#audioOnly.addEventListener("click", () => onAudioOnly(!self.audioOnly));
    this.#restart.append(t.say("session.restart_devices"));
    this.#restart.addEventListener("click", () => void self.open());
    this.#sound.append(t.say("session.sound_on"));
    this.#sound.addEventListener("click", () => this.#play());
    const reach = contactList(practice?.backup, t);
    if (reach) this.#backup.append(h("p", {}, t.say("session.backup")), reach);
    const move = h("button", { type: "button", class: "move", "aria-label": t.say("session.move_self"), title: t.say("session.move_self"), on: { click: () => this.#move() } }, icon("move"));
    this.#selfBox.append(this.#self, move);
    this.#remedies.append(this.#sound, this.#restart, this.#backup);
    this.#controls.setAttribute("aria-label", t.say("session.controls"));
    this.#controls.append(
      this.#microphone,
      this.#camera,
      this.#audioOnly,
      control("settings", t.say("session.settings"), "", () => void this.#openSettings(t, self, onAudioOnly)),
      control("screen", t.say("session.full_screen"), "wide-only", () => this.#fullScreen()),
      control("end", t.say(way === "end" ? "session.end" : "session.leave"), "end", () => this.#confirm(t, way, onEnd)),
    );
    const head = heading(title);
    head.className = "stage-title";
    this.replaceChildren(
      h("div", { class: "stage" }, h("div", { class: "stage-head" }, head, this.#timer), this.#tiles, this.#selfBox, h("div", { class: "stage-over" }, this.#notice, this.#remedies)),
      this.#side,
      this.#controls,
    );
    const tell = () => {
      this.#self.tell(self, t);
      toggle(this.#microphone, "microphone", self.told.microphone, t.say("session.microphone"));
      toggle(this.#camera, "camera", self.told.camera, t.say("session.camera"));
      this.#microphone.disabled = !self.devices.microphone;
      this.#camera.disabled = self.audioOnly || !self.devices.camera;
      this.#audioOnly.setAttribute("aria-pressed", String(self.audioOnly));
      this.#restart.hidden = !self.interrupted && (self.ready || self.opening);
    };
    self.on("change", tell, { signal: this.signal });
    tell();
    if (startedAt !== undefined) {
      const count = () => setText(this.#timer, t.clock(now() - startedAt));
      this.every(1000, count);
      count();
    }
  }

  /** What a page puts beside the picture, such as who else is ready. @param {...Node} nodes */
  beside(...nodes) {
    this.#side.replaceChildren(...nodes);
  }

  /** @param {Stage} stage @param {Translator} t */
  tell({ others, remotes, call, line, audioOnly }, t) {
    const ids = new Set(others.map(({ id }) => id));
    for (const [id, tile] of this.#seen) {
      if (ids.has(id)) continue;
      tile.remove();
      this.#seen.delete(id);
    }
    for (const one of others) {
      const tile = this.#seen.get(one.id) ?? new Tile();
      if (!tile.isConnected) this.#tiles.append(tile);
      this.#seen.set(one.id, tile);
      const mine = remotes.find(({ participant, source }) => source === "camera" && (participant === one.id || (participant === "" && others.length === 1)));
      tile.tell(one, mine?.stream ?? null, t, audioOnly, (video) => this.#start(video));
    }
    this.#tiles.dataset.count = String(others.length);
    const gone = others.find(({ presence }) => presence === "gone");
    const words =
      line !== "open" ? "session.line_lost"
      : call === "failing" ? "session.media_failing"
      : call === "reconnecting" ? "session.media_lost"
      : gone ? "session.other_gone"
      : call === "connecting" ? "session.connecting"
      : find(this, ".control.end", HTMLButtonElement).disabled ? "session.ending"
      : "";
    setText(this.#notice, words ? t.say(words, { name: gone?.name ?? "" }) : "");
    this.#notice.hidden = !words;
    this.#backup.hidden = call !== "failing" || !this.#backup.firstChild;
  }

  disconnectedCallback() {
    this.#settings?.close();
    this.#ending?.close();
    for (const { video } of this.#seen.values()) video.srcObject = null;
    if (document.fullscreenElement) void document.exitFullscreen();
    super.disconnectedCallback();
  }

  /** @param {HTMLVideoElement} video */
  #start(video) {
    video.play().then(
      () => {},
      (error) => {
        if (error.name !== "NotAllowedError") return;
        this.#blocked = true; // a page that was reloaded had no click yet
        this.#sound.hidden = false;
      },
    );
  }

  #play() {
    this.#sound.hidden = true;
    if (!this.#blocked) return;
    this.#blocked = false;
    for (const { video } of this.#seen.values()) this.#start(video);
  }

  #move() {
    const next = CORNERS[(CORNERS.indexOf(this.#selfBox.dataset.corner ?? "") + 1) % CORNERS.length];
    this.#selfBox.dataset.corner = next;
  }

  #fullScreen() {
    if (document.fullscreenElement) void document.exitFullscreen();
    else document.documentElement.requestFullscreen?.().catch(() => {});
  }

  /** @param {Translator} t @param {Self} self @param {(audioOnly: boolean) => void} onAudioOnly */
  async #openSettings(t, self, onAudioOnly) {
    const close = h("button", { type: "button", class: "primary" }, t.say("dialog.close"));
    const audio = h("input", { type: "checkbox", name: "audio_only", checked: self.audioOnly });
    audio.addEventListener("change", () => onAudioOnly(audio.checked));
    const act = (/** @type {string} */ key, /** @type {() => void} */ click) => h("button", { type: "button", class: "secondary", on: { click } }, t.say(key));
    const selects = h("div", { class: "selects" });
    const modal = new Modal({
      title: t.say("session.settings"),
      body: [
        selects,
        h("label", { class: "choice" }, audio, h("span", {}, h("strong", {}, t.say("session.audio_only")), h("small", {}, t.say("session.audio_only_more")))),
        h(
          "div",
          { class: "actions start" },
          act("session.restart_devices", () => void self.open()),
          act("session.move_self", () => this.#move()),
          document.fullscreenEnabled ? act("session.full_screen", () => this.#fullScreen()) : null,
        ),
      ],
      actions: [close],
    });
    close.addEventListener("click", () => modal.close());
    this.#settings = modal.open();
    selects.replaceChildren(...deviceSelects(t, self, await self.list()));
  }

  /** End is pressed by mistake many times: so it asks, and the safe answer has the focus. @param {Translator} t @param {"end" | "leave"} way @param {() => void} onEnd */
  #confirm(t, way, onEnd) {
    const stay = h("button", { type: "button", class: "secondary", autofocus: true }, t.say("session.stay"));
    const end = h("button", { type: "button", class: "danger" }, t.say(way === "end" ? "session.end_confirm" : "session.leave_confirm"));
    const modal = new Modal({
      title: t.say(way === "end" ? "session.end_title" : "session.leave_title"),
      body: [h("p", {}, t.say(way === "end" ? "session.end_more" : "session.leave_more"))],
      actions: [stay, end],
    });
    stay.addEventListener("click", () => modal.close());
    end.addEventListener("click", () => {
      modal.close();
      find(this, ".control.end", HTMLButtonElement).disabled = true;
      onEnd();
    });
    this.#ending = modal.open();
  }
}
customElements.define("call-stage", CallStage);
