/** A payload underneath: masked and unmasked with the XOR of one byte (RFC 6455 5.3), and inflated (RFC 7692). */

import { element, section } from "./dom.js";
import { asciiWords, bits, bytesOf, character, dumpLines, MOST_BYTES, once, part } from "./places.js";
import { hex, NUMBER, plural } from "./words.js";

const MOST_UNMASKED = 256; // bytes that stand masked above unmasked
const KEY = 4; // bytes of a masking key
const LONG = 8; // bytes: more may need to be scrolled

/** The masked bytes: `key`, `first` (the payload's first byte), and each byte `plain`; null where nothing is masked. */
const masking = once((explanation) => {
  const key = explanation.fields.find((field) => field.name === "Masking-key" && field.width === 8 * KEY);
  const first = key && key.start / 8 + KEY;
  const plain = new Map();
  for (const field of explanation.fields)
    (field.plain?.match(/../g) ?? []).forEach((pair, index) => plain.set(field.start / 8 + index, pair));
  return key && plain.size ? { key: key.raw.match(/../g), first, plain } : null;
});

/** The XOR of one masked byte, as numbers; null where the byte is not masked or not shown. */
export function xorOf(explanation, at) {
  const masked = masking(explanation);
  const wire = parseInt(bytesOf(explanation)[at], 16);
  const plain = parseInt(masked?.plain.get(at), 16);
  if (!masked || Number.isNaN(wire) || Number.isNaN(plain)) return null;
  const index = at - masked.first;
  return { index, wire, turn: index % KEY, key: parseInt(masked.key[index % KEY], 16), plain };
}

const spell = (byte) => `0x${hex(byte)} ${bits(byte)}`;

/** "0x7f 01111111 XOR key[0] 0x37 00110111 = 0x48 01001000 'H'" */
export const xorWords = ({ wire, turn, key, plain }) =>
  `${spell(wire)} XOR key[${turn}] ${spell(key)} = ${spell(plain)} ${asciiWords(plain)}`;

/** The sum written out, bit below bit; a bit is turned over where the key's is 1. */
function xorSum({ index, wire, turn, key, plain }) {
  const digits = (byte) =>
    [...bits(byte)].map((bit, place) => element((key >> (7 - place)) & 1 ? "span.turned" : "span", bit));
  const line = (name, byte, said = "") => [
    element("span.quiet", name),
    element("span", `0x${hex(byte)}`),
    element("span.eight", ...digits(byte)),
    element("span", said),
  ];
  return element(
    "div.sum",
    { "aria-hidden": "true" }, // its text is told as the picked byte's
    element("span.sumhead", `Payload byte ${NUMBER.format(index)}`),
    ...line("on the wire", wire),
    ...line(`XOR key[${turn}]`, key),
    ...line("unmasked", plain, asciiWords(plain)),
  );
}

/** Masked, key and unmasked, one above the other. Null where nothing is masked. */
export function unmasking(explanation) {
  const masked = masking(explanation);
  if (!masked) return null;
  const bytes = bytesOf(explanation);
  const places = [...masked.plain.keys()].filter((at) => at < bytes.length).slice(0, MOST_UNMASKED);
  if (!places.length) return null;
  const parts = [];
  const columns = places.map((at) => {
    const index = at - masked.first;
    const plain = masked.plain.get(at);
    const lines = [
      ["span.xorindex", String(index)],
      ["span", bytes[at]],
      ["span.xorkey", masked.key[index % KEY]],
      ["span.bold", plain],
      ["span", character(parseInt(plain, 16)) ?? "·"],
    ].map((line) => element(...line));
    const node = element(`span.column.shade${Math.floor(index / KEY) % 2}`, lines);
    parts.push(part(node, explanation, 8 * at, 8 * at + 8, { byte: at }));
    return node;
  });
  const said = ["byte", "on the wire", "XOR key", "unmasked", "as ASCII"];
  const names = () => element("span.column.rows", ...said.map((name) => element("span", name)));
  const unmasked = places.map((at) => masked.plain.get(at)).join(" ");
  const label = `The payload masked, the masking key under it again and again, and unmasked: ${unmasked}`;
  const rows = element("div.columns", { role: "img", "aria-label": label });
  let laid = 0;
  const lay = (width) => {
    if (width === laid) return;
    laid = width;
    const groups = [];
    for (let from = 0; from < columns.length; from += width)
      groups.push(element("div.columnrow", names(), ...columns.slice(from, from + width)));
    rows.replaceChildren(...groups);
  };
  const total = [...explanation.fields].reduce((sum, field) => sum + (field.plain === null ? 0 : field.width / 8), 0);
  const sum = element("div");
  const scrolls = { tabindex: "0", role: "group", "aria-label": "Masked and unmasked bytes" };
  const scroller = element(
    "div.scroll.scrolls",
    { "data-key": "unmasked", ...(places.length > LONG ? scrolls : {}) },
    rows,
  );
  const cut = `The first ${NUMBER.format(places.length)} of ${plural(total, "payload byte")}.`;
  const note = total > places.length ? element("p.note", cut) : null;
  const head = heading("Unmasking", "payload byte i XOR masking-key byte i mod 4", "RFC 6455 5.3");
  const pair = element("div.sidebyside", element("div", scroller, note), sum);
  const root = element("section.under", { "aria-label": "Unmasking" }, head, pair);
  /** Write out the sum of one byte; of the first where that one is not masked. */
  const point = (at) => {
    const xor = xorOf(explanation, at) ?? xorOf(explanation, places[0]);
    sum.replaceChildren(...(xor ? [xorSum(xor)] : []));
  };
  point(null);
  return { element: root, parts, lay, point };
}

const heading = (name, said, where) =>
  element("p.underhead", element("b", name), element("span", said), section(where));

function dump(name, pairs, length) {
  const shown = pairs.slice(0, MOST_BYTES);
  const more = length > shown.length ? `, the first ${NUMBER.format(shown.length)} shown` : "";
  const label = `${name}: bytes as hex and ASCII`;
  const look = { "data-key": name, tabindex: "0", role: "group", "aria-label": label };
  const caption = element("figcaption", element("b", name), ` ${plural(length, "byte")}${more}`);
  return element("figure.dump", caption, element("pre.scroll.scrolls", look, dumpLines(shown).join("\n")));
}

/** The compressed payload beside what it inflates to. Null where nothing was inflated. */
export function inflation(explanation) {
  if (explanation.inflated === null || explanation.inflated === undefined) return null;
  const payload = explanation.fields.find((field) => field.name === "Payload data");
  const size = payload ? payload.width / 8 : 0;
  const compressed = payload ? (payload.plain ?? payload.raw) : "";
  const said = `${plural(size, "byte")} on the wire, ${NUMBER.format(explanation.inflated_length)} after inflating`;
  const before = dump(payload?.plain ? "Compressed, unmasked" : "Compressed", compressed.match(/../g) ?? [], size);
  const after = dump("Inflated", explanation.inflated.match(/../g) ?? [], explanation.inflated_length);
  const head = heading("Inflating", said, "RFC 7692 7.2.2");
  return element("section.under", { "aria-label": "Inflating" }, head, element("div.sidebyside", before, after));
}
