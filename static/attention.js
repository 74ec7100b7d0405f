/** Calls a provider's attention until somebody answers: sound, title, desktop notice. Never only one of them. */

import { unnoticed } from "./lib/room.js";

/** @typedef {import("./lib/i18n.js").Translator} Translator */
/** @typedef {import("./lib/types.js").ProviderView} ProviderView */

/** ms between one sound and the next; during a session it is heard once per arrival. */
const REPEAT = 6_000;
const FLASH = 1_200;

export class Attention {
  #sounds;
  #title = document.title;
  #flash = false;
  /** @type {Set<string>} */
  #heard = new Set();
  /** @type {ProviderView | null} */
  #view = null;
  /** @type {Translator | null} */
  #t = null;
  #quiet = false;
  /** @type {Notification | null} */
  #notice = null;
  #last = 0;

  /** @param {import("./lib/sounds.js").Sounds} sounds */
  constructor(sounds) {
    this.#sounds = sounds;
    setInterval(() => this.#tick(), FLASH);
  }

  /** @param {string} title  of the page when nobody calls */
  title(title) {
    this.#title = title;
    this.#tick();
  }

  /** @param {ProviderView | null} view @param {Translator} t @param {boolean} quiet  in a session: one sound, no repeating */
  tell(view, t, quiet) {
    this.#view = view;
    this.#t = t;
    this.#quiet = quiet;
    const ready = view ? unnoticed(view) : [];
    for (const { id } of ready) {
      if (this.#heard.has(id)) continue;
      this.#heard.add(id);
      this.#ring();
      this.#notify();
    }
    if (ready.length === 0) this.#notice?.close();
    this.#tick();
  }

  #tick() {
    const first = this.#view ? unnoticed(this.#view) : [];
    const entry = first[0];
    this.#flash = entry !== undefined && !this.#flash;
    const called = entry && this.#t?.say("ready.tab", { count: first.length, name: entry.client.name });
    document.title = this.#flash && called ? called : this.#title;
    if (entry && !this.#quiet && Date.now() - this.#last >= REPEAT) this.#ring();
  }

  #ring() {
    this.#last = Date.now();
    this.#sounds.play("ready");
  }

  /** No name in it: it may be read on a locked or shared screen. */
  #notify() {
    if (!document.hidden || globalThis.Notification?.permission !== "granted" || !this.#t) return;
    // Each arrival calls anew, and the last notice stays until somebody has answered.
    const how = { tag: "carelobby-ready", renotify: true, requireInteraction: true, icon: "/static/icon.svg" };
    const notice = new Notification(this.#t.say("ready.notification"), how);
    this.#notice = notice;
    notice.onclick = () => {
      focus();
      notice.close();
    };
  }
}
