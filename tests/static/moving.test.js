// A picture that stands still is not taken for somebody who sits still.
import assert from "node:assert/strict";
import { test } from "node:test";

import { Moving } from "../../static/lib/moving.js";

const frames = (/** @type {Record<string, number>} */ counts) => new Map(Object.entries(counts));

test("who gets no new frame for seconds stands still, and moves with the next one", () => {
  const moving = new Moving();
  assert.deepEqual(moving.look(frames({ ann: 10, bob: 10 }), 0), new Set());
  assert.deepEqual(moving.look(frames({ ann: 10, bob: 11 }), 2_400), new Set());
  assert.deepEqual(moving.look(frames({ ann: 10, bob: 12 }), 2_600), new Set(["ann"]));
  assert.deepEqual(moving.look(frames({ ann: 11, bob: 13 }), 2_900), new Set());
});

test("a camera that is off sends a frame a second, and is no still picture", () => {
  const moving = new Moving();
  for (let now = 0; now < 10_000; now += 250) {
    assert.deepEqual(moving.look(frames({ ann: 1 + Math.floor(now / 1_000) }), now), new Set());
  }
});

test("nobody stands still before their first frame, nor after a new beginning", () => {
  const moving = new Moving();
  moving.look(frames({ ann: 0 }), 0);
  assert.deepEqual(moving.look(frames({ ann: 0 }), 60_000), new Set());
  moving.look(frames({ ann: 500 }), 61_000);
  assert.deepEqual(moving.look(frames({ ann: 1 }), 65_000), new Set());
  moving.look(frames({}), 66_000);
  assert.deepEqual(moving.look(frames({ ann: 1 }), 90_000), new Set());
});
