/** The provider's page: who is ready, Start, the session, End, and Rejoin or Finish. */

import { Attention } from "./attention.js";
import { openDevicesDialog } from "./components/devices-dialog.js";
import { EndedScreen } from "./components/ended.js";
import { GroupPanel } from "./components/group-panel.js";
import { MessageScreen } from "./components/message-screen.js";
import { ProviderRoom } from "./components/provider-room.js";
import { providerTools } from "./components/provider-tools.js";
import { ReadyBanner, ReadyDialog } from "./components/ready-notice.js";
import { SignIn } from "./components/sign-in.js";
import { Deeds } from "./deeds.js";
import { Api } from "./lib/api.js";
import { CLOSE } from "./lib/connection.js";
import { isGroup, membersOf } from "./lib/group.js";
import { codeOf } from "./lib/refusal.js";
import { Part } from "./lib/part.js";
import { clientsOf, endedVisits, liveVisits } from "./lib/room.js";
import { beOneDevice, browser, kept, levelWatcher, setUp, Words } from "./page.js";
import { Rooms } from "./rooms.js";

/** @typedef {import("./lib/types.js").ProviderView} ProviderView */
/** @typedef {import("./lib/types.js").RoomVisit} RoomVisit */
/** @typedef {import("./lib/types.js").Practice} Practice */
/** @typedef {import("./lib/api.js").ProviderTicket} ProviderTicket */
/** @typedef {{name: string, screen: import("./components/dom.js").Screen}} Shown */

/** ms between one look for appointments that others share with this provider and the next. */
const LOOK = 5 * 60_000;

const api = new Api(fetch.bind(globalThis));
const words = new Words(() => draw());
const { memory, self, sounds, wake, frame } = setUp("provider");
const rooms = new Rooms({ memory, self, ticket });
const part = new Part(memory, kept("provider"), navigator.locks);
const attention = new Attention(sounds);
const deeds = new Deeds({ rooms, part, self, sounds, t: () => words.t, fail, draw: () => draw() });
const ready = new ReadyDialog({
  onStart: (entry) => void deeds.start(entry),
  onAdmit: (entry) => void deeds.admit([entry]),
  onMatch: (entry) => deeds.match(entry),
  onLater: (entries) => deeds.acknowledge(entries),
});
const banner = new ReadyBanner();
banner.show({ onLater: (entries) => deeds.acknowledge(entries), onAdmit: (entry) => void deeds.admit([entry]) });

/** @type {{id: string, name: string} | null} */
let me = null;
/** @type {Practice | null} */
let practice = null;
/** @type {string | null} the ticket that came with the sign-in, good for one hello */
let first = null;
/** @type {"loading" | "sign-in" | "room" | "displaced"} */
let place = "loading";
/** @type {string | null} an ended visit that is looked at */
let looking = memory.get("looking");
/** @type {string | null} the visit that another device took over */
let taken = null;
/** @type {GroupPanel | null} */
let people = null;
let note = "";
/** @type {Shown | null} */
let shown = null;

/** A fresh ticket for the WebSocket of a room; signed out means no. @param {string} [room] @returns {Promise<string>} */
async function ticket(room) {
  if (room !== undefined) return (await api.ticket(room)).ticket;
  const known = first;
  first = null;
  return known ?? learn(await api.ticket()).ticket;
}

/** Who this is, and which rooms of others hold an appointment of theirs. @param {ProviderTicket} got */
function learn(got) {
  ({ provider: me, practice } = got);
  frame.practice(practice);
  const shared = (got.rooms ?? []).map(({ room }) => room);
  queueMicrotask(() => rooms.share(shared)); // after one's own room has begun
  return got;
}

async function begin() {
  await Promise.all([words.load(), beOneDevice(memory)]);
  await part.restore();
  draw({ focus: false });
  addEventListener("pointerdown", () => sounds.unlock(), { capture: true });
  addEventListener("keydown", () => sounds.unlock(), { capture: true });
  setInterval(() => void lookAround(), LOOK);
  await enter();
}

async function lookAround() {
  if (place === "room" && rooms.own.state === "open") await api.ticket().then(learn, () => {});
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
    first = learn(await api.ticket()).ticket;
    place = "room";
    rooms.own.start();
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
  rooms.stop();
  part.leaves();
  self.close();
  me = null;
  place = "sign-in";
  await api.signOut().catch(() => {});
  draw();
}

/** Look at the end of a visit, over a reload too; or at the room again. @param {string | null} visit */
function look(visit) {
  looking = visit;
  memory.set("looking", visit);
}

rooms.on("message", ({ message, room, before }) => {
  const view = rooms.view;
  if (message.type === "visit.started") part.began(message.visit, room);
  if (message.type === "visit.resumed" || message.type === "visit.started") sounds.play("started");
  if (message.type === "visit.ended" && message.visit === part.visit) {
    part.leaves();
    if (message.reason !== "returned") look(message.visit);
  }
  if (message.type === "visit.closed" && message.visit === looking) look(null);
  if (message.type === "visit.closed" && message.visit === part.visit) part.leaves();
  if (message.type === "visit.rejoin_pending" && message.agreed?.includes("client") && !message.mine) {
    if (message.visit === part.last) look(message.visit); // another device of this person is not called away
    sounds.play("ready");
  }
  // It ended while this page was not connected; whoever goes on with it asks anew.
  if (message.type === "view" && view?.visits.some((visit) => visit.id === part.visit && visit.phase !== "in_progress" && !visit.mine)) part.leaves();
  if (view !== before) draw();
});
rooms.on("state", () => draw());
rooms.on("closed", ({ code, room }) => {
  const here = part.visit;
  const moved = code === CLOSE.DISPLACED;
  if (room === undefined) {
    taken = moved ? here : null;
    part.leaves();
    place = moved ? "displaced" : "sign-in";
    if (!moved) note = words.t.say("signin.expired");
    self.close();
  } else if (moved && here && !present()) part.leaves(); // the room of another was where it was
  draw();
  if (room !== undefined && moved) fail(words.t.say("room.displaced_shared"));
});

/** The session this page takes part in. */
function present() {
  return rooms.view ? liveVisits(rooms.view).find(({ id }) => id === part.visit) : undefined;
}

/** The visit whose end is shown, if it still may be rejoined. */
function lookedAt() {
  return rooms.view ? endedVisits(rooms.view).find(({ id }) => id === looking) : undefined;
}

/** @returns {"loading" | "sign-in" | "room" | "session" | "ended" | "displaced"} */
function screenName() {
  if (place !== "room") return place;
  if (!rooms.view) return "loading";
  if (present()) return "session";
  return lookedAt() ? "ended" : "room";
}

/** @param {{focus?: boolean}} [options] */
function draw({ focus = true } = {}) {
  const t = words.t;
  const name = screenName();
  const live = present();
  const key = `${name}/${t.language}/${name === "session" ? `${live?.id}/${live?.segment}` : name === "ended" ? looking : ""}`;
  if (!shown || shown.name !== key) {
    rooms.leave(name === "session" && live ? rooms.of(live) : null);
    if (name === "ended" || name === "sign-in") self.close(); // the light goes out with the session
    showFrame();
    shown = { name: key, screen: make(name) };
    frame.screen(name === "loading" || name === "displaced" ? "room" : name, shown.screen, { focus: focus && name !== "loading" });
    attention.title(t.say(name === "sign-in" ? "signin.title" : "room.title"));
    void wake.keep(name === "session");
  }
  tell(name);
  rooms.prepare(name === "room" || name === "ended");
  const lost = name !== "session" && place === "room" && rooms.view !== null && rooms.own.state !== "open";
  frame.line(lost ? t.say("line.lost") : "");
}

/** @param {string} name */
function tell(name) {
  const t = words.t;
  const screen = shown?.screen;
  const view = rooms.view;
  if (screen instanceof ProviderRoom && view) screen.tell(view);
  const visit = lookedAt();
  if (screen instanceof EndedScreen && visit) screen.tell(ended(visit), t);
  const live = name === "session" ? present() : undefined;
  if (view && live) {
    rooms.of(live).session.tell(live.participants);
    people?.tell(membersOf(view, live), live.room === undefined ? view.unverified : []);
  }
  // In a session, and while deciding on one, a banner; else the dialog in the middle of the screen.
  ready.tell(name === "room" ? view : null, t, !sounds.muted && !sounds.audible);
  if (view) banner.tell(view, t, live && isGroup(view, live) ? live.appointment : undefined);
  attention.tell(name === "sign-in" ? null : view, t, name === "session");
}

function showFrame() {
  const t = words.t;
  if (place === "sign-in" || place === "loading") return frame.show(t, (language) => void words.choose(language));
  frame.show(t, (language) => void words.choose(language), ...providerTools(t, sounds, () => void signOut()));
}

/** @param {string} name @returns {import("./components/dom.js").Screen} */
function make(name) {
  const t = words.t;
  const view = rooms.view;
  const live = present();
  people = null;
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
    screen.show({ t, title: t.say("room.displaced"), text: [t.say("room.displaced_more")], picture: "alert", actions: [here] });
  } else screen.show({ t, title: t.say("loading.title"), text: [], picture: "clock" });
  return screen;
}

function useThis() {
  place = "room";
  if (taken) part.enters(taken); // the session comes along with the click
  taken = null;
  rooms.start({ takeover: true });
  draw();
}

/** @param {ProviderView} now */
function makeRoom(now) {
  const screen = new ProviderRoom();
  screen.show({
    t: words.t,
    view: now,
    now: () => rooms.own.now(),
    name: me?.name ?? "",
    actions: {
      onStart: (entry) => void deeds.start(entry),
      onTell: (entry, text) => deeds.tell(entry, text),
      onRemove: (entry, reason) => deeds.removeWaiting(entry, reason),
      onStatus: (status, minutes) => deeds.setStatus(status, minutes),
      onJoin: (visit) => void deeds.join(visit),
      onAdmit: (entry) => void deeds.admit([entry]),
      onMatch: (entry) => deeds.match(entry),
      onRejoin(visit) {
        look(visit.id);
        draw();
        deeds.rejoin(visit);
      },
      onFinish: finish,
      onDevices: () =>
        openDevicesDialog({
          t: words.t,
          self,
          browser,
          watchLevel: levelWatcher(sounds),
          onTestSound: () => sounds.play("test", { always: true }),
          network: rooms.of({}).session.network,
          backup: () => practice?.backup,
        }),
    },
  });
  return screen;
}

/** @param {string} text */
function fail(text) {
  const screen = shown?.screen;
  if (screen instanceof ProviderRoom || screen instanceof EndedScreen) screen.fail(text);
  ready.fail(text);
  people?.fail(text);
}

/** @param {RoomVisit} live */
function makeSession(live) {
  const t = words.t;
  const group = rooms.view !== null && isGroup(rooms.view, live);
  const names = clientsOf(live).map(({ name }) => name).join(", ");
  people = group ? new GroupPanel() : null;
  people?.show(t, {
    onAdmit: (members) => void deeds.admit(members.flatMap(({ entry }) => entry ?? [])),
    onMatch: (entry) => deeds.match(entry, live),
    onReturn: (member) => deeds.sendBack(live, member),
    onRemove: (member, reason) => deeds.remove(live, member, reason),
  });
  const stage = rooms.of(live).session.enter({
    t,
    visit: live.id,
    segment: live.segment ?? 1,
    iceServers: live.ice_servers,
    path: live.path,
    offers: true,
    participants: live.participants,
    title: group ? t.say("session.title_group") : t.say("session.title", { name: names }),
    practice,
    way: "end",
    startedAt: live.started_at,
    people: people ?? undefined,
    onEnd: () => void end(live),
    onStepOut() {
      part.leaves();
      self.close();
      draw();
    },
  });
  stage.beside(banner);
  return stage;
}

/** @param {RoomVisit} live */
async function end(live) {
  try {
    await deeds.end(live);
  } catch {
    shown = null; // ended by the other side at that moment, or not at all: show what is true
    draw();
    rooms.sync();
  }
}

/** @param {RoomVisit} visit */
function ended(visit) {
  return {
    role: /** @type {const} */ ("provider"),
    other: clientsOf(visit).map(({ name }) => name).join(", "),
    until: visit.rejoin_until,
    agreed: visit.agreed ?? [],
    mine: visit.mine === true, // of two providers, the roles that agreed do not say who
    group: rooms.view !== null && isGroup(rooms.view, visit),
    by: visit.ended_by,
    reason: visit.ended_reason,
  };
}

/** Of a group it is asked who was there; of two people that is plain, and may be said if not. @param {RoomVisit} visit */
function finish(visit) {
  if (rooms.view && isGroup(rooms.view, visit)) deeds.finishWithOutcomes(visit);
  else deeds.finish(visit);
}

/** @param {RoomVisit} visit */
function makeEnded(visit) {
  const screen = new EndedScreen();
  const about = ended(visit);
  screen.show({
    t: words.t,
    ended: about,
    now: () => rooms.own.now(),
    onRejoin: () => deeds.rejoin(visit),
    onWithdraw: () => deeds.withdraw(visit),
    onFinish: () => finish(visit),
    onAttendance: about.group ? undefined : () => deeds.finishWithOutcomes(visit),
    onLater() {
      look(null);
      draw();
    },
  });
  screen.beside(banner);
  return screen;
}

void begin();
