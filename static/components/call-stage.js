/** A session as both sides see it: the others large, oneself small, and the controls. */

import { gridFor } from "../lib/grid.js";
import { confirmWayOut, openSettings } from "./call-settings.js";
import { CallTile, shownName } from "./call-tile.js";
import { ChatPanel } from "./chat-panel.js";
import { SelfPreview } from "./device-check.js";
import { find, h, heading, Screen, setText } from "./dom.js";
import { contactList } from "./frame.js";
import { icon } from "./icons.js";
import { SharedScreen } from "./shared-screen.js";
import { Sidebar } from "./sidebar.js";
import { toggle } from "./waiting-room.js";

/** @typedef {import("../lib/i18n.js").Translator} Translator */
/** @typedef {import("../lib/types.js").Participant} Participant */
/** @typedef {import("../lib/media.js").Remote} Remote */
/** @typedef {import("../lib/self.js").Self} Self */
/** @typedef {import("../lib/chat.js").Chat} Chat */
/** @typedef {import("./frame.js").Modal} Modal */

/**
 * @typedef {Object} Stage                  what there is to show
 * @property {Participant[]} others
 * @property {Remote[]} remotes
 * @property {import("../lib/media.js").CallState} call
 * @property {import("../lib/connection.js").ConnectionState} line
 * @property {boolean} audioOnly            of oneself: then no picture comes either
 * @property {boolean} screenFailed         one's own could not be shared
 * @property {boolean} weak                 one's own network carries no picture
 * @property {"relay" | "direct"} path        how media go
 * @property {Map<string, import("../lib/types.js").Connectedness>} qualities  a provider's: how each one's connection is
 */

/** px between tiles, as the style sheet has it. */
const GAP = 10;
const CORNERS = ["bottom-end", "top-end", "top-start", "bottom-start"];

export class CallStage extends Screen {
  #tiles = h("div", { class: "tiles" });
  #screen = new SharedScreen();
  #pictures = h("div", { class: "stage-pictures" }, this.#screen, this.#tiles);
  #self = new SelfPreview();
  #selfBox = h("div", { class: "self-view", "data-corner": "bottom-end" });
  #notice = h("p", { class: "stage-notice", role: "status" });
  #remedies = h("div", { class: "remedies" });
  #side = h("div", { class: "stage-side" });
  #sidebar = new Sidebar();
  #timer = h("span", { class: "timer" });
  #way = h("span", { class: "way", hidden: true });
  /** @type {"relay" | "direct"} */
  #path = "relay";
  #controls = h("div", { class: "controls", role: "group" });
  #microphone = h("button", { type: "button", class: "control", "aria-pressed": "true" });
  #camera = h("button", { type: "button", class: "control", "aria-pressed": "true" });
  #audioOnly = h("button", { type: "button", class: "control wide-only", "aria-pressed": "false" });
  #share = h("button", { type: "button", class: "control wide-only", hidden: true });
  /** @type {Map<string, CallTile>} */
  #seen = new Map();
  #blocked = false;
  /** Another provider is in. */
  #shared = false;
  #restart = h("button", { type: "button", class: "primary", hidden: true });
  #sound = h("button", { type: "button", class: "primary", hidden: true });
  #backup = h("div", { class: "backup", hidden: true });
  /** @type {Set<Modal>} */
  #modals = new Set();

  /**
   * @param {Object} model
   * @param {Translator} model.t
   * @param {Self} model.self
   * @param {Chat} model.chat
   * @param {string} model.title
   * @param {import("../lib/types.js").Practice | null} model.practice
   * @param {"end" | "leave"} model.way           what the way out does
   * @param {number | undefined} model.startedAt  server time, ms; shown as a running clock
   * @param {HTMLElement} [model.people]          a provider's: the clients of a group
   * @param {() => number} model.now
   * @param {(audioOnly: boolean) => void} model.onAudioOnly
   * @param {() => void} model.onEnd
   * @param {() => void} [model.onStepOut]        a provider's: another one goes on with it
   */
  show({ t, self, chat, title, practice, way, startedAt, people, now, onAudioOnly, onEnd, onStepOut }) {
    const control = (/** @type {string} */ name, /** @type {string} */ label, /** @type {string} */ kind, /** @type {() => void} */ click) =>
      h("button", { type: "button", class: `control ${kind}`, on: { click } }, icon(name), h("span", {}, label));
    this.#microphone.addEventListener("click", () => self.setMicrophone(!self.microphone));
    this.#camera.addEventListener("click", () => self.setCamera(!self.camera));
    this.#audioOnly.append(icon("audio"), h("span", {}, t.say("session.audio_only")));
    this.#audioOnly.addEventListener("click", () => onAudioOnly(!self.audioOnly));
    this.#share.hidden = !self.canShare;
    this.#share.addEventListener("click", () => (self.sharing ? self.unshare() : void self.share()));
    this.#restart.append(t.say("session.restart_devices"));
    this.#restart.addEventListener("click", () => void self.open());
    this.#sound.append(t.say("session.sound_on"));
    this.#sound.addEventListener("click", () => this.#play());
    const reach = contactList(practice?.backup, t);
    if (reach) this.#backup.append(h("p", {}, t.say("session.backup")), reach);
    const move = h("button", { type: "button", class: "move", "aria-label": t.say("session.move_self"), title: t.say("session.move_self"), on: { click: () => this.#move() } }, icon("move"));
    this.#selfBox.append(this.#self, h("p", { class: "caption self-name" }, h("span", { class: "tile-name" }, t.say("session.you"))), move);
    this.#tiles.append(this.#selfBox);
    this.#remedies.append(this.#sound, this.#restart, this.#backup);
    this.#controls.setAttribute("aria-label", t.say("session.controls"));
    const settings = { onAudioOnly, onMove: () => this.#move(), onFullScreen: () => this.#fullScreen() };
    this.#controls.append(
      this.#microphone,
      this.#camera,
      this.#audioOnly,
      this.#share,
      ...this.#panels(chat, people, t),
      control("settings", t.say("session.settings"), "", () => this.#modals.add(openSettings(t, self, { ...settings, path: this.#path }))),
      control("screen", t.say("session.full_screen"), "wide-only", () => this.#fullScreen()),
      control("end", t.say(way === "end" ? "session.end" : "session.leave"), "end", () => this.#confirm(t, { way, group: people !== undefined, onEnd, onStepOut })),
    );
    this.#controls.classList.toggle("many", people !== undefined);
    const head = heading(title);
    head.className = "stage-title";
    this.replaceChildren(
      h(
        "div",
        { class: "stage-row" },
        h("div", { class: "stage" }, h("div", { class: "stage-head" }, head, this.#timer, this.#way), this.#pictures, h("div", { class: "stage-over" }, this.#notice, this.#remedies)),
        this.#sidebar,
      ),
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
      this.#share.classList.toggle("on", self.sharing);
      this.#share.replaceChildren(icon("share"), h("span", {}, t.say(self.sharing ? "session.unshare" : "session.share")));
      this.#restart.hidden = !self.interrupted && (self.ready || self.opening);
    };
    self.on("change", tell, { signal: this.signal });
    tell();
    const watch = new ResizeObserver(() => this.#arrange());
    watch.observe(this.#tiles);
    this.signal.addEventListener("abort", () => watch.disconnect(), { once: true });
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
  tell({ others, remotes, call, line, audioOnly, screenFailed, weak, path, qualities }, t) {
    this.#path = path;
    this.#way.hidden = path === "relay";
    if (path === "direct" && !this.#way.firstChild) this.#way.append(icon("lock"), t.say("way.direct"));
    this.#way.title = t.say("way.direct_more");
    const ids = new Set(others.map(({ id }) => id));
    this.#shared = others.some(({ role }) => role !== "client");
    for (const [id, tile] of this.#seen) {
      if (ids.has(id)) continue;
      tile.remove();
      this.#seen.delete(id);
    }
    for (const one of others) {
      const tile = this.#seen.get(one.id) ?? new CallTile();
      if (!tile.isConnected) this.#selfBox.before(tile); // a picture that was there stays where it is
      this.#seen.set(one.id, tile);
      tile.tell(one, this.#streamOf(one, tile, remotes, others.length), t, audioOnly, (video) => this.#start(video));
      tile.connection(one.presence === "gone" ? undefined : qualities.get(one.id), t);
    }
    this.#pictures.classList.toggle("presenting", this.#screen.tell(others, remotes, t));
    this.#tiles.dataset.count = String(others.length);
    this.#tiles.classList.toggle("many", others.length > 1);
    this.#arrange();
    const gone = others.length === 1 ? others.find(({ presence, reconnecting }) => reconnecting || presence === "gone") : undefined; // of many, the tile says it
    const slow = others.length === 1 ? others.find(({ network }) => network === "weak") : undefined;
    const words =
      line !== "open" ? "session.line_lost"
      : call === "failing" ? "session.media_failing"
      : call === "reconnecting" ? "session.media_lost"
      : gone ? "session.other_gone"
      : call === "connecting" ? "session.connecting"
      : screenFailed ? "session.share_failed"
      : find(this, ".control.end", HTMLButtonElement).disabled ? "session.ending"
      : weak ? "session.weak"
      : slow ? "session.other_weak"
      : "";
    setText(this.#notice, words ? t.say(words, { name: shownName((gone ?? slow)?.name ?? "", t) }) : "");
    this.#notice.hidden = !words;
    this.#backup.hidden = call !== "failing" || !this.#backup.firstChild;
  }

  /** A frame around who speaks; no picture moves for it. @param {Set<string>} ids */
  speaking(ids) {
    for (const [id, tile] of this.#seen) tile.classList.toggle("speaking", ids.has(id));
  }

  /** How many frames were decoded so far of each picture that is expected. @returns {Map<string, number>} */
  get frames() {
    return new Map([...this.#seen].map(([id, { video }]) => [id, video.getVideoPlaybackQuality().totalVideoFrames]));
  }

  /** Whose picture stands still gives way to their initials. @param {Set<string>} ids */
  still(ids) {
    for (const [id, tile] of this.#seen) tile.still = ids.has(id);
  }

  disconnectedCallback() {
    for (const modal of this.#modals) modal.close();
    for (const { video } of [...this.#seen.values(), this.#screen]) video.srcObject = null;
    if (document.fullscreenElement) void document.exitFullscreen();
    super.disconnectedCallback();
  }

  /**
   * Whose line is not said yet is the other one's of two; and when a third comes, the picture stays until it is said.
   * @param {Participant} one
   * @param {CallTile} tile
   * @param {Remote[]} remotes
   * @param {number} count
   */
  #streamOf(one, tile, remotes, count) {
    const cameras = remotes.filter(({ source }) => source === "camera");
    const found =
      cameras.find(({ participant }) => participant === one.id) ??
      cameras.find(({ participant, stream }) => participant === "" && (count === 1 || tile.video.srcObject === stream));
    return found?.stream ?? null;
  }

  /** Chat for everybody, and for a provider the clients of the group. @param {Chat} chat @param {HTMLElement | undefined} people @param {Translator} t */
  #panels(chat, people, t) {
    const lines = new ChatPanel();
    lines.show(chat, t, this.signal);
    const unread = h("span", { class: "unread", role: "status" });
    const open = this.#sidebar.add({ name: "chat", title: t.say("chat.title"), t, panel: lines, onOpen: (is) => chat.look(is), begin: () => lines.begin() });
    open.append(unread);
    const mark = () => {
      unread.hidden = chat.unread === 0;
      unread.replaceChildren(...(chat.unread ? [String(chat.unread), h("span", { class: "sr-only" }, ` ${t.say("chat.unread", { count: chat.unread })}`)] : []));
    };
    chat.on("change", mark, { signal: this.signal });
    this.signal.addEventListener("abort", () => chat.look(false), { once: true });
    mark();
    return people ? [this.#sidebar.add({ name: "people", title: t.say("group.title"), t, panel: people }), open] : [open];
  }

  /** Tiles of a group get as much room as there is; of two, the other has it all. */
  #arrange() {
    const count = this.#seen.size + 1; // in a group oneself stands among the others
    if (this.#seen.size < 2) return;
    const { clientWidth: width, clientHeight: height } = this.#tiles;
    const grid = gridFor(count, { width, height }, { gap: GAP });
    const row = grid.columns * grid.width + (grid.columns - 1) * GAP;
    this.#tiles.style.setProperty("--tiles-aside", `${Math.max(0, Math.floor((width - row) / 2))}px`); // none more fits in a row
    this.#tiles.style.setProperty("--tile-width", `${grid.width}px`);
    this.#tiles.style.setProperty("--tile-height", `${grid.height}px`);
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

  /** @param {Translator} t @param {Parameters<typeof confirmWayOut>[1]} out */
  #confirm(t, out) {
    const onEnd = () => {
      find(this, ".control.end", HTMLButtonElement).disabled = true;
      out.onEnd();
    };
    const onStepOut = this.#shared ? out.onStepOut : undefined;
    this.#modals.add(confirmWayOut(t, { ...out, onEnd, onStepOut }));
  }
}
customElements.define("call-stage", CallStage);
