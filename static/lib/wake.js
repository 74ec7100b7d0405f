/** Keeps a phone's screen on while somebody waits or talks: a locked phone loses camera and place. */

export class Wake {
  #lock = /** @type {WakeLockSentinel | null} */ (null);
  #wanted = false;
  #wakeLock;

  /** @param {WakeLock | undefined} wakeLock  navigator.wakeLock, where there is one */
  constructor(wakeLock) {
    this.#wakeLock = wakeLock;
  }

  /** @param {boolean} wanted */
  async keep(wanted) {
    this.#wanted = wanted;
    if (!wanted) {
      await this.#lock?.release().catch(() => {});
      this.#lock = null;
    } else if (!this.#lock || this.#lock.released) {
      this.#lock = (await this.#wakeLock?.request("screen").catch(() => null)) ?? null;
    }
  }

  /** The page is in front again: a lock is lost whenever it is not. */
  async again() {
    await this.keep(this.#wanted);
  }
}
