/** A provider's page takes part where its own person clicked: after a reload, after a crash, and never in another tab's. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { Part } from "../../static/lib/part.js";
import { settled } from "./doubles.js";

/** Memory of a tab or of the browser. @returns {any} */
function memory() {
  /** @type {Map<string, string>} */
  const kept = new Map();
  return {
    get: (/** @type {string} */ name) => kept.get(name) ?? null,
    set: (/** @type {string} */ name, /** @type {string | null} */ value) => void (value === null ? kept.delete(name) : kept.set(name, value)),
  };
}

/** The browser's locks; `end` is what a crash does. */
function locks() {
  const held = new Set();
  return {
    end: () => held.clear(),
    /** @param {string} name @param {any} _how @param {(lock: any) => any} then */
    async request(name, _how, then) {
      if (held.has(name)) return then(null);
      held.add(name);
      await then({ name });
      held.delete(name);
    },
  };
}

test("a page is in a session that it started, whichever of the two answers comes first", async () => {
  const part = new Part(memory(), memory(), undefined);

  const started = part.starts({}, Promise.resolve({ visit: "vis" }));
  part.began("theirs", "rm_other");
  assert.equal(part.visit, null, "another room's");
  part.began("vis", "");
  assert.equal(part.visit, "vis");
  await started;

  part.began("later", "");
  assert.equal(part.visit, "vis", "nobody clicked here");
});

test("a refused Start leads nowhere", async () => {
  const part = new Part(memory(), memory(), undefined);

  await assert.rejects(part.starts({}, Promise.reject(new Error("busy"))));
  part.began("vis", "");

  assert.equal(part.visit, null);
});

test("a reload goes on; an End does not", async () => {
  const [tab, browser] = [memory(), memory()];
  new Part(tab, browser, undefined).enters("vis");
  const reloaded = new Part(tab, browser, undefined);

  await reloaded.restore();
  assert.equal(reloaded.visit, "vis");

  reloaded.leaves();
  const again = new Part(tab, browser, undefined);
  await again.restore();
  assert.deepEqual([again.visit, reloaded.last], [null, "vis"]);
});

test("after a crash a new tab goes on; beside a page that lives it does not", async () => {
  const browser = memory();
  const all = locks();
  new Part(memory(), browser, /** @type {any} */ (all)).enters("vis");
  await settled();

  const beside = new Part(memory(), browser, /** @type {any} */ (all));
  await beside.restore();
  assert.equal(beside.visit, null);

  all.end();
  const after = new Part(memory(), browser, /** @type {any} */ (all));
  await after.restore();
  assert.equal(after.visit, "vis");
});
