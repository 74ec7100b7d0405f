/** What both pages share: the tab's memory, the language, the sounds, the frame around the screens. */

import { PageFrame } from "./components/frame.js";
import { whichBrowser } from "./lib/browser.js";
import { newId, systemClock } from "./lib/clock.js";
import { Connection } from "./lib/connection.js";
import { permissionsOf } from "./lib/devices.js";
import { pickLanguage, translator } from "./lib/i18n.js";
import { watchLevel } from "./lib/level.js";
import { TabMemory } from "./lib/memory.js";
import { Self } from "./lib/self.js";
import { Sounds } from "./lib/sounds.js";
import { Wake } from "./lib/wake.js";

/** @typedef {import("./lib/i18n.js").Translator} Translator */
/** @typedef {import("./lib/i18n.js").Catalog} Catalog */
/** @typedef {import("./lib/i18n.js").Language} Language */

export const browser = whichBrowser(navigator.userAgent, navigator.maxTouchPoints);

/** @param {"client" | "provider"} page */
export function setUp(page) {
  const memory = new TabMemory(() => sessionStorage, page);
  const self = new Self({ media: navigator.mediaDevices, permission: permissionsOf(navigator.permissions) });
  const sounds = new Sounds(() => new AudioContext());
  const wake = new Wake(navigator.wakeLock);
  const frame = new PageFrame(document);

  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) void wake.again();
  });
  return { memory, self, sounds, wake, frame };
}

/** What this browser remembers for longer than a tab lives. @param {"client" | "provider"} page */
export function kept(page) {
  return new TabMemory(() => localStorage, page);
}

/**
 * A WebSocket that is looked at again whenever the page or the network wakes up.
 * @param {TabMemory} memory         of the tab: which device this is
 * @param {import("./lib/memory.js").ResumeMemory} resume
 * @param {() => Promise<string>} ticket
 * @param {AbortSignal} [signal]     when it is needed no more
 */
export function connect(memory, resume, ticket, signal) {
  const url = new URL("/v1/ws", location.href);
  url.protocol = url.protocol.replace("http", "ws");
  const connection = new Connection({
    url: url.href,
    open: (address, protocol) => new WebSocket(address, protocol),
    ticket,
    memory: resume,
    device: () => memory.device(newId),
    clock: systemClock,
    random: Math.random,
    newId,
  });
  addEventListener("online", () => connection.nudge(), { signal });
  addEventListener("pageshow", (event) => event.persisted && connection.nudge(), { signal });
  document.addEventListener("visibilitychange", () => document.hidden || connection.nudge(), { signal });
  return connection;
}

/** @param {TabMemory} memory */
export function beOneDevice(memory) {
  return memory.beOneDevice(navigator.locks, newId, AbortSignal.timeout(1_500));
}

/** @param {Sounds} sounds @returns {(track: MediaStreamTrack, tell: (level: number) => void) => () => void} */
export function levelWatcher(sounds) {
  return (track, tell) => {
    const context = sounds.unlock();
    return context ? watchLevel(context, track, systemClock, tell) : () => {};
  };
}

/** The words, in the person's language; asked for again when they choose another. */
export class Words {
  /** @type {Translator} */
  t = translator("en", {}, {});
  /** @type {Map<string, Catalog>} */
  #catalogs = new Map();

  /** @param {(t: Translator) => void} onChange */
  constructor(onChange) {
    this.onChange = onChange;
  }

  async load() {
    const asked = new URLSearchParams(location.search).get("lang");
    await this.#use(pickLanguage([asked, remembered(), ...navigator.languages]));
  }

  /** @param {string} language */
  async choose(language) {
    const picked = pickLanguage([language]);
    try {
      localStorage.setItem("carelobby.language", picked);
    } catch {
      // Then it is asked again next time.
    }
    await this.#use(picked);
    this.onChange(this.t);
  }

  /** @param {Language} language */
  async #use(language) {
    const [catalog, fallback] = await Promise.all([this.#catalog(language), this.#catalog("en")]);
    this.t = translator(language, catalog, fallback);
  }

  /** @param {string} language @returns {Promise<Catalog>} */
  async #catalog(language) {
    const known = this.#catalogs.get(language);
    if (known) return known;
    try {
      const catalog = await (await fetch(`/static/i18n/${language}.json`)).json();
      this.#catalogs.set(language, catalog);
      return catalog;
    } catch {
      return {};
    }
  }
}

function remembered() {
  try {
    return localStorage.getItem("carelobby.language");
  } catch {
    return null;
  }
}

