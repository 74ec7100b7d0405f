/** Which session a provider's page takes part in: by a click of its person's, kept over a reload and over a crash. */

/** @typedef {import("./memory.js").TabMemory} TabMemory */

/**
 * Several providers share a session, and one may have several devices: none of these pages turns its camera on because
 * somebody else clicked. Only ids are kept.
 */
export class Part {
  /** @type {string | null} the visit this page takes part in, or has chosen to rejoin */
  visit = null;
  /** @type {string | null} the one it took part in last */
  last = null;
  #tab;
  #browser;
  #locks;
  /** Its Start is under way in this room; one's own is "". @type {string | null} */
  #starting = null;
  /** @type {() => void} */
  #letGo = () => {};

  /**
   * @param {TabMemory} tab       lives as long as the tab
   * @param {TabMemory} browser   outlives a crash
   * @param {LockManager | undefined} locks
   */
  constructor(tab, browser, locks) {
    this.#tab = tab;
    this.#browser = browser;
    this.#locks = locks;
  }

  /** What this page took part in before it was reloaded; or another page of this browser, if that is no more. */
  async restore() {
    const before = this.#tab.get("in");
    const crashed = before ? null : this.#browser.get("in");
    if (before) this.enters(before);
    else if (crashed && (await this.#hold(crashed))) this.enters(crashed);
  }

  /** Somebody clicks Start: the session that begins there is theirs. @param {{room?: string}} where @param {Promise<{visit?: string}>} asked */
  async starts({ room = "" }, asked) {
    this.#starting = room;
    try {
      const { visit } = await asked;
      if (visit) this.enters(visit);
    } finally {
      this.#starting = null;
    }
  }

  /** A session began. @param {string} visit @param {string} room */
  began(visit, room) {
    if (this.#starting === room) this.enters(visit); // told before the answer to our own click
  }

  /** @param {string} visit */
  enters(visit) {
    if (this.visit === visit) return;
    this.leaves();
    this.visit = this.last = visit;
    this.#tab.set("in", visit);
    this.#browser.set("in", visit);
    void this.#hold(visit);
  }

  leaves() {
    if (this.visit === null) return;
    if (this.#browser.get("in") === this.visit) this.#browser.set("in", null);
    this.#tab.set("in", null);
    this.visit = null;
    this.#letGo();
  }

  /** While this page lives, no other of this browser takes it for crashed. @param {string} visit @returns {Promise<boolean>} */
  #hold(visit) {
    return new Promise((resolve) => {
      if (!this.#locks) return resolve(false);
      const held = (/** @type {Lock | null} */ lock) => {
        if (!lock) return resolve(this.visit === visit);
        this.#letGo();
        return new Promise((letGo) => {
          this.#letGo = () => letGo(undefined);
          resolve(true);
        });
      };
      this.#locks.request(`carelobby.in.${visit}`, { ifAvailable: true }, held).catch(() => resolve(false));
    });
  }
}
