/** What a person drives: buttons, lines to type in, radio buttons, lists, and the keys that move among many items. */

import { element, freshId, TYPED } from "./dom.js";

export const button = (words, onclick, properties = {}) => element("button.button", { onclick, ...properties }, words);

/** A line to type in. */
export const textInput = (properties, look = "") =>
  element(`input.input${look}`, { type: "text", ...TYPED, ...properties });

/** Options of a list to choose from, as pairs of value and words. */
export const options = (pairs) => pairs.map(([value, words]) => element("option", { value: String(value) }, words));

/** Have `move(step)` called for each key that has a step. */
export function steer(node, steps, move) {
  node.addEventListener("keydown", (event) => {
    if (!(event.key in steps) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    move(steps[event.key], event);
  });
}

/** One tab stop for many items: keys move by the given steps, and the focus with them. */
export function rove(container, items, steps) {
  steer(container, steps, (step, { target }) => {
    const from = items.indexOf(target.closest("[tabindex]"));
    if (from >= 0) items[Math.min(Math.max(from + step, 0), items.length - 1)].focus();
  });
  container.addEventListener("focusin", (event) => {
    for (const item of container.querySelectorAll('[tabindex="0"]')) item.tabIndex = -1;
    event.target.closest("[tabindex]").tabIndex = 0;
  });
}

/**
 * What is typed into `input` counts when nobody has typed for `pause` ms, and when it is left: then `send()` is called.
 * Where `pause` is null only leaving it counts. A value that comes back from the kernel overwrites nothing typed since.
 */
export function typing(input, pause, send) {
  const underway = [];
  let known = null;
  let timer = null;
  const now = () => {
    clearTimeout(timer);
    timer = null;
    send();
  };
  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = pause === null ? null : setTimeout(now, pause);
  });
  input.addEventListener("change", now);
  return {
    now,
    flush: () => timer !== null && now(),
    stop: () => clearTimeout(timer),
    sent: (value) => underway.push(value),
    /** The kernel has `value`, which reads `text`. */
    back(value, text) {
      if (value === known) return;
      known = value;
      const mine = underway.indexOf(value);
      if (mine >= 0) underway.splice(0, mine + 1);
      else if (timer === null) input.value = text;
    },
  };
}

/** Radio buttons for `values`, of which one is on. What a person chose stays chosen until the kernel answers. */
export function radios(values, choose) {
  const name = freshId();
  const inputs = values.map((value) => element("input", { type: "radio", name, onchange: () => choose(value) }));
  let known; // what the kernel said last
  const draw = (value) => {
    if (value !== known) for (const [at, input] of inputs.entries()) input.checked = values[at] === value;
    known = value;
  };
  return { inputs, draw };
}
