/**
 * The bytes of one explanation: its violations, the RFC's figure of bits, the bytes as a grid, the fields, and what the
 * payload is underneath. Each lights the other.
 *
 * Everything that stands for some bits is a *part* (places.js). Pointing at a part lights all that stand for the same
 * field; clicking it, or coming to it with the keys, picks its byte, which stays until Escape. An explanation is
 * the JSON of an `Explanation` (wslab/anatomy/transport.py).
 */

import { bitFigure, hasFigure } from "./bit_figure.js";
import { byteGrid } from "./byte_grid.js";
import { copying, fold, rove } from "./controls.js";
import { bring, element, section } from "./dom.js";
import { inflation, unmasking, xorOf, xorWords } from "./payload_views.js";
import { asciiWords, bits, bytesOf, fieldsAt, part, place } from "./places.js";
import { cut, harmless, hex, NUMBER, plural, spaced } from "./words.js";

const BESIDE = 680; // px from which on the fields stand beside the grid
/** Bits in a row of the figure, and bytes in a row of a grid, where there are so many pixels. */
const FIGURE = [
  [630, 32],
  [300, 16],
  [0, 8],
];
const GRID = [
  [1060, 16],
  [BESIDE, 8],
  [620, 16],
  [0, 8],
];
const GRID_ALONE = GRID.filter(([least]) => least !== BESIDE); // beside a list that is folded away
const UNDER = [
  [540, 16],
  [0, 8],
];
const UNMASKED = 16; // bytes that the list of fields shows
const SHORT = 96; // bytes: a grid that leaves room below itself, beside the fields
const fitting = (table, width) => table.find(([least]) => width >= least)[1];

/** A value, unless the meaning says it again. */
const ownValue = ({ value, meaning }) =>
  value && !(value.length > 3 && meaning.includes(value.slice(0, 12))) ? value : "";

/** The bytes of a field as they are unmasked; the first of many. */
function unmasked({ plain, width }) {
  const more = width / 8 - UNMASKED;
  return spaced(plain.slice(0, 2 * UNMASKED)) + (more > 0 ? ` … ${plural(more, "more byte")}` : "");
}

/** The fields, each with its place, value, meaning and section. */
function fieldList(explanation) {
  const parts = [];
  const items = explanation.fields.map((field, index) => {
    const where = element("span.place", place(field));
    const value = ownValue(field) ? element("bdi.value", { dir: "ltr" }, cut(harmless(ownValue(field)))) : null;
    const plain = field.plain ? element("span.plain", "unmasked ", element("code", unmasked(field))) : null;
    const item = element(
      "li.field",
      { role: "option", tabindex: index ? "-1" : "0", "data-key": `field ${index}`, "aria-selected": "false" },
      element("span.name.aside", element("b", harmless(field.name)), " ", where, " ", section(field.section)),
      element("span.anywhere", value, element("span", cut(harmless(field.meaning))), plain),
    );
    parts.push(part(item, explanation, field.start, field.start + field.width, { fields: [index] }));
    return item;
  });
  const label = "Fields: the arrow keys go from field to field";
  const list = element("ol.fields.scrolls", { role: "listbox", "data-key": "fields", "aria-label": label }, items);
  rove(list, items, { ArrowDown: 1, ArrowUp: -1, Home: -Infinity, End: Infinity });
  return { element: list, parts };
}

/** The broken rules, each with the RFC's sentence; those that lie on bits light them. */
function violationList(explanation) {
  const parts = [];
  const items = explanation.violations.map((violation, index) => {
    const rule = element("b.broken", `! ${harmless(violation.rule)}`);
    const sentence = element("q", harmless(violation.sentence));
    const where = violation.width ? element("span.place", ` · ${place(violation)}`) : "";
    const found = element("span.found", harmless(violation.found), where);
    const says = [rule, " ", section(violation.section), " ", sentence, " ", found];
    if (!violation.width || violation.start >= 8 * bytesOf(explanation).length) return element("li.violation", ...says);
    const button = element("button.violation", { "data-key": `violation ${index}`, title: "Show its bits" }, ...says);
    parts.push(part(button, explanation, violation.start, violation.start + violation.width, { violation }));
    return element("li", button);
  });
  return { element: element("ul.violations", { "aria-label": "Broken rules" }, ...items), parts };
}

/** Everything of one byte in words. */
function byteWords(explanation, at) {
  const bytes = bytesOf(explanation);
  const byte = parseInt(bytes[at], 16);
  const item = (name, value) => element("span", element("span.quiet", `${name} `), value);
  const code = (text) => element("code", text);
  const { sender, offset, length } = explanation;
  const stream = sender && element("span.place", `byte ${NUMBER.format(offset + at)} of the ${sender}'s stream`);
  const said = { hex: `0x${hex(byte)}`, binary: bits(byte), decimal: String(byte), ASCII: asciiWords(byte) };
  const values = Number.isNaN(byte)
    ? [item("value", "withheld: it is part of a credential")]
    : Object.entries(said).map(([name, text]) => item(name, code(text)));
  const xor = xorOf(explanation, at);
  const fields = fieldsAt(explanation)[at].map((index) => {
    const field = explanation.fields[index];
    const value = ownValue(field) && field.width <= 64 ? ` = ${cut(harmless(ownValue(field)))}` : "";
    const words = `${value}: ${cut(harmless(field.meaning))} `;
    const where = element("span.place", ` ${place(field)}`);
    return element("li", element("b", harmless(field.name)), where, words, section(field.section));
  });
  const heading = element("b", `Byte ${NUMBER.format(at)} of ${NUMBER.format(length)}`);
  return [
    element("p.values", heading, stream, values),
    xor && element("p.xorline", code(xorWords(xor)), " ", section("RFC 6455 5.3")),
    element("ul", fields),
  ].filter(Boolean);
}

/** The line that tells the byte which is pointed at, or else picked. It grows with what it says, and never shrinks. */
function byteLine(explanation) {
  const look = { role: "status", "aria-live": "polite", "aria-label": "The byte that is picked" };
  const line = element("div.pickedbyte", look);
  const hint =
    "Point at a byte to see all of it; click it, or go to it with the arrow keys, to keep it. Escape lets it go.";
  let said = null;
  const say = (at) => {
    if (at === said && line.childElementCount) return;
    said = at;
    line.replaceChildren(...(at === null ? [element("p.hint", hint)] : byteWords(explanation, at)));
    line.style.minHeight = `${line.offsetHeight}px`; // else what stands below would move under the pointer
  };
  return { element: line, say };
}

/**
 * Everything about one explanation. `pick(byte)` picks one, or none with null; `onpick` hears what a person picks.
 * `around(children)` is an element with what explains the bytes; the broken rules stand before it. `aside(list)` is
 * one with the list of fields, and with what a short payload is underneath.
 */
function reading(explanation, { picked = null, onpick, around, aside, beside }) {
  const count = bytesOf(explanation).length;
  const broken = explanation.violations.length ? violationList(explanation) : null;
  const under = unmasking(explanation);
  const told = under ? "Unmasked" : null; // a fact that is drawn
  const facts = explanation.facts
    .filter(([name]) => name !== told)
    .flatMap(([name, text]) => [element("dt", harmless(name)), element("dd", cut(harmless(text)))]);
  const factList = facts.length ? element("dl.facts", ...facts) : null;
  if (!count)
    return { element: element("div.reading", broken?.element ?? null, factList), pick() {}, focus() {}, remove() {} };

  const grid = byteGrid(explanation);
  const list = fieldList(explanation);
  const line = byteLine(explanation);
  const inflated = inflation(explanation);
  const figure = element("div.figures");
  let drawn = { parts: [], row: 0 };

  const isShort = count <= SHORT;
  const cutWords = `The first ${NUMBER.format(count)} of ${plural(explanation.length, "byte")}.`;
  const cutNote = explanation.length > count ? element("p.note", cutWords) : null;
  const bytes = element("div.bytes.scrolls", { "data-key": "bytes" }, grid.element, cutNote);
  const copy = copying("Copy as hex", "Copy these bytes as hex", () => spaced(explanation.data));
  const underneath = [under?.element, inflated].filter(Boolean);
  const taken = element("div.taken.wrap", copy.element, beside);
  const isFold = aside.isFold; // then the list leaves room beside the grid
  const [shortly, below] = isShort ? [underneath, []] : [[], underneath];
  const left = element("div", bytes, ...(isFold ? [] : [taken, ...shortly]));
  const right = isFold ? element("div.right", aside([list.element, ...shortly]), taken, factList) : list.element;
  const explained = element("div.explained", left, right);
  const inner = around([figure, explained, line.element, ...below, isFold ? null : factList]);
  const root = element("div.reading", broken?.element ?? null, inner);

  // What is lit: `held` is what was picked, `pointed` what the pointer is on just now.
  let held = null;
  let pointed = null;
  let quiet = false;
  const fixed = [...(broken?.parts ?? []), ...grid.parts, ...list.parts, ...(under?.parts ?? [])];
  const known = new Map(fixed.map((one) => [one.node, one]));
  const partAt = (node) => {
    const found = node.closest?.("[data-part]");
    return found && root.contains(found) ? (known.get(found) ?? drawn.parts.find((one) => one.node === found)) : null;
  };
  const byteSource = (at) => ({ at, fields: fieldsAt(explanation)[at] });
  const isLit = (one, source) => {
    if (!source) return false;
    if (source.violation) return !one.coarse && one.start < source.stop && one.stop > source.start;
    return one.fields.some((field) => source.fields.includes(field));
  };

  const light = () => {
    const source = pointed ?? held;
    for (const one of [...fixed, ...drawn.parts]) {
      const lit = isLit(one, source);
      const picked = one.byte !== undefined && one.byte === held?.at;
      if (lit === one.lit && picked === one.picked) continue; // there may be thousands
      Object.assign(one, { lit, picked });
      one.node.classList.toggle("wslab-lit", lit);
      one.node.classList.toggle("wslab-picked", picked);
      if (one.node.role === "option") one.node.setAttribute("aria-selected", String(lit));
      else if (one.node.role === "gridcell") one.node.setAttribute("aria-selected", String(picked));
    }
    line.say(source ? source.at : null);
    under?.point(source ? source.at : null);
  };
  const reveal = (except) => {
    for (const scroller of [bytes, list.element, ...root.querySelectorAll(".wslab-scroll")]) {
      const first = scroller.querySelector(".wslab-picked") ?? scroller.querySelector(".wslab-lit");
      if (first && !scroller.contains(except)) bring(scroller, first);
    }
  };
  const hold = (source, from = null) => {
    const before = held?.at ?? null;
    held = source;
    pointed = null;
    light();
    reveal(from);
    if ((source?.at ?? null) !== before) onpick(source?.at ?? null);
  };
  const choose = (one) => hold(one.byte === undefined ? one : byteSource(one.byte), one.node);

  root.addEventListener("pointerover", (event) => {
    const one = partAt(event.target);
    const next = one && (one.byte === undefined ? one : byteSource(one.byte));
    if (!next && !pointed) return;
    pointed = next;
    light();
    if (next) reveal(event.target);
  });
  root.addEventListener("pointerleave", () => {
    pointed = null;
    light();
  });
  root.addEventListener("focusin", (event) => {
    const one = quiet ? null : partAt(event.target);
    if (one) choose(one);
  });
  root.addEventListener("click", (event) => {
    const one = partAt(event.target);
    if (!one) return;
    choose(one);
    if (one.byte !== undefined) grid.cells[one.byte].focus({ preventScroll: true });
  });
  root.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !held) return;
    event.preventDefault();
    event.stopPropagation();
    hold(null);
  });

  const draw = (width) => {
    const row = fitting(FIGURE, width);
    if (hasFigure(explanation) && row !== drawn.row) {
      drawn = { ...bitFigure(explanation, row), row };
      figure.replaceChildren(drawn.element);
      light();
    }
    grid.lay(fitting(isFold ? GRID_ALONE : GRID, width));
    under?.lay(isShort ? 8 : fitting(UNDER, width));
    root.classList.toggle("wslab-beside", width >= BESIDE);
  };
  draw(BESIDE); // until its width is known
  const sized = new ResizeObserver(([{ contentRect }]) => {
    if (contentRect.width) draw(contentRect.width);
  });
  sized.observe(root);

  const pick = (at) => {
    const byte = at !== null && at >= 0 && at < count ? at : null;
    if (byte === (held?.at ?? null)) return;
    held = byte === null ? null : byteSource(byte);
    for (const cell of grid.element.querySelectorAll('[tabindex="0"]')) cell.tabIndex = -1;
    grid.cells[byte ?? 0].tabIndex = 0;
    light();
    reveal(null);
  };
  light();
  pick(picked);
  /** Give something the focus back, which picks nothing. */
  const focus = (node) => {
    quiet = true;
    node.focus({ preventScroll: true });
    quiet = false;
  };
  const remove = () => {
    sized.disconnect();
    copy.remove();
  };
  return { element: root, pick, focus, remove };
}

/** What puts something behind a name, if there is one. It stays as it was opened, whatever is shown next. */
function folding(name) {
  let isOpen = false;
  const around = (children) => {
    if (!name) return element("div", children);
    const { element: folds } = fold(name, children, { open: isOpen, ontoggle: () => (isOpen = folds.open) });
    return folds;
  };
  return Object.assign(around, { isFold: Boolean(name) });
}

/**
 * What is shown for an explanation that changes, or for none (null): `show(explanation, picked)` draws anew only
 * what is not the same as before, and keeps what was focused and how far things were scrolled. `picked` is the byte
 * that is looked at, or null; without it the view itself remembers which that is. `onpick(byte)` is called when a
 * person picks another, or none. All but the broken rules is folded away behind the name `folded`, where there is one,
 * and the fields and a short payload behind `foldedFields`. `beside` stands beside the button that copies the bytes.
 */
export function inspection({ onpick = () => {}, folded = "", foldedFields = "", beside = null } = {}) {
  const root = element("div.inspection");
  const [around, aside] = [folding(folded), folding(foldedFields)];
  let last = null;
  let said = null;
  let now = null;

  const keys = () => [...root.querySelectorAll("[data-key]")];
  const replace = (explanation, picked) => {
    const focused = root.contains(document.activeElement) ? document.activeElement.dataset.key : null;
    const scrolled = keys().flatMap((node) => (node.scrollTop ? [[node.dataset.key, node.scrollTop]] : []));
    now?.remove();
    now = explanation && reading(explanation, { picked, onpick, around, aside, beside });
    root.replaceChildren(...(now ? [now.element] : []));
    const byKey = new Map(keys().map((node) => [node.dataset.key, node]));
    for (const [key, top] of scrolled) if (byKey.has(key)) byKey.get(key).scrollTop = top;
    if (byKey.has(focused)) now.focus(byKey.get(focused));
  };
  const show = (explanation, picked) => {
    const text = explanation === last ? said : JSON.stringify(explanation);
    last = explanation;
    if (text !== said) {
      said = text;
      replace(explanation, picked);
    }
    if (picked !== undefined) now?.pick(picked);
  };
  return { element: root, show, remove: () => now?.remove() };
}
