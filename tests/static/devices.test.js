/** Devices are opened with one question, and what is wrong is told apart. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { whichBrowser } from "../../static/lib/browser.js";
import { contact, hrefOf } from "../../static/lib/contact.js";
import { audioReason, openDevices, outcomeOf } from "../../static/lib/devices.js";
import { loudness } from "../../static/lib/level.js";
import { TabMemory } from "../../static/lib/memory.js";
import { STATES } from "../../static/lib/states.js";

/** @param {string} name */
const failure = (name) => Object.assign(new Error(name), { name });

/** @param {(asked: string) => string | null} answer  the name of an error, or null for yes */
function fakeMedia(answer) {
  /** @type {string[]} */
  const questions = [];
  const media = {
    /** @param {any} constraints */
    getUserMedia: async ({ audio, video }) => {
      const asked = [audio && "audio", video && "video"].filter(Boolean).join("+");
      questions.push(asked);
      const error = answer(asked);
      if (error) throw failure(error);
      return { getAudioTracks: () => (audio ? ["a"] : []), getVideoTracks: () => (video ? ["v"] : []) };
    },
  };
  return { media: /** @type {any} */ (media), questions };
}
const BOTH = { audio: true, video: true };

test("both are asked for at once", async () => {
  const { media, questions } = fakeMedia(() => null);

  const got = await openDevices(media, BOTH, async () => "prompt");

  assert.deepEqual(got, { audio: "a", video: "v", microphone: "ok", camera: "ok" });
  assert.deepEqual(questions, ["audio+video"]);
});

test("without a camera the microphone is still opened", async () => {
  const { media } = fakeMedia((asked) => (asked.includes("video") ? "NotFoundError" : null));

  const got = await openDevices(media, BOTH, async () => "prompt");

  assert.deepEqual(got, { audio: "a", video: null, microphone: "ok", camera: "missing" });
});

test("after a no nobody is asked again at once, but a permission that was given is used", async () => {
  const no = fakeMedia(() => "NotAllowedError");
  const got = await openDevices(no.media, BOTH, async () => "prompt");
  assert.deepEqual([got.microphone, got.camera, no.questions], ["blocked", "blocked", ["audio+video"]]);

  const half = fakeMedia((asked) => (asked.includes("video") ? "NotAllowedError" : null));
  const some = await openDevices(half.media, BOTH, async (name) => (name === "microphone" ? "granted" : "denied"));
  assert.deepEqual([some.microphone, some.camera, half.questions], ["ok", "blocked", ["audio+video", "audio"]]);
});

test("a browser without devices says so", async () => {
  assert.deepEqual(await openDevices(undefined, BOTH, async () => "unknown"), { audio: null, video: null, microphone: "unsupported", camera: "unsupported" });
});

test("each failure has its name, and the record its reason", () => {
  assert.deepEqual(["NotReadableError", "OverconstrainedError", "Whatever"].map((name) => outcomeOf(failure(name))), ["busy", "missing", "failed"]);
  assert.deepEqual(/** @type {const} */ (["missing", "busy", "blocked", "ok"]).map(audioReason), ["no_camera", "camera_failed", "declined", "declined"]);
});

test("browsers are told apart for their help", () => {
  const edge = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0 Safari/537.36 Edg/120.0";
  assert.equal(whichBrowser(edge), "edge");
  assert.equal(whichBrowser(edge.replace(" Edg/120.0", "")), "chrome");
  assert.equal(whichBrowser("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"), "firefox");
  assert.equal(whichBrowser("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/17 Safari/605.1.15"), "safari");
  assert.equal(whichBrowser("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/17 Safari/605.1.15", 5), "ios");
  assert.equal(whichBrowser("Mozilla/5.0 (Linux; Android 14) Chrome/120.0 Mobile Safari/537.36"), "android");
  assert.equal(whichBrowser(""), "other");
});

test("a practice's contact is understood in any form, and only safe links are made", () => {
  assert.deepEqual(contact("+1 303 555 0142"), { phone: "+1 303 555 0142" });
  assert.deepEqual(contact("desk@clinic.example"), { email: "desk@clinic.example" });
  assert.deepEqual(contact("https://clinic.example/help"), { url: "https://clinic.example/help" });
  assert.deepEqual(contact("Ask at the desk"), { text: "Ask at the desk" });
  assert.equal(contact(""), null);
  assert.equal(contact({}), null);
  assert.equal(hrefOf({ phone: "+1 (303) 555-0142" }, "phone"), "tel:+13035550142");
  assert.equal(hrefOf({ url: "javascript:alert(1)" }, "url"), null);
});

test("silence is nothing, a loud voice is all", () => {
  assert.equal(loudness(new Float32Array(64)), 0);
  assert.equal(loudness(new Float32Array(64).fill(0.9)), 1);
});

test("a tab keeps its name over a reload, and lives without storage", () => {
  const kept = new Map();
  const storage = /** @type {any} */ ({
    getItem: (/** @type {string} */ key) => kept.get(key) ?? null,
    setItem: (/** @type {string} */ key, /** @type {string} */ value) => kept.set(key, value),
    removeItem: (/** @type {string} */ key) => kept.delete(key),
  });
  const memory = new TabMemory(() => storage, "client");
  const resume = { connection: "c", secret: "s", epoch: 1, seq: 2 };
  memory.resume().save(resume);

  assert.equal(memory.device(() => "one"), "one");
  assert.equal(new TabMemory(() => storage, "client").device(() => "two"), "one");
  assert.deepEqual(new TabMemory(() => storage, "client").resume().load(), resume);
  assert.equal(new TabMemory(() => storage, "provider").resume().load(), null);

  const none = new TabMemory(() => { throw new Error("SecurityError"); }, "client");
  none.resume().save(resume);
  assert.equal(none.resume().load(), null);
});

test("a duplicated tab becomes a device of its own; a reloaded one stays who it was", async () => {
  const kept = new Map();
  const storage = /** @type {any} */ ({
    getItem: (/** @type {string} */ key) => kept.get(key) ?? null,
    setItem: (/** @type {string} */ key, /** @type {string} */ value) => kept.set(key, value),
    removeItem: (/** @type {string} */ key) => kept.delete(key),
  });
  const free = /** @type {any} */ ({ request: async (/** @type {string} */ _name, /** @type {unknown} */ _options, /** @type {() => unknown} */ held) => held() });
  const taken = /** @type {any} */ ({ request: async () => Promise.reject(new Error("AbortError")) });
  const memory = new TabMemory(() => storage, "client");
  memory.resume().save({ connection: "c", secret: "s", epoch: 1, seq: 2 });
  const { signal } = new AbortController();

  await memory.beOneDevice(free, () => "one", signal);
  assert.equal(memory.device(() => "other"), "one");
  await memory.beOneDevice(taken, () => "one", signal);

  assert.equal(memory.device(() => "two"), "two");
  assert.equal(memory.resume().load(), null);
});

test("states have two-letter codes, each once", () => {
  const codes = STATES.map(([code]) => code);
  assert.equal(new Set(codes).size, 56);
  for (const [code, name] of STATES) assert.match(`${code} ${name}`, /^[A-Z]{2} [A-Z][A-Za-z. ]+$/);
});
