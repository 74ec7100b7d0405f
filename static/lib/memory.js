/** What a tab remembers over a reload: who it is and how to resume. Never a name, never a word about care. */

/** @typedef {{connection: string, secret: string, epoch: unknown, seq: number}} Resume */

/**
 * @typedef {Object} ResumeMemory
 * @property {() => Resume | null} load
 * @property {(resume: Resume) => void} save
 * @property {() => void} clear
 */

const PREFIX = "carelobby.";

/** Some browsers refuse storage altogether; then a reload starts anew, and nothing else is lost. */
export class TabMemory {
  #storage;
  #page;

  /**
   * @param {() => Storage} storage  asked for late, since merely naming it may throw
   * @param {string} page  keeps the client's and the provider's page apart
   */
  constructor(storage, page) {
    this.#page = page;
    try {
      this.#storage = storage();
    } catch {
      this.#storage = null;
    }
  }

  /** @param {string} name @returns {string | null} */
  get(name) {
    try {
      return this.#storage?.getItem(`${PREFIX}${this.#page}.${name}`) ?? null;
    } catch {
      return null;
    }
  }

  /** @param {string} name @param {string | null} value  null forgets it */
  set(name, value) {
    try {
      if (value === null) this.#storage?.removeItem(`${PREFIX}${this.#page}.${name}`);
      else this.#storage?.setItem(`${PREFIX}${this.#page}.${name}`, value);
    } catch {
      // Full or forbidden: the page works on without it.
    }
  }

  /** This tab's own name: survives a reload, differs per tab. @param {() => string} newId */
  device(newId) {
    const known = this.get("device");
    if (known) return known;
    const made = newId();
    this.set("device", made);
    return made;
  }

  /**
   * A duplicated tab inherits a copy of this memory, and two tabs must not take turns as one device: whoever finds the
   * name in use gives it up and begins anew.
   * @param {LockManager | undefined} locks  navigator.locks, where there is one
   * @param {() => string} newId
   * @param {AbortSignal} patience  a reloaded page waits a moment for its former self to let go
   */
  async beOneDevice(locks, newId, patience) {
    const name = `${PREFIX}${this.device(newId)}`;
    const alone = await new Promise((resolve) => {
      if (!locks) return resolve(true);
      const held = () => new Promise(() => resolve(true)); // as long as the page lives
      locks.request(name, { signal: patience }, held).catch(() => resolve(false));
    });
    if (alone) return;
    for (const copied of ["device", "resume", "in"]) this.set(copied, null);
  }

  /** @param {string} [name]  one for each connection of this tab @returns {ResumeMemory} */
  resume(name = "resume") {
    return {
      load: () => {
        try {
          return JSON.parse(this.get(name) ?? "null");
        } catch {
          return null;
        }
      },
      save: (resume) => this.set(name, JSON.stringify(resume)),
      clear: () => this.set(name, null),
    };
  }
}
