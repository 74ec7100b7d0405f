/** The catalogs hold the same keys, placeholders and plural forms; the pages ask for no key that is not there. */

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";

import { clock, LANGUAGES, pickLanguage, translator } from "../../static/lib/i18n.js";

/** @typedef {import("../../static/lib/i18n.js").Catalog} Catalog */

const root = new URL("../../static/", import.meta.url);

/** @param {string} language @returns {Catalog} */
const catalog = (language) => JSON.parse(readFileSync(new URL(`i18n/${language}.json`, root), "utf8"));

/** @param {string} text */
const placeholders = (text) => [...new Set(text.match(/\{\w+\}/g) ?? [])].sort();

const english = catalog("en");

for (const language of Object.keys(LANGUAGES)) {
  test(`${language} has the keys, placeholders and plural forms`, () => {
    const own = catalog(language);

    assert.deepEqual(Object.keys(own), Object.keys(english), "same keys, in the same order");
    for (const [key, model] of Object.entries(english)) {
      const text = own[key] ?? "";
      assert.equal(typeof text, typeof model, key);
      if (typeof text === "string") {
        assert.deepEqual(placeholders(text), placeholders(String(model)), key);
        assert.notEqual(text.trim(), "", key);
      } else {
        const wanted = new Intl.PluralRules(language).resolvedOptions().pluralCategories;
        assert.deepEqual(Object.keys(text).sort(), [...wanted].sort(), key);
        const all = placeholders(Object.values(/** @type {Record<string, string>} */ (model)).join());
        for (const form of Object.values(text)) assert.deepEqual(placeholders(form), all, key);
      }
    }
  });
}

test("every key that a page names is in the catalog", () => {
  const files = ["", "components/", "lib/"].flatMap((folder) =>
    readdirSync(new URL(folder || ".", root))
      .filter((name) => name.endsWith(".js"))
      .map((name) => readFileSync(new URL(folder + name, root), "utf8")),
  );
  const named = files.flatMap((text) => [...text.matchAll(/"([a-z]+\.[a-z_]+)"/g)].map((match) => String(match[1])));
  const families = new Set(Object.keys(english).map((key) => key.split(".")[0]));
  const ours = named.filter((key) => families.has(key.split(".")[0]) && !key.endsWith(".js"));
  const types = new Set(["media", "queue", "visit", "client", "participant", "waiting.changed"]);
  const missing = ours.filter((key) => !(key in english) && !types.has(key) && !types.has(key.split(".")[0] ?? ""));

  assert.ok(ours.length > 100);
  assert.deepEqual(missing, []);
});

test("no catalog carries a sentence that no page says", () => {
  const text = ["", "components/", "lib/"]
    .flatMap((folder) => readdirSync(new URL(folder || ".", root)).map((name) => folder + name))
    .filter((path) => path.endsWith(".js"))
    .map((path) => readFileSync(new URL(path, root), "utf8"))
    .join();
  const built = [...text.matchAll(/`([a-z]+\.[a-z_]*)\$\{/g)].map((match) => String(match[1]));
  const unsaid = Object.keys(english).filter((key) => !text.includes(`"${key}"`) && !built.some((stem) => key.startsWith(stem)));

  assert.deepEqual(unsaid.filter((key) => !key.startsWith("steps.") && !key.startsWith("title.")), []);
});

test("every error code has a sentence", () => {
  const codes = `bad_message unknown_type forbidden refused stale busy not_ready not_found consent_required policy key_reused
    bad_sdp stale_round too_many room_full rate unavailable internal bad_link bad_credentials invalid conflict lost unreachable`;
  for (const code of codes.split(/\s+/)) assert.ok(`error.${code}` in english, code);
});

test("a translator fills in values, chooses the plural, and shows the key where a word is missing", () => {
  const t = translator("en", { hello: "Hello {name}", people: { one: "{count} person", other: "{count} people" } }, { back: "fell back" });

  assert.equal(t.say("hello", { name: "Ana" }), "Hello Ana");
  assert.equal(t.say("people", { count: 1 }), "1 person");
  assert.equal(t.say("people", { count: 1200 }), "1,200 people");
  assert.equal(t.say("back"), "fell back");
  assert.equal(t.say("no.such"), "no.such");
  assert.equal(t.say("hello"), "Hello {name}");
});

test("a name of the other direction is isolated in a right-to-left sentence, and only there", () => {
  assert.equal(translator("ar", { x: "{name}." }, {}).say("x", { name: "Ana" }), "\u2068Ana\u2069.");
  assert.equal(translator("es", { x: "{name}." }, {}).say("x", { name: "Ana" }), "Ana.");
});

test("the first language we have is taken", () => {
  assert.equal(pickLanguage([null, "fr-FR", "es-MX", "en"]), "es");
  assert.equal(pickLanguage(["toString", "xx"]), "en");
});

test("a length is shown as a clock", () => {
  assert.deepEqual([0, 59_999, 187_000, 3_727_000, -5].map(clock), ["0:00", "0:59", "3:07", "1:02:07", "0:00"]);
});
