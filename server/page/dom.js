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

/**
 * Returns a list of names and values, without those that are missing.
 * @param {Record<string, Child>} facts @param {string[]} [long] The names of those that take a line each.
 */
export function factList(facts, long = []) {
  const present = Object.entries(facts).filter(([, value]) => value != null && value !== false && value !== "");
  const rows = present.map(([name, value]) => h("div", { class: long.includes(name) ? "whole" : null }, h("dt", {}, name), h("dd", {}, value)));
  return h("dl", { class: "facts" }, ...rows);
}

/**
 * Returns a table in a region that scrolls by itself, so that the page never does sideways.
 * @param {string} label @param {string[]} heads A head that begins with `#` is that of numbers, one with `~` of sentences. @param {Child[][]} rows
 */
export function table(label, heads, rows) {
  const kinds = heads.map((head) => (head.startsWith("#") ? "number" : head.startsWith("~") ? "text" : null));
  const head = heads.map((text, k) => h("th", { scope: "col", class: kinds[k] }, text.replace(/^[#~]/, "")));
  const body = rows.map((cells) => h("tr", {}, ...cells.map((cell, k) => h("td", { class: kinds[k] }, cell))));
  const caption = h("caption", { class: "hidden" }, label);
  const whole = h("table", {}, caption, h("thead", {}, h("tr", {}, ...head)), h("tbody", {}, ...body));
  return h("div", { class: "scroll", role: "region", "aria-label": label, tabindex: "0" }, whole);
}

/** @param {"good" | "bad" | "warn" | "plain"} kind @param {string} text Says something in a word, by colour and mark. */
export function badge(kind, text) {
  const mark = { good: "✓", bad: "✗", warn: "!", plain: "·" }[kind];
  return h("span", { class: `badge ${kind}` }, h("span", { "aria-hidden": "true" }, mark), ` ${text}`);
}

/** @param {string} name @param {string} value @param {Node | null} [more] Returns a figure with its name. */
export const tile = (name, value, more) =>
  h("div", { class: "tile" }, h("span", { class: "name" }, name), h("span", { class: "figure" }, value), more);

/** @param {HTMLElement} place @param {Node} content Replaces a view's content. Who reads a table by the keyboard stays in it. */
export function replaceKeepingFocus(place, content) {
  const regions = () => /** @type {HTMLElement[]} */ ([...place.querySelectorAll(".scroll")]);
  const before = regions();
  const focused = before.findIndex((region) => region.contains(document.activeElement));
  const scrolled = before.map((region) => region.scrollLeft);
  place.replaceChildren(content);
  regions().forEach((region, k) => {
    region.scrollLeft = scrolled[k] ?? 0;
    if (k === focused) region.focus({ preventScroll: true });
  });
}

/** @param {unknown} error Returns what went wrong: the message, the reason, and what was expected and came. */
export function problem(error) {
  const { message, reason, details } = /** @type {import("./api.js").ServerError} */ (error);
  const title = h("p", {}, reason ? h("strong", {}, `${reason} `) : null, message);
  return h("div", { class: "problem", role: "alert" }, title, details ? factList(details) : null);
}
