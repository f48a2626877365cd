/** What a person drives: buttons, lines to type in, radio buttons, lists, and the keys that move among many items. */

import { element, fill, freshId, say, TYPED } from "./dom.js";

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

/**
 * Radio buttons of which one is on, out of pairs of a value and what it is called. What a person chose stays chosen
 * until the kernel answers. `legend` names them.
 */
export function choice(legend, pairs, choose, look = "") {
  const name = freshId();
  const inputs = pairs.map(([value]) => element("input", { type: "radio", name, onchange: () => choose(value) }));
  const labels = pairs.map(([, said]) => element("span", said));
  const lines = labels.map((label, at) => element("label", inputs[at], label));
  let known; // what the kernel said last
  const draw = (value, can = true) => {
    for (const [at, input] of inputs.entries()) {
      if (value !== known) input.checked = pairs[at][0] === value;
      input.disabled = !can;
    }
    known = value;
  };
  return { element: element("fieldset.group", element(`legend${look}`, legend), lines), inputs, labels, draw };
}

/** What is folded behind its name until a click or a key unfolds it; `tell(words)` says beside it what is there. */
export function fold(name, children, properties = {}) {
  const said = element("span.place");
  const summary = element("summary.disclosure", { "data-key": name }, name, " ", said);
  const root = element("details.fold", properties, summary, element("div.folded", children));
  return { element: root, tell: (...words) => fill(said, ...words) };
}

/** Parts, `[name, element]` each, of which one is seen: the arrow keys go from tab to tab, and `open(at)` opens one. */
export function tabs(label, parts) {
  const id = freshId();
  const open = (at) => {
    for (const [index, tab] of items.entries()) {
      say(tab, "selected", index === at);
      tab.tabIndex = index === at ? 0 : -1;
      parts[index][1].hidden = index !== at;
    }
  };
  const items = parts.map(([name, part], at) => {
    const [tabId, partId] = [`${id}-tab-${at}`, `${id}-${at}`];
    for (const [key, value] of Object.entries({ id: partId, role: "tabpanel", "aria-labelledby": tabId }))
      part.setAttribute(key, value);
    const said = { role: "tab", id: tabId, "aria-controls": partId, tabindex: "-1" };
    return element("button.tab", { ...said, onclick: () => open(at), onfocus: () => open(at) }, name);
  });
  const list = element("div.tabs.ruledbelow", { role: "tablist", "aria-label": label }, items);
  rove(list, items, { ArrowRight: 1, ArrowLeft: -1, Home: -Infinity, End: Infinity });
  open(0);
  return { element: element("div", list, ...parts.map(([, part]) => part)), open };
}

const THANKS = 2000; // ms for which a button says that it is done

/** A button that copies `text()`; where the page has no clipboard it selects what stands in `shown`. */
export function copying(words, name, text, shown = null) {
  const said = element("span.unseen", { role: "status" });
  let reset = null;
  const copy = async () => {
    let done = "Copied";
    try {
      await navigator.clipboard.writeText(text());
    } catch {
      if (shown) getSelection().selectAllChildren(shown); // a page that is not served securely has no clipboard
      done = shown ? "Selected" : "Not copied: this page may not";
    }
    press.textContent = said.textContent = done;
    clearTimeout(reset);
    reset = setTimeout(() => (press.textContent = words), THANKS);
  };
  const press = button(words, copy, { "aria-label": name });
  return { element: element("span.wrap", press, said), remove: () => clearTimeout(reset) };
}

/** Buttons that save what the kernel makes of the panel: pairs of what is asked for, and the button's words. */
export function saving({ ask, hear }, ...pairs) {
  const view = freshId();
  hear((message, [data]) => {
    if (message.tell !== "file" || message.view !== view) return;
    const href = URL.createObjectURL(new Blob([data]));
    element("a", { href, download: message.name }).click();
    setTimeout(() => URL.revokeObjectURL(href), THANKS);
  });
  return element(
    "span.buttons",
    ...pairs.map(([what, words]) => button(words, () => ask({ ask: "file", what, view }))),
  );
}
