/** The few HTTP requests a page makes before it has a WebSocket. */

import { Refusal } from "./refusal.js";

/** @typedef {import("./types.js").Practice} Practice */
/** @typedef {import("./types.js").Provider} Provider */
/** @typedef {import("./types.js").Appointment} Appointment */
/** @typedef {{ticket: string, practice: Practice, provider: Provider, appointment: Appointment}} Joined */
/** @typedef {{practice: Practice, providers: {id: string, name: string}[]}} Lobby */
/** @typedef {{room: string, provider: {id: string, name: string}}} SharedRoom  another's room, with an appointment of ours */
/** @typedef {{ticket: string, provider: {id: string, name: string}, practice: Practice, rooms?: SharedRoom[]}} ProviderTicket */

export class Api {
  #fetch;

  /** @param {typeof fetch} fetcher */
  constructor(fetcher) {
    this.#fetch = fetcher;
  }

  /** Makes a ticket and changes nothing else. @param {string} token @returns {Promise<Joined>} */
  join(token) {
    return this.#send("POST", "/v1/join", { token });
  }

  /** @param {string} practice @returns {Promise<Lobby>} */
  lobby(practice) {
    return this.#send("GET", `/v1/practices/${encodeURIComponent(practice)}/lobby`);
  }

  /**
   * @param {{practice: string, provider: string, display_name: string}} who
   * @returns {Promise<{ticket: string, practice: Practice, provider: Provider}>}
   */
  knock(who) {
    return this.#send("POST", "/v1/knock", who);
  }

  /**
   * @param {string} username
   * @param {string} password
   * @returns {Promise<{provider: {id: string, name: string}, practice: Practice}>}
   */
  signIn(username, password) {
    return this.#send("POST", "/v1/sign-in", { username, password });
  }

  /** Whether this browser is signed in already. @returns {Promise<boolean>} */
  async signedIn() {
    return (await this.#send("GET", "/v1/sign-in")).signed_in;
  }

  /** @returns {Promise<unknown>} */
  signOut() {
    return this.#send("POST", "/v1/sign-out", {});
  }

  /** @param {string} [room]  one's own, unless named @returns {Promise<ProviderTicket>} */
  ticket(room) {
    return this.#send("POST", "/v1/tickets", room === undefined ? {} : { room });
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {unknown} [body]
   * @returns {Promise<any>}
   */
  async #send(method, path, body) {
    /** @type {Response} */
    let response;
    try {
      response = await this.#fetch(path, {
        method,
        credentials: "same-origin",
        cache: "no-store",
        headers: body === undefined ? {} : { "Content-Type": "application/json" },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
    } catch {
      throw new Refusal("unreachable", { temporary: true });
    }
    const answer = await response.json().catch(() => ({}));
    if (response.ok) return answer;
    throw new Refusal(answer.code ?? (response.status >= 500 ? "unavailable" : "invalid"), {
      temporary: response.status === 429 || response.status >= 500,
      retryAfter: Number(response.headers.get("Retry-After")) || undefined,
      status: response.status,
      reply: answer,
    });
  }
}
