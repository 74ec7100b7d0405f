/** The page's few sounds, made on the spot. Nothing plays before a person's click, and all can be muted. */

/** Notes as [frequency in Hz, start in s, length in s]. @type {Readonly<Record<string, [number, number, number][]>>} */
const TUNES = {
  ready: [[659, 0, 0.35], [880, 0.22, 0.6]],
  started: [[523, 0, 0.3], [659, 0.18, 0.3], [784, 0.36, 0.6]],
  test: [[523, 0, 0.4], [659, 0.35, 0.4], [784, 0.7, 0.7]],
};

export class Sounds {
  muted = false;
  /** @type {AudioContext | null} */
  #context = null;
  #make;

  /** @param {() => AudioContext} make */
  constructor(make) {
    this.#make = make;
  }

  /** Call it in a click: browsers let a page sound only after one. @returns {AudioContext | null} */
  unlock() {
    try {
      this.#context ??= this.#make();
      if (this.#context.state === "suspended") this.#context.resume().catch(() => {});
    } catch {
      // No sound on this machine; there are text and title too.
    }
    return this.#context;
  }

  /** Whether a sound would be heard now. */
  get audible() {
    return !this.muted && this.#context?.state === "running";
  }

  /** @param {"ready" | "started" | "test"} name @param {{always?: boolean}} [options]  always: a person asked for it */
  play(name, { always = false } = {}) {
    const context = this.unlock();
    if (!context || (this.muted && !always)) return;
    for (const [frequency, start, length] of TUNES[name] ?? []) {
      const at = context.currentTime + start;
      const tone = context.createOscillator();
      const volume = context.createGain();
      tone.type = "sine";
      tone.frequency.value = frequency;
      volume.gain.setValueAtTime(0.0001, at);
      volume.gain.exponentialRampToValueAtTime(0.25, at + 0.03);
      volume.gain.exponentialRampToValueAtTime(0.0001, at + length);
      tone.connect(volume).connect(context.destination);
      tone.start(at);
      tone.stop(at + length + 0.05);
    }
  }
}
