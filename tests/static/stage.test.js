/** A group's pictures have as much room as there is, and who speaks is shown without flicker. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { gridFor } from "../../static/lib/grid.js";
import { Speaking } from "../../static/lib/speaking.js";

const PHONE = { width: 374, height: 700 };
const DESKTOP = { width: 1416, height: 760 };
const GAP = 10;

for (const [name, space] of /** @type {const} */ ([["phone", PHONE], ["desktop", DESKTOP]])) {
  test(`one to thirteen pictures fit on a ${name}, and none is a stamp`, () => {
    for (let count = 1; count <= 13; count += 1) {
      const { columns, width, height } = gridFor(count, space, { gap: GAP });
      const rows = Math.ceil(count / columns);

      assert.ok(columns * width + (columns - 1) * GAP <= space.width, `${count} side by side`);
      assert.ok(rows * height + (rows - 1) * GAP <= space.height, `${count} one above the other`);
      assert.ok(width >= 88 && height >= 88, `${count}: ${width} × ${height}`);
      assert.ok((columns + 1) * width + columns * GAP > space.width || columns * rows >= count, "and they wrap where they should");
    }
  });
}

test("tall screens stack, wide ones stand side by side", () => {
  assert.equal(gridFor(2, PHONE).columns, 1);
  assert.equal(gridFor(2, DESKTOP).columns, 2);
  assert.equal(gridFor(12, DESKTOP).columns, 4);
});

test("a page that has no room yet asks for none", () => {
  assert.deepEqual(gridFor(4, { width: 0, height: 0 }), { columns: 1, width: 0, height: 0 });
});

test("a voice is seen at once, stays over a pause, and ends", () => {
  const speaking = new Speaking({ hold: 1000 });
  const heard = (/** @type {number} */ level, /** @type {number} */ now) => speaking.hear(new Map([["ana", level]]), now).has("ana");

  assert.equal(heard(0.02, 0), false, "a breath is no word");
  assert.equal(heard(0.2, 250), true);
  assert.equal(heard(0, 900), true, "between two words");
  assert.equal(heard(0.02, 1000), true, "and a low one goes on");
  assert.equal(heard(0, 2001), false);
});

test("who is gone does not speak", () => {
  const speaking = new Speaking();
  speaking.hear(new Map([["ana", 0.5]]), 0);

  assert.deepEqual([...speaking.hear(new Map(), 10)], []);
});
