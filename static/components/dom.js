/** Building elements: text is always text, so nothing a person typed can become markup. */

/** @typedef {Node | string | number | null | undefined | false} Child */
/** @typedef {{[name: string]: string | number | boolean | null | undefined | Record<string, any>}} Props */

/**
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Props} [props]  attributes; `true` is an empty one, `false`, null and undefined none; `on` holds listeners
 * @param {...Child} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (name === "on") {
      for (const [event, listener] of Object.entries(/** @type {Record<string, any>} */ (value))) {
        element.addEventListener(event, listener);
      }
    } else if (value !== false && value !== null && value !== undefined) {
      element.setAttribute(name, value === true ? "" : String(value));
    }
  }
  element.append(...children.filter((child) => child || child === 0).map((child) => (child instanceof Node ? child : String(child))));
  return element;
}

/**
 * @template {HTMLElement} Type
 * @param {ParentNode} within
 * @param {string} selector
 * @param {new () => Type} type
 * @returns {Type} the element there must be
 */
export function find(within, selector, type) {
  const element = within.querySelector(selector);
  if (!(element instanceof type)) throw new Error(`no ${selector}`);
  return element;
}

/** Set text only when it differs: a live region must not repeat itself. @param {Element} element @param {string} text */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** A long text of a practice, as paragraphs. @param {string} text */
export function paragraphs(text) {
  return text.split(/\n\s*\n/).map((one) => h("p", {}, one.trim()));
}

let counted = 0;

/** @param {string} stem @returns {string} an id used nowhere else on the page */
export function freshId(stem) {
  counted += 1;
  return `${stem}-${counted}`;
}

/** The first element of each screen: focus goes there, so that a reader begins to read. @param {...Child} children */
export function heading(...children) {
  return h("h1", { tabindex: "-1" }, ...children);
}

/** A screen of the page. What it listens to ends when it leaves. */
export class Screen extends HTMLElement {
  #life = new AbortController();

  /** Aborted when the screen leaves the page. */
  get signal() {
    return this.#life.signal;
  }

  /** Call again and again while the screen is there. @param {number} ms @param {() => void} what */
  every(ms, what) {
    const timer = setInterval(what, ms);
    this.signal.addEventListener("abort", () => clearInterval(timer), { once: true });
  }

  /** A new screen begins at its heading. */
  begin() {
    scrollTo(0, 0);
    this.querySelector("h1")?.focus({ preventScroll: true });
  }

  disconnectedCallback() {
    this.#life.abort();
  }
}

/**
 * Keep one row per item, in order, without making anew what is there: focus stays where it was.
 * @template Item
 * @template {HTMLElement} Row
 * @param {HTMLElement} list
 * @param {Map<string, Row>} rows  kept between calls
 * @param {readonly Item[]} items
 * @param {(item: Item) => string} key
 * @param {(item: Item) => Row} make
 * @param {(row: Row, item: Item) => void} tell
 */
export function syncRows(list, rows, items, key, make, tell) {
  const wanted = new Set(items.map(key));
  for (const [id, row] of rows) {
    if (wanted.has(id)) continue;
    row.remove();
    rows.delete(id);
  }
  items.forEach((item, index) => {
    const row = rows.get(key(item)) ?? make(item);
    rows.set(key(item), row);
    tell(row, item);
    if (list.children[index] !== row) list.insertBefore(row, list.children[index] ?? null);
  });
}
