/** The rooms a provider looks into, each on a WebSocket of its own: theirs, and those they share an appointment in. */

import { Emitter } from "./lib/emitter.js";
import { mergeViews } from "./lib/merge.js";
import { awaits, foldProvider } from "./lib/room.js";
import { connect } from "./page.js";
import { Session } from "./session.js";

/** @typedef {import("./lib/connection.js").Connection} Connection */
/** @typedef {import("./lib/types.js").ProviderView} ProviderView */
/** @typedef {import("./lib/types.js").Message} Message */
/** @typedef {{room?: string}} Placed  something of a room; without one, of one's own */

/** One room: what is known of it, and the session there may be in it. */
class Line {
  /** @type {ProviderView | null} */
  view = null;
  life = new AbortController();
  connection;
  session;

  /**
   * @param {import("./lib/memory.js").TabMemory} memory
   * @param {string} name  of its place in the tab's memory
   * @param {() => Promise<string>} ticket
   * @param {import("./lib/self.js").Self} self
   */
  constructor(memory, name, ticket, self) {
    this.connection = connect(memory, memory.resume(name), ticket, this.life.signal);
    this.session = new Session(this.connection, self, this.life.signal);
  }

  stop() {
    this.session.leave();
    this.session.awaits(false);
    this.connection.stop();
    this.view = null;
  }
}

/**
 * `message` comes after it was folded in; `closed` without a room is of one's own.
 * @extends {Emitter<{message: {message: Message, room: string, before: ProviderView | null}, state: null, closed: {code: number, room?: string}}>}
 */
export class Rooms extends Emitter {
  /** @type {ProviderView | null} of all rooms */
  view = null;
  #own;
  /** @type {Map<string, Line>} */
  #shared = new Map();
  #memory;
  #self;
  #ticket;

  /**
   * @param {Object} needs
   * @param {import("./lib/memory.js").TabMemory} needs.memory
   * @param {import("./lib/self.js").Self} needs.self
   * @param {(room?: string) => Promise<string>} needs.ticket
   */
  constructor({ memory, self, ticket }) {
    super();
    this.#memory = memory;
    this.#self = self;
    this.#ticket = ticket;
    this.#own = this.#line("", () => ticket());
    this.#own.connection.on("closed", (closing) => {
      this.#stopShared();
      this.#own.view = null;
      this.#merge();
      this.emit("closed", closing);
    });
  }

  /** The connection of one's own room. */
  get own() {
    return this.#own.connection;
  }

  /** @param {Placed} thing @returns {Line} */
  of({ room }) {
    return (room === undefined ? undefined : this.#shared.get(room)) ?? this.#own;
  }

  /** @param {{takeover?: boolean}} [options] */
  start(options) {
    this.own.start(options);
    for (const { connection } of this.#shared.values()) connection.start(options);
  }

  /** Look into these rooms as well, and no longer into others. @param {string[]} rooms */
  share(rooms) {
    for (const [room, line] of this.#shared) if (!rooms.includes(room)) this.#drop(room, line);
    for (const room of rooms) {
      if (this.#shared.has(room)) continue;
      const line = this.#line(room, () => this.#ticket(room));
      this.#shared.set(room, line);
      line.connection.on("closed", ({ code }) => {
        this.#drop(room, line);
        this.emit("closed", { code, room });
      });
      line.connection.start();
    }
  }

  stop() {
    this.#stopShared();
    this.#own.stop();
    this.#merge();
  }

  /** Media of every session but this one's stop. @param {Line | null} [present] */
  leave(present = null) {
    for (const line of [this.#own, ...this.#shared.values()]) if (line !== present) line.session.leave();
  }

  /** Where a session may begin at any click, be prepared; or nowhere. @param {boolean} free */
  prepare(free) {
    for (const { session, view } of [this.#own, ...this.#shared.values()]) session.awaits(free && view !== null && awaits(view));
  }

  /** @param {Placed} thing @param {string} type @param {Record<string, unknown>} [fields] */
  change(thing, type, fields) {
    return this.of(thing).connection.change(type, fields);
  }

  /** This device and no other of one's own is in the room of something. @param {Placed} thing */
  takeOver(thing) {
    return this.of(thing).connection.takeOver();
  }

  /** Show what is true: every room is asked anew. */
  sync() {
    for (const { connection } of [this.#own, ...this.#shared.values()]) connection.ask("sync").catch(() => {});
  }

  /** Fold something in before the server says so. @param {Placed} thing @param {Message} message */
  assume(thing, message) {
    const line = this.of(thing);
    line.view = foldProvider(line.view, message);
    this.#merge();
  }

  /** @param {string} room @param {() => Promise<string>} ticket */
  #line(room, ticket) {
    const line = new Line(this.#memory, room ? `resume.${room}` : "resume", ticket, this.#self);
    line.connection.on("message", (message) => {
      const before = this.view;
      const had = line.view;
      line.view = foldProvider(line.view, message);
      if (line.view !== had) this.#merge();
      this.emit("message", { message, room, before });
    });
    line.connection.on("state", () => this.emit("state", null));
    return line;
  }

  /** @param {string} room @param {Line} line */
  #drop(room, line) {
    if (this.#shared.get(room) !== line) return;
    this.#shared.delete(room);
    line.stop();
    line.life.abort();
    this.#merge();
    this.emit("state", null);
  }

  #stopShared() {
    for (const [room, line] of [...this.#shared]) this.#drop(room, line);
  }

  #merge() {
    this.view = mergeViews(this.#own.view, [...this.#shared].map(([room, { view }]) => /** @type {const} */ ([room, view])));
  }
}
