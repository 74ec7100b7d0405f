/** How a client's page comes in: by the link in its address, or by knocking at the practice's page under a name. */

import { codeOf, Refusal } from "./lib/refusal.js";

/** @typedef {import("./lib/api.js").Joined} Joined */
/** @typedef {import("./lib/api.js").Lobby} Lobby */
/** @typedef {import("./lib/types.js").ClientView} ClientView */

/** `/p/{practice}/telehealth` is the unverified lane. */
const LANE = /^\/p\/([^/]+)\/telehealth\/?$/;

export class Entrance {
  /** @type {Joined | null} what the link told before anybody was told of us */
  joined = null;
  /** @type {Lobby | null} */
  lobby = null;
  /** @type {{provider: string, display_name: string} | null} */
  knocking = null;
  #lane;
  #api;
  #memory;
  #onPractice;

  /**
   * @param {Object} needs
   * @param {import("./lib/api.js").Api} needs.api
   * @param {import("./lib/memory.js").TabMemory} needs.memory
   * @param {string} needs.path  of the page
   * @param {(practice: import("./lib/types.js").Practice) => void} needs.onPractice
   */
  constructor({ api, memory, path, onPractice }) {
    this.#api = api;
    this.#memory = memory;
    this.#lane = LANE.exec(path)?.[1];
    this.#onPractice = onPractice;
  }

  /** Without a link, by the practice's page. */
  get unverified() {
    return this.#lane !== undefined && !this.#memory.get("token");
  }

  /** What is known of the practice without a connection. */
  get practice() {
    return (this.joined ?? this.lobby)?.practice;
  }

  /** Keep the link's secret, and take it out of the address: it is not to be read over a shoulder. */
  takeToken() {
    const token = decodeURIComponent(location.hash.slice(1));
    if (!token) return;
    if (token !== this.#memory.get("token")) this.#memory.resume().clear(); // another appointment: nothing of the last one is ours
    this.#memory.set("token", token);
    history.replaceState(null, "", location.pathname + location.search);
  }

  /** A fresh ticket: by the link, or by knocking under a name. @returns {Promise<string>} */
  async ticket() {
    const token = this.#memory.get("token");
    if (token) return this.#learn(await this.#api.join(token)).ticket;
    if (this.#lane && this.knocking) return (await this.#api.knock({ practice: this.#lane, ...this.knocking })).ticket;
    throw new Refusal("bad_link");
  }

  /** What the page shows before check-in. Opening a link joins nothing. @returns {Promise<{reason: string, code?: string} | null>} what is wrong */
  async look() {
    const token = this.#memory.get("token");
    try {
      if (token) this.#learn(await this.#api.join(token));
      else if (this.#lane) this.#onPractice((this.lobby = await this.#api.lobby(decodeURIComponent(this.#lane))).practice);
      else return { reason: "no_link" };
    } catch (error) {
      const code = codeOf(error);
      return { reason: code === "bad_link" || code === "not_found" ? "bad_link" : "unreachable", code };
    }
    return null;
  }

  /** In a group one leaves, and ends nothing. @param {ClientView} now */
  inGroup(now) {
    return now.appointment?.group ?? this.#memory.get("group") === "yes";
  }

  /** Whether this client may choose a name for the others of the group to see. */
  get mayChooseName() {
    return this.#memory.get("group") === "yes" && this.#memory.get("names") !== "yes";
  }

  /** @param {Joined} told */
  #learn(told) {
    this.joined = told;
    this.#onPractice(told.practice);
    // A reloaded page that resumes is not told again.
    this.#memory.set("group", told.appointment.group ? "yes" : null);
    this.#memory.set("names", told.appointment.names ? "yes" : null);
    return told;
  }
}
