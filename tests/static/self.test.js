/** What a participant sends: devices fall back to audio with a reason, and an interrupted one can be restarted. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { Api } from "../../static/lib/api.js";
import { Refusal } from "../../static/lib/refusal.js";
import { Self } from "../../static/lib/self.js";

class FakeTrack {
  enabled = true;
  stopped = false;
  /** @type {(() => void) | null} */
  onended = null;
  /** @type {(() => void) | null} */
  onmute = null;
  /** @type {(() => void) | null} */
  onunmute = null;

  stop() {
    this.stopped = true;
  }

  getSettings() {
    return { deviceId: "device" };
  }
}

/** @param {{camera?: string | null}} [given]  the name of the camera's error */
function setUp({ camera = null } = {}) {
  const room = { camera, screen: /** @type {FakeTrack | string} */ (new FakeTrack()), questions: 0, audio: /** @type {FakeTrack[]} */ ([]), video: /** @type {FakeTrack[]} */ ([]) };
  const media = {
    addEventListener: () => {},
    /** @param {any} wanted */
    getUserMedia: async ({ audio, video }) => {
      room.questions += 1;
      if (video && room.camera) throw Object.assign(new Error(), { name: room.camera });
      if (audio) room.audio.push(new FakeTrack());
      if (video) room.video.push(new FakeTrack());
      const [a, v] = [audio ? room.audio.at(-1) : null, video ? room.video.at(-1) : null];
      return { getAudioTracks: () => (a ? [a] : []), getVideoTracks: () => (v ? [v] : []) };
    },
  };
  const screens = {
    getDisplayMedia: async () => {
      const { screen } = room;
      if (typeof screen === "string") throw Object.assign(new Error(), { name: screen });
      return { getVideoTracks: () => [screen] };
    },
  };
  Object.assign(media, screens);
  const self = new Self({ media: /** @type {any} */ (media), permission: async () => "granted" });
  return { self, room };
}

test("with both devices it is video", async () => {
  const { self } = setUp();

  await self.open();

  assert.equal(self.audioOnly, false);
  assert.deepEqual(self.devices, { camera: true, microphone: true });
  assert.deepEqual(self.told, { microphone: true, camera: true, screen: false });
});

test("without a camera it is audio only, with the reason for the record", async () => {
  for (const [error, reason] of [["NotFoundError", "no_camera"], ["NotReadableError", "camera_failed"], ["NotAllowedError", "declined"]]) {
    const { self } = setUp({ camera: error });

    await self.open();

    assert.deepEqual([self.audioOnly, self.reason, self.ready], [true, reason, true], error);
    assert.equal(self.told.camera, false);
  }
});

test("a camera that came back makes it video again", async () => {
  const { self, room } = setUp({ camera: "NotReadableError" });
  await self.open();
  room.camera = null;

  await self.open({ video: true });

  assert.equal(self.audioOnly, false);
  assert.ok(self.tracks.video);
});

test("two who ask at once are one question, and both get the devices", async () => {
  const { self, room } = setUp();

  await Promise.all([self.open(), self.open()]);

  assert.equal(room.questions, 1);
  assert.equal(self.opening, false);
});

test("muting disables the track and keeps it", async () => {
  const { self, room } = setUp();
  await self.open();

  self.setMicrophone(false);
  self.setCamera(false);

  assert.deepEqual([room.audio[0]?.enabled, room.video[0]?.enabled, room.audio[0]?.stopped], [false, false, false]);
  assert.deepEqual(self.told, { microphone: false, camera: false, screen: false });
  assert.equal(self.audioOnly, false, "a camera switched off is not audio only");
});

test("restarted devices stay muted, and the old ones are stopped", async () => {
  const { self, room } = setUp();
  await self.open();
  self.setMicrophone(false);

  await self.open();

  assert.deepEqual([room.audio[0]?.stopped, room.video[0]?.stopped], [true, true]);
  assert.equal(room.audio[1]?.enabled, false);
});

test("a call that takes the microphone is an interruption until it is over or the devices are restarted", async () => {
  const { self, room } = setUp();
  await self.open();

  room.audio[0]?.onmute?.();
  assert.equal(self.interrupted, true);
  room.audio[0]?.onunmute?.();
  assert.equal(self.interrupted, false);
  room.video[0]?.onended?.();
  await self.open();

  assert.equal(self.interrupted, false);
  assert.equal(room.video[0]?.onended, null, "a track that was let go says nothing any more");
});

test("going to audio sends no picture at once; the camera's light goes out a little later", async () => {
  const { self, room } = setUp();
  await self.open();

  self.setAudioOnly(true, "declined");
  assert.deepEqual([self.tracks.video, room.video[0]?.enabled, room.video[0]?.stopped], [null, false, false]);
  self.releaseCamera();

  assert.equal(room.video[0]?.stopped, true);
});

test("closing lets both go", async () => {
  const { self, room } = setUp();
  await self.open();

  self.close();

  assert.deepEqual([room.audio[0]?.stopped, room.video[0]?.stopped, self.ready], [true, true, false]);
});

/** @param {number} status @param {unknown} body @param {Record<string, string>} [headers] */
function answering(status, body, headers) {
  /** @type {[string, any][]} */
  const asked = [];
  const fetcher = async (/** @type {any} */ path, /** @type {any} */ init) => {
    asked.push([path, init]);
    return new Response(typeof body === "string" ? body : JSON.stringify(body), { status, headers });
  };
  return { api: new Api(/** @type {typeof fetch} */ (fetcher)), asked };
}

test("a link's secret travels in the body, never in the address", async () => {
  const { api, asked } = answering(200, { ticket: "t" });

  assert.deepEqual(await api.join("secret"), { ticket: "t" });

  assert.equal(asked[0]?.[0], "/v1/join");
  assert.equal(asked[0]?.[1].body, '{"token":"secret"}');
});

test("a problem is a refusal with its code; what may pass is temporary", async () => {
  const dead = answering(404, { code: "bad_link" });
  await assert.rejects(dead.api.join("x"), (error) => error instanceof Refusal && error.code === "bad_link" && !error.temporary);

  const busy = answering(429, { code: "rate" }, { "Retry-After": "7" });
  await assert.rejects(busy.api.join("x"), (error) => error instanceof Refusal && error.temporary && error.retryAfter === 7);

  const broken = answering(502, "<html>");
  await assert.rejects(broken.api.ticket(), (error) => error instanceof Refusal && error.code === "unavailable" && error.temporary);

  const away = new Api(async () => Promise.reject(new TypeError("Failed to fetch")));
  await assert.rejects(away.signIn("u", "p"), (error) => error instanceof Refusal && error.code === "unreachable");
});

test("a practice's name is escaped in the address", async () => {
  const { api, asked } = answering(200, {});

  await api.lobby("a/b?c");

  assert.equal(asked[0]?.[0], "/v1/practices/a%2Fb%3Fc/lobby");
});

test("a screen is sent beside the camera, and in audio only too, until it is stopped", async () => {
  const { self, room } = setUp();
  await self.open();
  let changes = 0;
  self.on("tracks", () => (changes += 1));

  await self.share();
  assert.deepEqual([self.tracks.screen, self.told.screen, changes], [room.screen, true, 1]);
  self.setAudioOnly(true);
  assert.deepEqual([self.tracks.screen, self.tracks.video], [room.screen, null]);
  self.unshare();

  assert.deepEqual([self.tracks.screen, self.told.screen, changes], [null, false, 2]);
  assert.equal(/** @type {FakeTrack} */ (room.screen).stopped, true);
  self.unshare();
  assert.equal(changes, 2);
});

test("the browser's own button ends it; so does letting the devices go", async () => {
  const { self, room } = setUp();
  const screen = /** @type {FakeTrack} */ (room.screen);

  await self.share();
  screen.onended?.();
  assert.equal(self.sharing, false);
  await self.share();
  self.close();

  assert.equal(self.sharing, false);
});

test("who changes their mind about a screen hears nothing of it; a system that forbids it is said", async () => {
  const { self, room } = setUp();
  for (const [error, failed] of [["NotAllowedError", false], ["NotReadableError", true], ["AbortError", true]]) {
    room.screen = String(error);
    await self.share();
    assert.deepEqual([self.sharing, self.screenFailed], [false, failed], String(error));
  }
  room.screen = new FakeTrack();
  await self.share();

  assert.deepEqual([self.sharing, self.screenFailed], [true, false]);
});

test("where there are no screens to share, none is offered", () => {
  const telephone = new Self({ media: /** @type {any} */ ({ addEventListener: () => {} }), permission: async () => "granted" });

  assert.deepEqual([telephone.canShare, setUp().self.canShare], [false, true]);
});
