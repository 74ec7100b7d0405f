/** What a provider's clicks ask for: each is done, or said plainly why not. */

import { openMatch } from "./components/entry-dialogs.js";
import { openFinish } from "./components/finish-dialog.js";
import { askWhy } from "./components/override-dialog.js";
import { matchesOf, membersOf, revOf } from "./lib/group.js";
import { codeOf, Refusal } from "./lib/refusal.js";
import { unnoticed } from "./lib/room.js";

/** @typedef {import("./lib/types.js").Entry} Entry */
/** @typedef {import("./lib/types.js").RoomVisit} RoomVisit */
/** @typedef {import("./lib/types.js").Status} Status */
/** @typedef {import("./lib/group.js").Member} Member */
/** @typedef {import("./lib/group.js").Match} Match */

/** After these the page shows something that is not so any more. */
const OUTDATED = ["stale", "busy", "not_ready", "not_found", "refused"];

export class Deeds {
  #rooms;
  #part;
  #self;
  #sounds;
  #t;
  #fail;
  #draw;

  /**
   * @param {Object} needs
   * @param {import("./rooms.js").Rooms} needs.rooms
   * @param {import("./lib/part.js").Part} needs.part
   * @param {import("./lib/self.js").Self} needs.self
   * @param {import("./lib/sounds.js").Sounds} needs.sounds
   * @param {() => import("./lib/i18n.js").Translator} needs.t
   * @param {(text: string) => void} needs.fail  shows it where the provider looks; empty takes it away
   * @param {() => void} needs.draw
   */
  constructor({ rooms, part, self, sounds, t, fail, draw }) {
    this.#rooms = rooms;
    this.#part = part;
    this.#self = self;
    this.#sounds = sounds;
    this.#t = t;
    this.#fail = fail;
    this.#draw = draw;
  }

  /** @param {Promise<unknown>} asked */
  async attempt(asked) {
    try {
      await asked;
      this.#fail("");
    } catch (error) {
      const code = codeOf(error);
      this.#fail(this.#t().say(`error.${code}`));
      if (OUTDATED.includes(code)) this.#rooms.sync();
    }
  }

  /**
   * @param {Entry} entry
   * @param {Match} [match]  whose seat somebody without a link takes
   * @param {{rule: string, reason: string}} [override]
   */
  async start(entry, match, override) {
    this.#askForDevices({ video: true });
    const view = this.#rooms.view;
    const walkIn = { entry: entry.id, ...(match ? { appointment: match.appointment.id, client: match.client.id } : {}) };
    const which = entry.verified && entry.appointment ? { appointment: entry.appointment } : walkIn;
    const rev = match ? match.appointment.rev : entry.verified && view ? revOf(view, entry) : undefined;
    const expect = rev === undefined ? {} : { expect: rev };
    try {
      const asked = this.#rooms.change(entry, "start", { ...which, ...expect, ...(override ? { override } : {}) });
      await this.#part.starts(entry, /** @type {Promise<any>} */ (asked));
      this.#fail("");
      this.#draw();
    } catch (error) {
      if (codeOf(error) === "too_many" && error instanceof Refusal && error.temporary) return this.#fail(this.#t().say("error.overloaded"));
      const rule = codeOf(error) === "policy" && error instanceof Refusal && error.reply.rule;
      if (!rule || override) return this.attempt(Promise.reject(error));
      this.#fail("");
      this.acknowledge([entry]);
      askWhy(String(rule), this.#t(), (given) => void this.start(entry, match, given));
    }
  }

  /** Into a session that somebody else began, or that is on another device of one's own. @param {RoomVisit} visit */
  join(visit) {
    this.#askForDevices({ video: true });
    const there = this.#rooms.takeOver(visit).then((came) => {
      if (came) this.#part.enters(visit.id);
      this.#draw();
    });
    return this.attempt(there);
  }

  /** Stop the repeating notice; the entries stay in the list. @param {Entry[]} entries */
  acknowledge(entries) {
    for (const entry of entries) {
      // Told to the page at once: a notice that was answered must not come back while the network is slow.
      if (this.#rooms.view && unnoticed(this.#rooms.view).some(({ id }) => id === entry.id)) {
        const { room: _room, ...told } = entry;
        this.#rooms.assume(entry, { type: "queue.changed", entry: { ...told, acknowledged: true } });
      }
      this.#rooms.change(entry, "acknowledge", { entry: entry.id }).catch(() => {});
    }
    this.#draw();
  }

  /** @param {Entry} entry @param {string} text */
  tell(entry, text) {
    return this.#rooms.change(entry, "tell_waiting", { entry: entry.id, text });
  }

  /** @param {Entry} entry @param {string | undefined} reason */
  removeWaiting(entry, reason) {
    void this.attempt(this.#rooms.change(entry, "remove", { entry: entry.id, ...(reason ? { reason } : {}) }));
  }

  /** @param {Status} status @param {number | undefined} minutes */
  setStatus(status, minutes) {
    this.#rooms.assume({}, { type: "waiting.changed", status, minutes });
    void this.attempt(this.#rooms.change({}, "set_status", { status, ...(minutes ? { minutes } : {}) }));
  }

  /** One after the other: each is let in on their own, and one refusal stops nobody else. @param {Entry[]} entries */
  async admit(entries) {
    for (const entry of entries) await this.attempt(this.#rooms.change(entry, "admit", { entry: entry.id }));
  }

  /**
   * Somebody without a link takes the seat that the provider says is theirs: their session starts, or they are let
   * into the one that is live.
   * @param {Entry} entry
   * @param {RoomVisit} [live]
   */
  match(entry, live) {
    const view = this.#rooms.view;
    if (!view) return;
    openMatch(entry, matchesOf(view, live), this.#t(), live !== undefined, (match) => {
      if (!live) return void this.start(entry, match);
      const seat = { appointment: match.appointment.id, client: match.client.id };
      void this.attempt(this.#rooms.change(entry, "admit", { entry: entry.id, ...seat }));
    });
  }

  /** @param {RoomVisit} visit @param {Member} member */
  sendBack(visit, member) {
    void this.attempt(this.#rooms.change(visit, "return_to_waiting", { participant: member.participant }));
  }

  /** @param {RoomVisit} visit @param {Member} member @param {string | undefined} reason */
  remove(visit, member, reason) {
    const who = member.entry ? { entry: member.entry.id } : { participant: member.participant };
    void this.attempt(this.#rooms.change(visit, "remove", { ...who, ...(reason ? { reason } : {}) }));
  }

  /** @param {RoomVisit} visit */
  end(visit) {
    // No `expect`: whoever came or went meanwhile, the provider means this session.
    return this.#rooms.change(visit, "end", { visit: visit.id });
  }

  /** @param {RoomVisit} visit */
  rejoin(visit) {
    this.#askForDevices();
    this.#part.enters(visit.id);
    const asked = this.#rooms.change(visit, "rejoin", { visit: visit.id }).catch((error) => {
      if (this.#part.visit === visit.id) this.#part.leaves();
      throw error;
    });
    void this.attempt(asked);
  }

  /** @param {RoomVisit} visit */
  withdraw(visit) {
    this.#part.leaves();
    void this.attempt(this.#rooms.change(visit, "withdraw", { visit: visit.id }));
  }

  /** @param {RoomVisit} visit @param {import("./components/finish-dialog.js").OutcomeGiven[]} [outcomes] */
  finish(visit, outcomes = []) {
    void this.attempt(this.#rooms.change(visit, "finish", { visit: visit.id, ...(outcomes.length ? { outcomes } : {}) }));
  }

  /** @param {RoomVisit} visit */
  finishWithOutcomes(visit) {
    const view = this.#rooms.view;
    if (view) openFinish(membersOf(view, visit), this.#t(), (outcomes) => this.finish(visit, outcomes));
  }

  /** Permission is asked for in the click, beside the request. @param {{video?: boolean}} [options] */
  #askForDevices(options) {
    this.#sounds.unlock();
    if (!this.#self.ready) void this.#self.open(options);
  }
}
