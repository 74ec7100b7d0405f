/** The client's page: from the link to the waiting room, into the session, and out again. */

import { CheckInForm } from "./components/check-in.js";
import { DeviceCheck } from "./components/device-check.js";
import { EndedScreen } from "./components/ended.js";
import { MessageScreen } from "./components/message-screen.js";
import { stoppedScreen } from "./components/stopped.js";
import { WaitingRoom } from "./components/waiting-room.js";
import { WelcomeScreen } from "./components/welcome.js";
import { Entrance } from "./entrance.js";
import { Api } from "./lib/api.js";
import { CLOSE } from "./lib/connection.js";
import { codeOf } from "./lib/refusal.js";
import { closedReason, foldClient, goesOn, screenFor } from "./lib/visit.js";
import { beOneDevice, browser, connect, levelWatcher, setUp, Words } from "./page.js";
import { Session } from "./session.js";

/** @typedef {import("./lib/types.js").ClientView} ClientView */
/** @typedef {import("./lib/types.js").Message} Message */
/** @typedef {{name: string, screen: import("./components/dom.js").Screen}} Shown */

const api = new Api(fetch.bind(globalThis));
const words = new Words(() => draw());
const { memory, self, sounds, wake, frame } = setUp("client");
const entrance = new Entrance({ api, memory, path: location.pathname, onPractice: (practice) => frame.practice(practice) });
const connection = connect(memory, memory.resume(), () => entrance.ticket());
const session = new Session(connection, self);
const baseTitle = document.title;

/** @type {ClientView | null} */
let view = null;
/** @type {"welcome" | "devices" | "check-in" | "visit"} how far the person came by themselves */
let step = "welcome";
/** @type {{reason: string, code?: string, words?: string} | null} the end, or what went wrong */
let stopped = null;
/** @type {{text: string, at: number}[]} the provider's words to this client */
let messages = [];
let note = "";
/** @type {Shown | null} */
let shown = null;

async function begin() {
  entrance.takeToken();
  addEventListener("hashchange", () => location.reload());
  await Promise.all([words.load(), beOneDevice(memory)]);
  draw({ focus: false });
  if (memory.resume().load()) {
    step = "visit"; // a reload: this person has clicked and answered before
    connection.start();
    void self.open();
    return;
  }
  await look();
}

/** What the page shows before check-in. Opening a link joins nothing. */
async function look() {
  stopped = null;
  stopped = await entrance.look();
  draw({ focus: false });
}

connection.on("message", (message) => {
  const before = view;
  view = foldClient(view, message);
  if (view && message.type === "view") frame.practice(view.practice);
  if (message.type === "waiting.changed" && message.text) {
    messages = [...messages, { text: message.text, at: message.at ?? connection.now() }];
    sounds.play("ready");
    if (shown?.screen instanceof WaitingRoom) showMessage(shown.screen, messages.at(-1));
  }
  if (message.type === "visit.started" || message.type === "visit.resumed") {
    sounds.play("started");
  }
  if (message.type === "visit.ended" && message.text) messages = [...messages, { text: message.text, at: message.at ?? connection.now() }];
  if (message.type === "visit.ended" && message.reason === "removed") stopped = { reason: "removed", words: message.text };
  if (message.type === "displaced") stopped = { reason: "displaced" };
  if (view?.phase === "closed" && message.type === "visit.closed") {
    stopped = { reason: closedReason(CLOSE.OVER, view) };
  }
  if (view !== before || stopped) draw();
});
connection.on("state", () => draw());
connection.on("closed", ({ code, refusal }) => {
  if (refusal?.code === "bad_link" && entrance.unverified) {
    view = null; // too late to resume a visit without a link: begin again
    step = "welcome";
    void look();
    return;
  }
  if (refusal) stopped = { reason: refusal.code === "bad_link" ? "bad_link" : "unreachable", code: refusal.code };
  else stopped = { ...stopped, reason: closedReason(code, view) };
  draw();
});

/** Which screen it is now: one decision, from what is known. @returns {string} */
function screenName() {
  if (stopped) return ["bad_link", "no_link", "unreachable", "displaced", "lost", "revoked"].includes(stopped.reason) ? "trouble" : "closed";
  if (step === "visit" || (step === "check-in" && view?.checked_in)) return view ? screenFor(view) : "loading";
  if (!entrance.practice) return "loading";
  return step;
}

/** @param {{focus?: boolean}} [options] */
function draw({ focus = true } = {}) {
  const t = words.t;
  const name = screenName();
  const key = `${name}/${t.language}/${stopped?.reason ?? ""}/${name === "session" ? `${view?.visit}/${view?.segment}` : name === "ended" && view ? goesOn(view) : ""}`;
  if (!shown || shown.name !== key) {
    if (name !== "session") session.leave();
    if (shown?.name.split("/")[1] !== t.language) frame.show(t, (language) => void words.choose(language));
    shown = { name: key, screen: make(name) };
    frame.screen(name === "loading" ? "welcome" : name, shown.screen, { focus: focus && name !== "loading" });
    document.title = name === "session" || name === "waiting" || name === "ended" ? `${t.say(`title.${name}`)} · ${baseTitle}` : baseTitle;
    void wake.keep(name === "waiting" || name === "session");
    if (["ended", "closed", "trouble"].includes(name)) self.close(); // the light goes out with the session
  }
  tell(name);
  session.awaits(view !== null && (name === "waiting" ? view.away !== true : name === "ended" && view.phase === "rejoin_pending" && view.mine === true));
  const lost = (connection.state === "waiting" || (connection.state === "connecting" && view !== null)) && name !== "session" && !stopped;
  frame.line(lost ? t.say("line.lost") : "");
}

/** Tell the present screen what changed. @param {string} name */
function tell(name) {
  const screen = shown?.screen;
  if (!view || !screen) return;
  if (screen instanceof WaitingRoom) screen.tell(view, words.t);
  if (screen instanceof EndedScreen) screen.tell(ended(view), words.t);
  if (name === "session") session.tell(view.participants ?? []);
}

/** @param {string} name @returns {import("./components/dom.js").Screen} */
function make(name) {
  if (name === "session" && view) return makeSession(view);
  if (name === "waiting" && view) return makeWaiting(view);
  if (name === "ended" && view) return makeEnded(view);
  if (name === "welcome") return makeWelcome();
  if (name === "devices") return makeDevices();
  if (name === "check-in") return makeCheckIn();
  return name === "loading" ? makeLoading() : makeStopped(stopped?.reason ?? "finished");
}

function makeWelcome() {
  const screen = new WelcomeScreen();
  screen.show({
    t: words.t,
    practice: entrance.practice?.name ?? "",
    provider: entrance.joined?.provider,
    appointment: entrance.joined?.appointment,
    providers: entrance.lobby?.providers,
    note,
    onCheck(provider) {
      note = "";
      sounds.unlock();
      if (provider) entrance.knocking = { provider, display_name: "" };
      else connection.start(); // the first click of a person: now the WebSocket may open
      void self.open({ video: true });
      step = "devices";
      draw();
    },
  });
  return screen;
}

function makeDevices() {
  const screen = new DeviceCheck();
  screen.show({
    t: words.t,
    self,
    browser,
    watchLevel: levelWatcher(sounds),
    onTestSound: () => sounds.play("test", { always: true }),
    network: session.network,
    backup: () => (view?.practice ?? entrance.practice)?.backup,
    onContinue() {
      // Somebody who checked in before is asked for nothing again.
      step = view && screenFor(view) !== "check-in" ? "visit" : "check-in";
      draw();
    },
  });
  return screen;
}

function makeCheckIn() {
  const screen = new CheckInForm();
  screen.show({
    t: words.t,
    consent: (view?.practice ?? entrance.practice)?.consent,
    name: entrance.lobby ? "own" : entrance.mayChooseName ? "chosen" : "none",
    onSubmit: (answers) => void checkIn(answers),
  });
  return screen;
}

/** @param {import("./components/check-in.js").CheckIn} answers */
async function checkIn(answers) {
  if (entrance.knocking && answers.display_name) entrance.knocking = { ...entrance.knocking, display_name: answers.display_name };
  connection.start();
  const audio = self.audioOnly ? { media: "audio", audio_reason: self.reason } : { media: "video" };
  try {
    await connection.change("check_in", { ...answers, devices: self.devices, ...audio });
    if (view) view = { ...view, checked_in: true, phase: view.phase === "scheduled" ? "waiting" : view.phase };
    step = "visit";
    draw();
  } catch (error) {
    const code = codeOf(error);
    if (code === "consent_required") {
      await connection.ask("sync").catch(() => {});
      shown = null; // the form again, with the text that holds now
      draw();
    }
    const form = /** @type {Shown | null} */ (shown)?.screen;
    if (form instanceof CheckInForm) form.fail(whyNot(code));
  }
}

/** @param {string} code */
function whyNot(code) {
  const opens = view?.appointment?.opens;
  const early = code === "refused" && opens !== undefined && opens > connection.now();
  return early ? words.t.say("checkin.opens", { day: words.t.day(opens), time: words.t.time(opens) }) : words.t.say(`error.${code}`);
}

/** @param {ClientView} now */
function makeWaiting(now) {
  const screen = new WaitingRoom();
  screen.show({
    t: words.t,
    view: now,
    self,
    onAway: (wanted) => void stepAway(wanted),
    onLeave: () => void leave(),
  });
  for (const message of messages) showMessage(screen, message);
  return screen;
}

/** @param {WaitingRoom} screen @param {{text: string, at: number} | undefined} message */
function showMessage(screen, message) {
  if (message) screen.message(message.text, view?.provider.name ?? "", words.t.time(message.at));
}

/** Shown at once; the server's view tells it after a reload. @param {boolean} away */
function setAway(away) {
  if (view) view = { ...view, away };
  draw();
}

/** @param {boolean} wanted */
async function stepAway(wanted) {
  setAway(wanted);
  await connection.change(wanted ? "step_away" : "come_back").catch(() => setAway(!wanted));
}

async function leave() {
  await connection.change("leave").catch(() => {});
  connection.stop();
  self.close();
  view = null;
  messages = [];
  step = "welcome";
  note = words.t.say("welcome.left");
  await look();
}

/** @param {ClientView} now */
function makeSession(now) {
  const group = entrance.inGroup(now);
  return session.enter({
    t: words.t,
    visit: now.visit ?? "",
    segment: now.segment ?? 1,
    iceServers: now.ice_servers,
    path: now.path,
    offers: false,
    participants: now.participants ?? [],
    title: words.t.say("session.title", { name: now.provider.name }),
    practice: now.practice,
    way: group ? "leave" : "end",
    startedAt: undefined, // a clock is for the clinician; a client should not feel timed
    onEnd: () => void end(group),
  });
}

/** @param {boolean} group */
async function end(group) {
  try {
    await (group ? connection.change("leave") : connection.change("end", { visit: view?.visit }));
    // Sent back to wait at that very moment, who leaves has left the waiting room: the news of the one may come later.
    if (group) connection.ask("sync").catch(() => {});
  } catch {
    shown = null; // ended by the other side at that moment, or not at all: show what is true
    draw();
    connection.ask("sync").catch(() => {});
  }
}

/** @param {ClientView} now */
function ended(now) {
  const group = entrance.inGroup(now);
  return {
    role: /** @type {const} */ ("client"),
    other: now.provider.name,
    until: now.rejoin_until,
    agreed: now.agreed ?? [],
    group,
    ...(group ? { mine: now.mine === true } : {}), // of several, the roles that agreed do not say who
    goesOn: goesOn(now),
    by: now.ended_by,
    reason: now.ended_reason,
  };
}

/** @param {ClientView} now */
function makeEnded(now) {
  const screen = new EndedScreen();
  const ask = (/** @type {"rejoin" | "withdraw"} */ what) => {
    connection.change(what, { visit: view?.visit }).then(
      () => {
        if (view && screenFor(view) === "ended") view = { ...view, mine: what === "rejoin" };
        draw();
      },
      (error) => screen.fail(words.t.say(`error.${codeOf(error)}`)),
    );
  };
  screen.show({
    t: words.t,
    ended: ended(now),
    now: () => connection.now(),
    onRejoin() {
      sounds.unlock();
      if (!self.ready) void self.open();
      ask("rejoin");
    },
    onWithdraw: () => ask("withdraw"),
    onOver: () => void connection.ask("sync").catch(() => {}),
    practice: now.practice,
  });
  return screen;
}

function makeLoading() {
  const screen = new MessageScreen();
  screen.show({ t: words.t, title: words.t.say("loading.title"), text: [], picture: "clock" });
  return screen;
}

/** @param {string} reason */
function makeStopped(reason) {
  const practice = view?.practice ?? entrance.practice ?? null;
  return stoppedScreen(words.t, { ...stopped, reason }, practice, {
    onAgain: () => void look(),
    onHere() {
      stopped = null;
      view = null;
      step = "visit";
      sounds.unlock();
      connection.start({ takeover: true });
      void self.open();
      draw();
    },
    onBack() {
      step = "welcome";
      view = null;
      void look();
    },
  });
}

void begin();
