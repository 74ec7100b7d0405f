/** Words for people: codes and values come in, sentences of a catalog go out. */

/** @typedef {Record<string, string | Record<string, string>>} Catalog  a plural has one form per CLDR category */

/**
 * @typedef {Object} Translator
 * @property {string} language
 * @property {"ltr" | "rtl"} direction
 * @property {(key: string, values?: Record<string, string | number>) => string} say
 * @property {(key: string) => boolean} has
 * @property {(at: number) => string} time       of day
 * @property {(at: number) => string} day
 * @property {(ms: number) => string} clock      a length, as 3:07 or 1:02:07
 * @property {(names: string[]) => string} list  in a sentence
 */

export const LANGUAGES = /** @type {const} */ ({ en: "English", es: "Español", ar: "العربية" });

/** @typedef {keyof typeof LANGUAGES} Language */

/** @param {string} language @returns {language is Language} */
export function known(language) {
  return Object.hasOwn(LANGUAGES, language);
}

/** The first language we have words for. @param {readonly (string | null | undefined)[]} wanted @returns {Language} */
export function pickLanguage(wanted) {
  for (const one of wanted) {
    const base = one?.toLowerCase().split("-")[0] ?? "";
    if (known(base)) return base;
  }
  return "en";
}

/**
 * @param {Language} language
 * @param {Catalog} catalog
 * @param {Catalog} fallback  used where `catalog` has no such key; where neither has, the key is shown
 * @param {{timeZone?: string}} [options]
 * @returns {Translator}
 */
export function translator(language, catalog, fallback, { timeZone } = {}) {
  const plural = new Intl.PluralRules(language);
  const direction = language === "ar" ? "rtl" : "ltr";
  const number = new Intl.NumberFormat(language);
  const list = new Intl.ListFormat(language);
  const time = new Intl.DateTimeFormat(language, { timeStyle: "short", timeZone });
  const day = new Intl.DateTimeFormat(language, { weekday: "long", day: "numeric", month: "long", timeZone });
  /** @param {string | number} value */
  const shown = (value) => {
    if (typeof value === "number") return number.format(value);
    return direction === "rtl" ? `\u2068${value}\u2069` : value; // a Latin name must not turn an Arabic line round
  };
  return {
    language,
    direction,
    say(key, values = {}) {
      const found = catalog[key] ?? fallback[key] ?? key;
      const text =
        typeof found === "string" ? found : (found[plural.select(Number(values.count ?? 0))] ?? found.other ?? key);
      return text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? shown(values[name] ?? "") : whole));
    },
    has: (key) => key in catalog || key in fallback,
    time: (at) => time.format(at),
    day: (at) => day.format(at),
    clock: (ms) => clock(ms),
    list: (names) => list.format(names.map(shown)),
  };
}

/** @param {number} ms @returns {string} */
export function clock(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const [hours, minutes, rest] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  const two = (/** @type {number} */ value) => String(value).padStart(2, "0");
  return hours > 0 ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}
