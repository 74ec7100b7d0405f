/** How to reach a practice, from whatever form the practice gave it in. */

/** @typedef {import("./types.js").Contact} Contact */

/** @param {string | Contact | null | undefined} given @returns {Contact | null} null: nothing was given */
export function contact(given) {
  if (!given) return null;
  if (typeof given !== "string") return Object.values(given).some(Boolean) ? given : null;
  const text = given.trim();
  if (/^https:\/\/\S+$/.test(text)) return { url: text };
  if (/^[^\s@]+@[^\s@]+\.[^\s@]+$/.test(text)) return { email: text };
  if (/^[+()\d][-+().\s\d]{4,}$/.test(text)) return { phone: text };
  return text ? { text } : null;
}

/** A link that is safe to follow, or null. @param {Contact} where @param {"phone" | "email" | "url"} kind */
export function hrefOf(where, kind) {
  const value = where[kind];
  if (!value) return null;
  if (kind === "phone") return `tel:${value.replace(/[^+\d]/g, "")}`;
  if (kind === "email") return `mailto:${value}`;
  return value.startsWith("https://") ? value : null;
}
