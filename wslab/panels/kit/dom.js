/** What every view is drawn with: elements out of text nodes, marks, numbers, and parts made of other parts. */

import { harmless } from "./words.js";

const FOCUSABLE = new Set(["a", "button", "input", "select", "summary", "textarea"]);
export const TYPED = { spellcheck: "false", autocomplete: "off" };
const DEFAULTS = { button: { type: "button" }, section: { role: "group" }, textarea: TYPED };
// A section is a named part of a panel, and no landmark, since another panel's part is called the same.
const TAGS = { section: "div" };

/** What `element` and `svg` are given, in parts: tag, classes, properties, children. */
function parts([what, ...given]) {
  const [tag, ...classes] = what.split(".").filter(Boolean);
  const properties = given[0]?.constructor === Object ? given.shift() : {};
  return { tag, look: classes.map((name) => `wslab-${name}`).join(" "), properties, children: present(given) };
}

const present = (children) => children.flat().filter((child) => child !== null && child !== undefined);

/**
 * An element. "span.place.quiet" is a `span` of the classes `wslab-place` and `wslab-quiet`. Properties may follow, and
 * become attributes unless they are listeners; then children, also in arrays: strings become text, null is left out.
 */
export function element(...given) {
  const { tag, look, properties, children } = parts(given);
  const made = document.createElement(TAGS[tag] ?? tag);
  if (look) made.className = look;
  for (const [name, value] of Object.entries({ ...DEFAULTS[tag], ...properties })) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name === "value" || name === "checked") made[name] = value;
    else made.setAttribute(name, value === true ? "" : value);
  }
  // JupyterLab's shortcuts (dd deletes a cell) must not act on a key pressed in here; Lumino looks at what has focus.
  if (FOCUSABLE.has(tag) || "tabindex" in properties) made.setAttribute("data-lm-suppress-shortcuts", "true");
  made.append(...children);
  return made;
}

/** The same for an element of a drawing; every property is an attribute. */
export function svg(...given) {
  const { tag, look, properties, children } = parts(given);
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  if (look) made.setAttribute("class", look);
  for (const [name, value] of Object.entries(properties)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** Have `node` hold these children, and nothing that it held before. */
export const fill = (node, ...children) => node.replaceChildren(...present(children));

/** Where the RFC says so. */
export const section = (text) => element("span.section", harmless(text));

/** Text from the wire, in its own direction of writing. */
export const quote = (text, look = "") => element(`bdi${look}`, { dir: "ltr" }, harmless(text));

/** Have `node` say `text`, and hide where there is none. What says so already is left alone, not announced again. */
export function tell(node, text) {
  if (node.textContent !== text) node.textContent = text;
  node.hidden = !text;
}

/** Say in an ARIA attribute whether something is so. */
export const say = (node, name, yes) => node.setAttribute(`aria-${name}`, String(Boolean(yes)));

/** Something that scrolls: the keyboard reaches it, and a screen reader says what it is. */
export const region = (what, name, ...children) =>
  element(what, { tabindex: "0", role: "group", "aria-label": name }, ...children);

/** A heading, and what stands beside it. */
export const headed = (title, ...beside) => element("div.headrow", element("h3.heading", title), ...beside);

/** A part of a panel that is made of others: what is done with it is done with each of them. */
export const together = (root, parts, draw = (...given) => parts.forEach((part) => part.draw(...given))) => ({
  element: root,
  draw,
  flush: () => parts.forEach((part) => part.flush?.()),
  remove: () => parts.forEach((part) => part.remove?.()),
});

/** Draws only when `state()` differs from what was drawn last. */
export function whenChanged(state, draw) {
  let drawn;
  return () => {
    const now = state();
    if (now === drawn) return;
    drawn = now;
    draw(now);
  };
}

/** Text for a screen reader only. */
export const unseen = (text) => element("span.unseen", text);

/** ● client or ■ server: the mark is drawn, the word is said. */
export const mark = (sender) => element(`span.mark.${sender}`, { "aria-hidden": "true" });

const NAMES = Symbol.for("wslab names"); // counted for the whole page: each panel brings a module of its own

/** An id that no other element of the page has. */
export function freshId() {
  globalThis[NAMES] = (globalThis[NAMES] ?? 0) + 1;
  return `wslab-${globalThis[NAMES]}`;
}

const REGIONS = Symbol.for("wslab regions"); // the names that are taken, for the whole page

/** A name that no other panel of the page has: `title`, or "`title` 2". */
export function claim(title) {
  globalThis[REGIONS] ??= new Set();
  const taken = globalThis[REGIONS];
  let name = title;
  for (let next = 2; taken.has(name); next++) name = `${title} ${next}`;
  taken.add(name);
  return name;
}
export const release = (name) => globalThis[REGIONS].delete(name);

/** Scroll `container`, and nothing around it, so that `item` is seen. */
export function bring(container, item) {
  const [outer, inner] = [container.getBoundingClientRect(), item.getBoundingClientRect()];
  if (inner.top < outer.top) container.scrollTop -= outer.top - inner.top;
  else if (inner.bottom > outer.bottom) container.scrollTop += inner.bottom - outer.bottom;
}
