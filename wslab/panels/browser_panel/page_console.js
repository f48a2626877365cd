/** What a console would print, as plain text: `formatted(arguments)` and `tableText(data)`. */

import { hexPairs } from "../kit/words.js";

const DEPTH = 2; // how far objects in objects are written out
const MOST_ITEMS = 30;
const MOST_BYTES = 24;
const MOST_TEXT = 4000; // characters of one line of the console

const cut = (text) =>
  text.length > MOST_TEXT ? `${text.slice(0, MOST_TEXT)}… ${text.length - MOST_TEXT} more characters` : text;
const bytes = (view) => `${hexPairs(view.subarray(0, MOST_BYTES))}${view.length > MOST_BYTES ? " …" : ""}`;

function listed(items, write, [open, close]) {
  const shown = items.slice(0, MOST_ITEMS).map(write);
  if (items.length > MOST_ITEMS) shown.push(`… ${items.length - MOST_ITEMS} more`);
  return shown.length ? `${open}${shown.join(", ")}${close}` : open.trim() + close.trim();
}

function objectText(value, depth) {
  if (value instanceof Error || value instanceof DOMException) return `${value.name}: ${value.message}`;
  if (value instanceof ArrayBuffer) return `ArrayBuffer(${value.byteLength}) ${bytes(new Uint8Array(value))}`.trim();
  if (ArrayBuffer.isView(value)) {
    const view = new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
    return `${value.constructor.name}(${value.byteLength}) ${bytes(view)}`.trim();
  }
  if (typeof Blob === "function" && value instanceof Blob) return `Blob(${value.size})`;
  if (value instanceof Date || value instanceof RegExp) return String(value);
  const name = value.constructor?.name ?? "Object";
  if (value instanceof Event) return `[${name} ${value.type}]`;
  if (value instanceof EventTarget || (typeof Node === "function" && value instanceof Node)) return `[${name}]`;
  const inner = (item) => written(item, depth + 1);
  if (Array.isArray(value)) return depth > DEPTH ? `Array(${value.length})` : listed(value, inner, ["[", "]"]);
  if (value instanceof Map || value instanceof Set)
    return depth > DEPTH ? `${name}(${value.size})` : `${name} ${listed([...value], inner, ["{ ", " }"])}`;
  const keys = Object.keys(value);
  if (depth > DEPTH) return keys.length ? "{…}" : "{}";
  const prefix = name === "Object" ? "" : `${name} `;
  return prefix + listed(keys, (key) => `${key}: ${inner(value[key])}`, ["{ ", " }"]);
}

/** A value as text; text inside of something else stands in quotes. */
function written(value, depth = 0) {
  if (typeof value === "string") return depth ? JSON.stringify(value) : value;
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value === "function") return `function ${value.name || "(no name)"}`;
  if (typeof value !== "object" || value === null) return String(value);
  try {
    return objectText(value, depth);
  } catch (error) {
    return `[cannot be shown: ${error?.name ?? "error"}]`; // a getter or a proxy that throws
  }
}

const DIRECTIVES = {
  s: (value) => (typeof value === "object" ? written(value, 1) : written(value)),
  d: (value) => String(parseInt(value, 10)),
  i: (value) => String(parseInt(value, 10)),
  f: (value) => String(parseFloat(value)),
  o: (value) => written(value, 1),
  O: (value) => written(value, 1),
  c: () => "", // a style
};

/** The arguments of `console.log` as a console joins them, with the format's %s and its like filled in. */
export function formatted(values) {
  const [first, ...rest] = values;
  if (typeof first !== "string") return cut(values.map((value) => written(value)).join(" "));
  const text = first.replace(/%([sdifoOc%])/g, (whole, directive) =>
    directive === "%" ? "%" : rest.length ? DIRECTIVES[directive](rest.shift()) : whole,
  );
  return cut([text, ...rest.map((value) => written(value))].join(" "));
}

/** The rows of `console.table` as lines, the columns one below the other. */
export function tableText(data) {
  if (typeof data !== "object" || data === null) return formatted([data]);
  const rows = Object.entries(data).slice(0, MOST_ITEMS);
  const isRow = (row) => typeof row === "object" && row !== null;
  const keys = [...new Set(rows.flatMap(([, row]) => (isRow(row) ? Object.keys(row) : [])))].slice(0, MOST_ITEMS);
  const values = rows.some(([, row]) => !isRow(row));
  const lines = [["(index)", ...keys, ...(values ? ["value"] : [])]];
  for (const [index, row] of rows) {
    const cells = keys.map((key) => (isRow(row) && key in row ? written(row[key], 1) : ""));
    lines.push([index, ...cells, ...(values ? [isRow(row) ? "" : written(row, 1)] : [])]);
  }
  const widths = lines[0].map((_, column) => Math.max(...lines.map((line) => line[column].length)));
  const padded = (cell, column) => cell.padEnd(widths[column]);
  return cut(lines.map((line) => line.map(padded).join("  ").trimEnd()).join("\n"));
}
