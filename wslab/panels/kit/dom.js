/** What every view is drawn with: elements out of text nodes, marks, numbers, and one tab stop for many items. */

export const NUMBER = new Intl.NumberFormat("en-US");

export const plural = (count, noun) => `${NUMBER.format(count)} ${noun}${count === 1 ? "" : "s"}`;

const FOCUSABLE = new Set(["a", "button", "input", "select", "summary", "textarea"]);

/** An element; properties in `aria-` and `data-` and those that elements lack become attributes, strings become text. */
export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name === "class") made.className = value;
    else if (name === "value" || name === "checked") made[name] = value;
    else made.setAttribute(name, value === true ? "" : value);
  }
  // JupyterLab's shortcuts (dd deletes a cell) must not act on a key pressed in here; Lumino looks at what has the focus.
  if (FOCUSABLE.has(tag) || "tabindex" in properties) made.setAttribute("data-lm-suppress-shortcuts", "true");
  made.append(...children.filter((child) => child !== null));
  return made;
}

/** An element of a drawing; every property is an attribute. */
export function svg(tag, attributes = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** Text for a screen reader only. */
export const unseen = (text) => element("span", { class: "wslab-unseen" }, text);

/** ● client or ■ server: the mark is drawn, the word is said. */
export const mark = (sender) => element("span", { class: `wslab-mark wslab-${sender}`, "aria-hidden": "true" });

const NAMES = Symbol.for("wslab names"); // counted for the whole page: each panel brings a module of its own

/** An id that no other element of the page has. */
export function freshId() {
  globalThis[NAMES] = (globalThis[NAMES] ?? 0) + 1;
  return `wslab-${globalThis[NAMES]}`;
}

const MOST_VALUE = 240; // characters that are shown of a value

export const cut = (text) =>
  text.length > MOST_VALUE ? `${text.slice(0, MOST_VALUE)}… ${NUMBER.format(text.length - MOST_VALUE)} more` : text;
export const spaced = (digits) => digits.replace(/(..)(?=.)/g, "$1 ");

/** One tab stop for many items: keys move by the given steps, and the focus with them. */
export function rove(container, items, steps) {
  container.addEventListener("keydown", (event) => {
    const from = items.indexOf(event.target.closest("[tabindex]"));
    if (from < 0 || !(event.key in steps) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    items[Math.min(Math.max(from + steps[event.key], 0), items.length - 1)].focus();
  });
  container.addEventListener("focusin", (event) => {
    for (const item of container.querySelectorAll('[tabindex="0"]')) item.tabIndex = -1;
    event.target.closest("[tabindex]").tabIndex = 0;
  });
}

/** Scroll `container`, and nothing around it, so that `item` is seen. */
export function bring(container, item) {
  const [outer, inner] = [container.getBoundingClientRect(), item.getBoundingClientRect()];
  if (inner.top < outer.top) container.scrollTop -= outer.top - inner.top;
  else if (inner.bottom > outer.bottom) container.scrollTop += inner.bottom - outer.bottom;
}

/** Keeps a value that comes back from the kernel from overwriting what was typed into `input` since it was sent. */
export function typing(input) {
  const underway = [];
  let known = null;
  return {
    sent: (value) => underway.push(value),
    /** The kernel has `value`, which reads `text`; `busy`: somebody is typing. */
    back(value, text, busy) {
      if (value === known) return;
      known = value;
      const mine = underway.indexOf(value);
      if (mine >= 0) underway.splice(0, mine + 1);
      else if (!busy) input.value = text;
    },
  };
}
