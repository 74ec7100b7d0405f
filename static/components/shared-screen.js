/** Somebody else's screen, large: the tiles make room for it. */

import { shownName } from "./call-tile.js";
import { h, setText } from "./dom.js";

/** @typedef {import("../lib/types.js").Participant} Participant */
/** @typedef {import("../lib/media.js").Remote} Remote */

export class SharedScreen extends HTMLElement {
  video = h("video", { playsinline: true, autoplay: true, muted: true });
  #name = h("bdi", { class: "tile-name" });
  /** Whose it is. */
  #owner = "";

  constructor() {
    super();
    this.hidden = true;
  }

  /**
   * @param {Participant[]} others
   * @param {Remote[]} remotes
   * @param {import("../lib/i18n.js").Translator} t
   * @returns {boolean} whether there is one
   */
  tell(others, remotes, t) {
    if (!this.firstChild) this.append(this.video, h("p", { class: "caption" }, this.#name));
    const shown = others.flatMap((one) => {
      const remote = one.screen && one.presence !== "gone" ? remotes.find(({ participant, source }) => participant === one.id && source === "screen") : undefined;
      return remote ? [{ one, stream: remote.stream }] : [];
    });
    const now = shown.find(({ one }) => one.id === this.#owner) ?? shown.at(-1); // whoever is shown stays
    this.#owner = now?.one.id ?? "";
    this.hidden = !now;
    if (this.video.srcObject !== (now?.stream ?? null)) {
      this.video.srcObject = now?.stream ?? null;
      if (now) this.video.play().catch(() => {}); // without sound it may always play, or it was taken away again
    }
    const name = now ? shownName(now.one.name, t) : "";
    this.video.setAttribute("aria-label", name ? t.say("session.screen_of", { name }) : "");
    setText(this.#name, name ? t.say("session.shares", { name }) : "");
    return !this.hidden;
  }
}
customElements.define("shared-screen", SharedScreen);
