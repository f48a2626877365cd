/** Where things lie in explained bytes, and the words for it. An explanation is the JSON of an `Explanation`. */

import { harmless, hex, NUMBER } from "./words.js";

export const MOST_BYTES = 1024; // that are shown of a record

/** A function of an explanation that is computed once for each. */
export function once(compute) {
  const known = new WeakMap();
  return (explanation) => {
    if (!known.has(explanation)) known.set(explanation, compute(explanation));
    return known.get(explanation);
  };
}

/** The bytes that are shown, two hex digits each; two dots where one is withheld. */
export const bytesOf = once((explanation) => (explanation.data.match(/../g) ?? []).slice(0, MOST_BYTES));

/** Where a field lies, in words: "bit 0", "bits 4 to 7", "byte 2", "bytes 2 to 5". */
export function place({ start, width }) {
  const [unit, first, count] = start % 8 || width % 8 ? ["bit", start, width] : ["byte", start / 8, width / 8];
  const number = (value) => NUMBER.format(value);
  return count === 1 ? `${unit} ${number(first)}` : `${unit}s ${number(first)} to ${number(first + count - 1)}`;
}

const meet = (one, start, stop) => one.width > 0 && one.start < stop && one.start + one.width > start;

/** Places in `explanation.fields` of those that lie on some bits. */
export const fieldsOn = ({ fields }, start, stop) =>
  fields.flatMap((field, index) => (meet(field, start, stop) ? [index] : []));

/** The broken rules that lie on some bits. */
export const brokenOn = ({ violations }, start, stop) => violations.filter((violation) => meet(violation, start, stop));

/** Whether a broken rule's first bit is among these: there stands the mark. */
export const brokenFrom = ({ violations }, start, stop) =>
  violations.some((one) => one.width > 0 && one.start >= start && one.start < stop);

const NAMES = { 0: "NUL", 9: "tab", 10: "line feed", 13: "carriage return", 27: "escape", 32: "space", 127: "delete" };

/** A byte as the ASCII character that it is, or null. */
export const character = (byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : null);

/** The same in words: "'l'", "carriage return", "control", "no ASCII". */
export const asciiWords = (byte) =>
  NAMES[byte] ?? (character(byte) ? `'${character(byte)}'` : byte < 0x80 ? "control" : "no ASCII");

export const bits = (byte) => byte.toString(2).padStart(8, "0");

/** `parts` is what lights: nodes with the bits `start` to `stop` that they show, and the fields of those. */
export function part(node, explanation, start, stop, more = {}) {
  node.setAttribute("data-part", "");
  const fields =
    more.fields ?? (more.byte === undefined ? fieldsOn(explanation, start, stop) : fieldsAt(explanation)[more.byte]);
  return { node, start, stop, at: Math.floor(start / 8), lit: false, picked: false, ...more, fields };
}

/** The same for each byte that is shown. */
export const fieldsAt = once((explanation) =>
  bytesOf(explanation).map((_, at) => fieldsOn(explanation, 8 * at, 8 * at + 8)),
);

/** What a screen reader is told of a byte in a grid. */
export function byteLabel(explanation, at, pair) {
  const names = fieldsAt(explanation)[at].map((index) => harmless(explanation.fields[index].name));
  const broken = brokenOn(explanation, 8 * at, 8 * at + 8).map(({ rule }) => `breaks ${harmless(rule)}`);
  return [`byte ${at}: ${pair === "··" ? "withheld" : pair}`, ...names, ...broken].join(", ");
}

/** Offsets and bytes and characters as lines of text. */
export function dumpLines(pairs, width = 8) {
  const lines = [];
  for (let at = 0; at < pairs.length; at += width) {
    const row = pairs.slice(at, at + width);
    const said = row.map((pair) => character(parseInt(pair, 16)) ?? "·").join("");
    lines.push(`${hex(at, 4)}  ${row.join(" ").padEnd(3 * width)} ${said}`);
  }
  return lines;
}
