// Makes elements. Text goes in as text, never as HTML.

/** @typedef {Node | string | null | undefined | false} Child */

/** @param {Element} element @param {Record<string, unknown>} properties Sets attributes; functions become listeners. */
function setAll(element, properties) {
  for (const [name, value] of Object.entries(properties)) {
    if (typeof value === "function") element.addEventListener(name, /** @type {EventListener} */ (value));
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, String(value));
  }
}

/**
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag @param {Record<string, unknown>} [properties] Attributes, and listeners by the event's name.
 * @param {...Child} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  setAll(element, properties);
  element.append(...children.filter((child) => child != null && child !== false));
  return element;
}

/**
 * @template {keyof SVGElementTagNameMap} Tag
 * @param {Tag} tag @param {Record<string, unknown>} properties @param {...Element} children
 */
export function svg(tag, properties, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  setAll(element, properties);
  element.append(...children);
  return element;
}

/** @param {Record<string, Child>} facts Returns a list of names and values, without those that are missing. */
export function factList(facts) {
  const present = Object.entries(facts).filter(([, value]) => value != null && value !== false && value !== "");
  const rows = present.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value)));
  return h("dl", { class: "facts" }, ...rows);
}

/**
 * Returns a table in a region that scrolls by itself, so that the page never does sideways.
 * @param {string} label @param {string[]} heads A head that begins with `#` is that of numbers. @param {Child[][]} rows
 */
export function table(label, heads, rows) {
  const numeric = heads.map((head) => (head.startsWith("#") ? "number" : null));
  const head = heads.map((text, k) => h("th", { scope: "col", class: numeric[k] }, text.replace(/^#/, "")));
  const body = rows.map((cells) => h("tr", {}, ...cells.map((cell, k) => h("td", { class: numeric[k] }, cell))));
  const caption = h("caption", { class: "hidden" }, label);
  const whole = h("table", {}, caption, h("thead", {}, h("tr", {}, ...head)), h("tbody", {}, ...body));
  return h("div", { class: "scroll", role: "region", "aria-label": label, tabindex: "0" }, whole);
}

/** @param {"good" | "bad" | "warn" | "plain"} kind @param {string} text Says something in a word, by colour and mark. */
export function badge(kind, text) {
  const mark = { good: "✓", bad: "✗", warn: "!", plain: "·" }[kind];
  return h("span", { class: `badge ${kind}` }, h("span", { "aria-hidden": "true" }, mark), ` ${text}`);
}

/** @param {unknown} error Returns what went wrong: the message, the reason, and what was expected and came. */
export function problem(error) {
  const { message, reason, details } = /** @type {import("./api.js").ServerError} */ (error);
  const title = h("p", {}, reason ? h("strong", {}, `${reason} `) : null, message);
  return h("div", { class: "problem", role: "alert" }, title, details ? factList(details) : null);
}
