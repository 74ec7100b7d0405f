/** Another network is noticed before anything has failed, and another estimate of the same one is not taken for it. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { watchNetwork } from "../../static/lib/network.js";

function setUp() {
  const window = new EventTarget();
  const connection = Object.assign(new EventTarget(), { type: "wifi" });
  const abort = new AbortController();
  let moves = 0;
  watchNetwork({ window, connection }, () => (moves += 1), abort.signal);
  /** @param {string} type */
  const become = (type) => {
    connection.type = type;
    connection.dispatchEvent(new Event("change"));
  };
  return { window, become, abort, moves: () => moves };
}

test("who is online again may be elsewhere", () => {
  const { window, moves } = setUp();

  window.dispatchEvent(new Event("online"));

  assert.equal(moves(), 1);
});

test("from one kind of network to another is a move; another speed, or none, is not", () => {
  const { become, moves } = setUp();

  become("wifi");
  become("none");
  assert.equal(moves(), 0);
  become("cellular");
  become("cellular");

  assert.equal(moves(), 1);
});

test("where the browser tells nothing of its network nothing breaks, and after the end nothing is told", () => {
  const { window, abort, moves } = setUp();
  watchNetwork({ window, connection: undefined }, () => {}, abort.signal);

  abort.abort();
  window.dispatchEvent(new Event("online"));

  assert.equal(moves(), 0);
});
