/** Camera, microphone and speaker, seen and heard before anyone else sees or hears them. */

import { freshId, h, heading, Screen, setText } from "./dom.js";
import { icon } from "./icons.js";
import { NetworkLine } from "./network-line.js";

/** @typedef {import("../lib/i18n.js").Translator} Translator */
/** @typedef {import("../lib/self.js").Self} Self */

/** A mirrored picture of oneself, or the words that stand for it. */
export class SelfPreview extends HTMLElement {
  #video = h("video", { playsinline: true, autoplay: true, class: "mirror" });
  #words = h("p", { class: "placeholder" });

  /** @param {Self} self @param {Translator} t */
  tell(self, t) {
    if (!this.#video.isConnected) {
      this.#video.muted = true;
      this.#video.setAttribute("aria-label", t.say("self.picture"));
      this.replaceChildren(this.#video, this.#words);
    }
    const track = self.tracks.video;
    const stream = /** @type {MediaStream | null} */ (this.#video.srcObject);
    if (stream?.getVideoTracks()[0] !== (track ?? undefined)) {
      this.#video.srcObject = track ? new MediaStream([track]) : null;
      if (track) this.#video.play().catch(() => {});
    }
    const visible = Boolean(track) && self.camera;
    this.classList.toggle("dark", !visible);
    const words = self.opening ? "self.opening" : self.audioOnly ? "self.audio_only" : "self.camera_off";
    setText(this.#words, visible ? "" : t.say(words));
  }
}
customElements.define("self-preview", SelfPreview);

/** Ten bars that follow the voice; a reader is told in words instead. */
export class LevelMeter extends HTMLElement {
  #bars = Array.from({ length: 12 }, () => h("span"));
  #heard = false;

  /** @param {Translator} t */
  show(t) {
    this.setAttribute("role", "img");
    this.setAttribute("aria-label", t.say("devices.level"));
    this.replaceChildren(...this.#bars);
  }

  /** @param {number} level  0 to 1 @returns {boolean} whether a voice was heard since the meter was shown */
  tell(level) {
    this.#bars.forEach((bar, index) => bar.classList.toggle("on", level * this.#bars.length > index + 0.5));
    this.#heard ||= level > 0.45;
    return this.#heard;
  }
}
customElements.define("level-meter", LevelMeter);

export class DeviceCheck extends Screen {
  #preview = new SelfPreview();
  #meter = new LevelMeter();
  #state = h("div", { class: "outcome", role: "status" });
  #trouble = h("div", { class: "trouble" });
  #heard = h("p", { class: "hint" });
  #actions = h("div", { class: "actions" });
  #selects = h("div", { class: "selects" });
  #network = new NetworkLine();
  #tried = false;
  #listed = "";
  #offered = "";
  /** @type {() => void} */
  #stopMeter = () => {};
  /** @type {MediaStreamTrack | null} */
  #metered = null;

  /**
   * @param {Object} model
   * @param {Translator} model.t
   * @param {Self} model.self
   * @param {import("../lib/browser.js").Browser} model.browser
   * @param {(track: MediaStreamTrack, tell: (level: number) => void) => () => void} model.watchLevel
   * @param {() => void} model.onTestSound
   * @param {() => void} model.onContinue
   * @param {string} [model.title]
   * @param {import("../lib/network-check.js").NetworkCheck} model.network
   * @param {() => string | import("../lib/types.js").Contact | undefined} model.backup  the practice's other way
   */
  show({ t, self, browser, watchLevel, onTestSound, onContinue, title, network, backup }) {
    this.#meter.show(t);
    const sound = h("button", { type: "button", class: "secondary" }, icon("audio"), t.say("devices.test_sound"));
    sound.addEventListener("click", onTestSound);
    this.replaceChildren(
      h(
        "section",
        { class: "card wide" },
        heading(title ?? t.say("devices.title")),
        h("p", { class: "lead" }, t.say("devices.lead")),
        h(
          "div",
          { class: "two" },
          h("div", { class: "stack" }, this.#preview, h("div", { class: "meter-row" }, icon("microphone"), this.#meter), this.#heard),
          h("div", { class: "stack" }, this.#state, this.#trouble, this.#selects, this.#network, h("div", { class: "sound-row" }, sound, h("p", { class: "hint" }, t.say("devices.sound_hint")))),
        ),
        this.#actions,
      ),
    );
    const measure = () => network.run({ tracks: self.tracks, audioOnly: self.audioOnly });
    this.#network.show({ t, check: network, backup, onAgain: measure, signal: this.signal });
    const tell = () => {
      this.#tell(t, self, browser, watchLevel, onContinue);
      // What the echo gives back is what this person would send: first there must be something.
      if (this.#tried || self.opening || !self.ready) return;
      this.#tried = true;
      measure();
    };
    self.on("change", tell, { signal: this.signal });
    this.signal.addEventListener("abort", () => this.#stopMeter(), { once: true });
    this.signal.addEventListener("abort", () => network.stop(), { once: true });
    tell();
  }

  /**
   * @param {Translator} t
   * @param {Self} self
   * @param {import("../lib/browser.js").Browser} browser
   * @param {(track: MediaStreamTrack, tell: (level: number) => void) => () => void} watchLevel
   * @param {() => void} onContinue
   */
  #tell(t, self, browser, watchLevel, onContinue) {
    this.#preview.tell(self, t);
    this.#tellMeter(t, self.tracks.audio, watchLevel);
    const { camera, microphone } = self.outcome;
    const asking = self.opening || !(self.ready || [camera, microphone].some((one) => one !== "off"));
    this.classList.toggle("no-devices", !asking && !self.ready);
    const row = (/** @type {string} */ device, /** @type {boolean} */ good, /** @type {string} */ key) =>
      h("p", { class: good ? "good" : "bad" }, icon(good ? "check" : "alert"), h("span", {}, t.say(`devices.${device}`), ": ", t.say(key)));
    const cameraOff = self.audioOnly && (camera === "off" || camera === "ok");
    const rows = asking
      ? [h("p", { class: "asking" }, t.say("devices.asking"))]
      : [
          row("camera", camera === "ok" || cameraOff, cameraOff ? "outcome.declined" : `outcome.${camera}`),
          row("microphone", microphone === "ok", `outcome.${microphone}`),
        ];
    const said = rows.map(({ textContent }) => textContent).join();
    if (this.#state.textContent !== rows.map(({ textContent }) => textContent).join("")) this.#state.replaceChildren(...rows);
    const worst = asking ? "ok" : microphone !== "ok" ? microphone : camera === "ok" || cameraOff ? "ok" : camera;
    const offered = [t.language, said, worst, cameraOff, asking].join();
    if (offered !== this.#offered) {
      this.#offered = offered;
      this.#tellTrouble(t, worst, browser);
      this.#offer(t, self, { asking, bad: worst !== "ok", cameraOff }, onContinue);
    }
    void this.#tellDevices(t, self);
  }

  /**
   * @param {Translator} t
   * @param {MediaStreamTrack | null} track
   * @param {(track: MediaStreamTrack, tell: (level: number) => void) => () => void} watchLevel
   */
  #tellMeter(t, track, watchLevel) {
    if (track === this.#metered) return;
    this.#stopMeter();
    this.#metered = track;
    this.#meter.tell(0);
    setText(this.#heard, track ? t.say("devices.speak") : "");
    this.#stopMeter = track
      ? watchLevel(track, (level) => {
          if (this.#meter.tell(level)) setText(this.#heard, t.say("devices.heard"));
        })
      : () => {};
  }

  /** @param {Translator} t @param {import("../lib/devices.js").Outcome} outcome @param {string} browser */
  #tellTrouble(t, outcome, browser) {
    if (outcome === "ok" || outcome === "off") {
      this.#trouble.replaceChildren();
      return;
    }
    const steps = outcome === "blocked" ? `steps.${browser}` : `steps.${outcome}`;
    const lines = ["1", "2", "3"].map((n) => `${steps}.${n}`).filter((key) => t.has(key));
    this.#trouble.replaceChildren(
      h("h2", {}, t.say(`trouble.${outcome}`)),
      h("ol", {}, ...lines.map((key) => h("li", {}, t.say(key)))),
    );
  }

  /**
   * @param {Translator} t
   * @param {Self} self
   * @param {{asking: boolean, bad: boolean, cameraOff: boolean}} state
   * @param {() => void} onContinue
   */
  #offer(t, self, { asking, bad, cameraOff }, onContinue) {
    const button = (/** @type {string} */ key, /** @type {string} */ kind, /** @type {() => void} */ click) =>
      h("button", { type: "button", class: kind, on: { click } }, t.say(key));
    const retry = button("devices.retry", "primary", () => void self.open({ video: true }));
    const go = button("devices.continue", "primary", onContinue);
    const without = button("devices.without_camera", bad ? "secondary" : "quiet", () => {
      void (async () => {
        if (!self.tracks.audio) await self.open({ video: false });
        if (!self.audioOnly) self.setAudioOnly(true, "declined");
        self.releaseCamera();
        onContinue();
      })();
    });
    const withCamera = button("devices.with_camera", "quiet", () => void self.open({ video: true }));
    go.disabled = asking;
    const listen = button("devices.listen_only", "quiet", () => {
      self.setAudioOnly(!self.tracks.video, self.reason);
      onContinue();
    });
    const hearable = self.outcome.microphone === "ok";
    if (asking) this.#actions.replaceChildren(go);
    else if (!bad) this.#actions.replaceChildren(go, cameraOff ? withCamera : without);
    else if (hearable) this.#actions.replaceChildren(retry, without);
    else if (self.outcome.microphone === "blocked") this.#actions.replaceChildren(retry, without, listen);
    else this.#actions.replaceChildren(retry, listen);
  }

  /** @param {Translator} t @param {Self} self */
  async #tellDevices(t, self) {
    if (!self.ready) return;
    const all = await self.list();
    const now = JSON.stringify([t.language, all.map(({ deviceId }) => deviceId), self.using("audio"), self.using("video")]);
    if (now === this.#listed || this.signal.aborted) return;
    this.#listed = now;
    this.#selects.replaceChildren(...deviceSelects(t, self, all));
  }
}
customElements.define("device-check", DeviceCheck);

/**
 * One select for the cameras and one for the microphones, where there is a choice.
 * @param {Translator} t
 * @param {Self} self
 * @param {MediaDeviceInfo[]} all
 */
export function deviceSelects(t, self, all) {
  const kinds = /** @type {const} */ ([["camera", "videoinput", "video"], ["microphone", "audioinput", "audio"]]);
  return kinds.flatMap(([name, kind, track]) => {
    const some = all.filter((device) => device.kind === kind);
    if (some.length === 0) return [];
    const select = h(
      "select",
      { id: freshId(name), name },
      ...some.map(({ deviceId, label }, index) =>
        h("option", { value: deviceId, selected: deviceId === self.using(track) }, label || `${t.say(`devices.${name}`)} ${index + 1}`),
      ),
    );
    select.addEventListener("change", () => {
      void self.choose(name === "camera" ? { cameraId: select.value } : { microphoneId: select.value });
    });
    return [h("div", { class: "field" }, h("label", { for: select.id }, t.say(`devices.${name}`)), select)];
  });
}
