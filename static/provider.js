/** The provider's page: who is ready, Start, the session, End, and Rejoin or Finish. */

import { Attention } from "./attention.js";
import { DeviceCheck } from "./components/device-check.js";
import { h, freshId } from "./components/dom.js";
import { EndedScreen } from "./components/ended.js";
import { Modal } from "./components/frame.js";
import { icon } from "./components/icons.js";
import { MessageScreen } from "./components/message-screen.js";
import { ProviderRoom } from "./components/provider-room.js";
import { ReadyBanner, ReadyDialog } from "./components/ready-notice.js";
import { SignIn } from "./components/sign-in.js";
import { Api } from "./lib/api.js";
import { CLOSE } from "./lib/connection.js";
import { codeOf, Refusal } from "./lib/refusal.js";
import { clientsOf, endedVisits, foldProvider, liveVisit, unnoticed } from "./lib/room.js";
import { beOneDevice, browser, levelWatcher, setUp, Words } from "./page.js";
import { Session } from "./session.js";

/** @typedef {import("./lib/types.js").ProviderView} ProviderView */
/** @typedef {import("./lib/types.js").Entry} Entry */
/** @typedef {import("./lib/types.js").RoomVisit} RoomVisit */
/** @typedef {import("./lib/types.js").Practice} Practice */
/** @typedef {{name: string, screen: import("./components/dom.js").Screen}} Shown */

const api = new Api(fetch.bind(globalThis));
const words = new Words(() => draw());
const { memory, connection, self, sounds, wake, frame } = setUp("provider", ticket);
const session = new Session(connection, self);
const attention = new Attention(sounds);
const ready = new ReadyDialog({ onStart: (entry) => void start(entry), onLater: acknowledge });
const banner = new ReadyBanner();
banner.show(acknowledge);

/** @type {{id: string, name: string} | null} */
let me = null;
/** @type {Practice | null} */
let practice = null;
/** @type {string | null} the ticket that came with the sign-in, good for one hello */
let first = null;
/** @type {ProviderView | null} */
let view = null;
/** @type {"loading" | "sign-in" | "room" | "displaced"} */
let place = "loading";
/** @type {string | null} an ended visit that is looked at */
let looking = null;
let note = "";
/** @type {Shown | null} */
let shown = null;

/** A fresh ticket for the WebSocket; signed out means no. @returns {Promise<string>} */
async function ticket() {
  const known = first;
  first = null;
  if (known) return known;
  return (await api.ticket()).ticket;
}

async function begin() {
  await Promise.all([words.load(), beOneDevice(memory)]);
  draw({ focus: false });
  addEventListener("pointerdown", () => sounds.unlock(), { capture: true });
  addEventListener("keydown", () => sounds.unlock(), { capture: true });
  await enter();
}

/** Into the room, if signed in; else to the sign-in. */
async function enter() {
  try {
    // Asked first, so that a page opened by somebody who has yet to sign in shows no error in the browser's console.
    if (!(await api.signedIn())) {
      place = "sign-in";
      draw();
      return;
    }
    const got = await api.ticket();
    ({ ticket: first, provider: me, practice } = got);
    frame.practice(practice);
    place = "room";
    connection.start();
  } catch (error) {
    place = "sign-in";
    if (codeOf(error) === "unreachable") note = words.t.say("error.unreachable");
  }
  draw({ focus: place !== "sign-in" });
}

/** @param {SignIn} screen @param {string} username @param {string} password */
async function signIn(screen, username, password) {
  try {
    await api.signIn(username, password);
    note = "";
    await enter();
  } catch (error) {
    screen.fail(words.t.say(`error.${codeOf(error)}`));
  }
}

async function signOut() {
  session.leave();
  connection.stop();
  self.close();
  view = null;
  me = null;
  place = "sign-in";
  await api.signOut().catch(() => {});
  draw();
}

connection.on("message", (message) => {
  const before = view;
  view = foldProvider(view, message);
  if (message.type === "visit.ended") looking = message.visit;
  if (before === null && view) looking = endedVisits(view).at(-1)?.id ?? null; // a reload changes no screen
  if (message.type === "visit.closed" && message.visit === looking) looking = null;
  if (message.type === "visit.resumed" || message.type === "visit.started") sounds.play("started");
  if (message.type === "visit.rejoin_pending" && message.agreed?.includes("client")) {
    looking = message.visit;
    sounds.play("ready");
  }
  if (message.type === "displaced") place = "displaced";
  if (view !== before || message.type === "displaced") draw();
});
connection.on("state", () => draw());
connection.on("closed", ({ code }) => {
  view = null;
  if (code === CLOSE.DISPLACED) place = "displaced";
  else {
    place = "sign-in";
    note = words.t.say("signin.expired");
  }
  draw();
});

/** The visit whose end is shown, if it still may be rejoined. */
function lookedAt() {
  return view ? endedVisits(view).find(({ id }) => id === looking) : undefined;
}

/** @returns {"loading" | "sign-in" | "room" | "session" | "ended" | "displaced"} */
function screenName() {
  if (place !== "room") return place;
  if (!view) return "loading";
  if (liveVisit(view)) return "session";
  return lookedAt() ? "ended" : "room";
}

/** @param {{focus?: boolean}} [options] */
function draw({ focus = true } = {}) {
  const t = words.t;
  const name = screenName();
  const live = view ? liveVisit(view) : undefined;
  const key = `${name}/${t.language}/${name === "session" ? `${live?.id}/${live?.segment}` : name === "ended" ? looking : ""}`;
  if (!shown || shown.name !== key) {
    if (name !== "session") session.leave();
    if (name === "ended" || name === "sign-in") self.close(); // the light goes out with the session
    showFrame();
    shown = { name: key, screen: make(name) };
    frame.screen(name === "loading" || name === "displaced" ? "room" : name, shown.screen, { focus: focus && name !== "loading" });
    attention.title(t.say(name === "sign-in" ? "signin.title" : "room.title"));
    void wake.keep(name === "session");
  }
  tell(name);
  const lost = name !== "session" && place === "room" && view !== null && connection.state !== "open";
  frame.line(lost ? t.say("line.lost") : "");
}

/** @param {string} name */
function tell(name) {
  const t = words.t;
  const screen = shown?.screen;
  if (screen instanceof ProviderRoom && view) screen.tell(view);
  const visit = lookedAt();
  if (screen instanceof EndedScreen && visit) screen.tell(ended(visit), t);
  if (name === "session" && view) session.tell(liveVisit(view)?.participants ?? []);
  // In a session, and while deciding on one, a banner; else the dialog in the middle of the screen.
  ready.tell(name === "room" ? view : null, t, !sounds.muted && !sounds.audible);
  if (view) banner.tell(view, t);
  attention.tell(name === "sign-in" ? null : view, t, name === "session");
}

function showFrame() {
  const t = words.t;
  if (place === "sign-in" || place === "loading") return frame.show(t, (language) => void words.choose(language));
  const sound = h("button", { type: "button", class: "quiet icon-only", "aria-pressed": String(!sounds.muted), "aria-label": t.say("room.sound"), title: t.say("room.sound") }, icon(sounds.muted ? "bell-off" : "bell"));
  sound.addEventListener("click", () => {
    sounds.muted = !sounds.muted;
    sound.setAttribute("aria-pressed", String(!sounds.muted));
    sound.replaceChildren(icon(sounds.muted ? "bell-off" : "bell"));
  });
  const notices = h("button", { type: "button", class: "quiet wide-tool" }, t.say("room.notifications"));
  notices.hidden = globalThis.Notification?.permission !== "default";
  notices.addEventListener("click", () => void Notification.requestPermission().then(() => (notices.hidden = true)));
  const out = h("button", { type: "button", class: "quiet wide-tool sign-out", on: { click: () => void signOut() } }, t.say("signin.out"));
  frame.show(t, (language) => void words.choose(language), notices, sound, out);
}

/** @param {string} name @returns {import("./components/dom.js").Screen} */
function make(name) {
  const t = words.t;
  const live = view && liveVisit(view);
  if (name === "session" && live) return makeSession(live);
  const visit = lookedAt();
  if (name === "ended" && visit) return makeEnded(visit);
  if (name === "room" && view) return makeRoom(view);
  if (name === "sign-in") {
    const screen = new SignIn();
    screen.show({ t, note, onSubmit: (username, password) => void signIn(screen, username, password) });
    return screen;
  }
  const screen = new MessageScreen();
  const here = { label: t.say("stopped.use_this"), onClick: useThis };
  if (name === "displaced") {
    screen.show({ t, title: t.say("room.displaced"), text: [t.say("stopped.displaced_more")], picture: "alert", actions: [here] });
  } else screen.show({ t, title: t.say("loading.title"), text: [], picture: "clock" });
  return screen;
}

function useThis() {
  place = "room";
  connection.start({ takeover: true });
  draw();
}

/** @param {ProviderView} now */
function makeRoom(now) {
  const screen = new ProviderRoom();
  screen.show({
    t: words.t,
    view: now,
    now: () => connection.now(),
    name: me?.name ?? "",
    actions: {
      onStart: (entry) => void start(entry),
      onAcknowledge: acknowledge,
      onTell: (entry, text) => connection.change("tell_waiting", { entry: entry.id, text }),
      onRemove: (entry) => void attempt(connection.change("remove", { entry: entry.id })),
      onStatus: (status, minutes) => void setStatus(status, minutes),
      onRejoin(visit) {
        looking = visit.id;
        draw();
        rejoin(visit);
      },
      onFinish: (visit) => void attempt(connection.change("finish", { visit: visit.id })),
      onDevices: openDevices,
    },
  });
  return screen;
}

/** @param {import("./lib/types.js").Status} status @param {number | undefined} minutes */
async function setStatus(status, minutes) {
  if (view) view = { ...view, status, minutes };
  await attempt(connection.change("set_status", { status, ...(minutes ? { minutes } : {}) }));
}

/** Do it, and say plainly when it cannot be done. @param {Promise<unknown>} asked */
async function attempt(asked) {
  try {
    await asked;
    fail("");
  } catch (error) {
    fail(words.t.say(`error.${codeOf(error)}`));
    if (["stale", "busy", "not_ready", "not_found", "refused"].includes(codeOf(error))) connection.ask("sync").catch(() => {});
  }
}

/** @param {string} text */
function fail(text) {
  const screen = shown?.screen;
  if (screen instanceof ProviderRoom || screen instanceof EndedScreen) screen.fail(text);
  ready.fail(text);
}

/** @param {Entry} entry @param {{rule: string, reason: string}} [override] */
async function start(entry, override) {
  sounds.unlock();
  const which = entry.verified && entry.appointment ? { appointment: entry.appointment } : { entry: entry.id };
  const expect = entry.verified && entry.rev !== undefined ? { expect: entry.rev } : {};
  if (!self.ready) void self.open({ video: true }); // permission is asked for in the click, beside the request
  try {
    await connection.change("start", { ...which, ...expect, ...(override ? { override } : {}) });
    fail("");
  } catch (error) {
    if (codeOf(error) === "policy" && error instanceof Refusal && error.reply.rule && !override) {
      fail("");
      askWhy(entry, String(error.reply.rule));
    } else await attempt(Promise.reject(error));
  }
}

/** A rule speaks against it: the provider may know better, and says why. @param {Entry} entry @param {string} rule */
function askWhy(entry, rule) {
  const t = words.t;
  acknowledge(entry);
  const reason = h("input", { id: freshId("reason"), type: "text", maxlength: 200 });
  const cancel = h("button", { type: "button", class: "secondary" }, t.say("tell.cancel"));
  const go = h("button", { type: "button", class: "primary" }, t.say("override.confirm"));
  const modal = new Modal({
    title: t.say("override.title"),
    body: [h("p", {}, t.say("override.more", { rule: rule.replaceAll("_", " ") })), h("label", { for: reason.id }, t.say("override.reason")), reason],
    actions: [cancel, go],
  });
  cancel.addEventListener("click", () => modal.close());
  go.addEventListener("click", () => {
    if (!reason.value.trim()) return reason.focus();
    modal.close();
    void start(entry, { rule, reason: reason.value.trim() });
  });
  modal.open();
}

/** Stop the repeating notice; the entry stays in the list. @param {Entry} entry */
function acknowledge(entry) {
  // Told to the page at once: a notice that was answered must not come back while the network is slow.
  if (view && unnoticed(view).some(({ id }) => id === entry.id)) {
    view = foldProvider(view, { type: "queue.changed", entry: { ...entry, acknowledged: true } });
  }
  draw();
  connection.change("acknowledge", { entry: entry.id }).catch(() => {});
}

/** @param {RoomVisit} live */
function makeSession(live) {
  const names = clientsOf(live).map(({ name }) => name).join(", ");
  const stage = session.enter({
    t: words.t,
    visit: live.id,
    segment: live.segment ?? 1,
    iceServers: live.ice_servers,
    participants: live.participants,
    title: words.t.say("session.title", { name: names }),
    practice,
    way: "end",
    startedAt: live.started_at,
    onEnd: () => void end(live),
  });
  stage.beside(banner);
  return stage;
}

/** @param {RoomVisit} live */
async function end(live) {
  try {
    await connection.change("end", { visit: live.id });
  } catch {
    shown = null; // ended by the other side at that moment, or not at all: show what is true
    draw();
    connection.ask("sync").catch(() => {});
  }
}

/** @param {RoomVisit} visit */
function ended(visit) {
  return {
    role: /** @type {const} */ ("provider"),
    other: clientsOf(visit).map(({ name }) => name).join(", "),
    until: visit.rejoin_until,
    agreed: visit.agreed ?? [],
  };
}

/** @param {RoomVisit} visit */
function rejoin(visit) {
  sounds.unlock();
  if (!self.ready) void self.open(); // permission is asked for in the click
  void attempt(connection.change("rejoin", { visit: visit.id }));
}

/** @param {RoomVisit} visit */
function makeEnded(visit) {
  const screen = new EndedScreen();
  const change = (/** @type {string} */ what) => void attempt(connection.change(what, { visit: visit.id }));
  screen.show({
    t: words.t,
    ended: ended(visit),
    now: () => connection.now(),
    onRejoin: () => rejoin(visit),
    onWithdraw: () => change("withdraw"),
    onFinish: () => change("finish"),
    onLater() {
      looking = null;
      draw();
    },
  });
  return screen;
}

function openDevices() {
  const t = words.t;
  const done = () => modal.close();
  const check = new DeviceCheck();
  const close = h("button", { type: "button", class: "secondary" }, t.say("dialog.close"));
  const modal = new Modal({ title: t.say("room.devices_title"), kind: "devices", body: [check], actions: [close] });
  check.show({
    t,
    self,
    browser,
    watchLevel: levelWatcher(sounds),
    onTestSound: () => sounds.play("test", { always: true }),
    onContinue: done,
    title: t.say("room.devices_title"),
  });
  close.addEventListener("click", done);
  modal.dialog.addEventListener("close", () => self.close()); // no camera runs in an empty room
  modal.open();
  void self.open({ video: true });
}

void begin();
