/**
 * Records and their wording: the packed form (wslab/anatomy/record.py), the few words that every view says of a record
 * (wslab/anatomy/summary.py), and how text from the wire is made harmless (wslab/drawing/visible.py).
 */

import {
  CONTROL,
  GROUPS,
  INVISIBLE,
  OPCODES,
  PREVIEW,
  RECORD_AT,
  RECORD_KINDS,
  RSV1,
  RSV2,
  RSV3,
  SENDERS,
  UNKNOWN,
} from "./facts.js";

/** Single values of the record whose packed form begins at `at`, for what looks at very many. */
export const connectionAt = (view, at) => view.getUint32(at + RECORD_AT.connection, true);
export const timeAt = (view, at) => view.getFloat64(at + RECORD_AT.time, true);
export const senderAt = (view, at) => SENDERS[view.getUint8(at + RECORD_AT.sender)];
export const kindAt = (view, at) => RECORD_KINDS[view.getUint8(at + RECORD_AT.kind)];
export const firstByteAt = (view, at) => view.getUint8(at + RECORD_AT.first);
export const violationsAt = (view, at) => view.getUint8(at + RECORD_AT.violations);
/** Seconds until the peer had read it; null where that is not known. */
export function delayAt(view, at) {
  const delay = view.getUint32(at + RECORD_AT.delay, true);
  return delay === UNKNOWN ? null : delay / 1e6;
}
export const putDelay = (view, at, microseconds) => view.setUint32(at + RECORD_AT.delay, microseconds, true);

/** What the page tells apart by shape: "handshake", "data", "control", "tcp", "error" or "bend". */
export const group = (kind, firstByte) => GROUPS[kind] ?? (firstByte & CONTROL ? "control" : "data");

/** The record whose packed form begins at `at`. */
export function readRecord(view, at = 0) {
  return {
    number: view.getUint32(at + RECORD_AT.number, true),
    connection: connectionAt(view, at),
    time: timeAt(view, at),
    offset: Number(view.getBigUint64(at + RECORD_AT.offset, true)),
    payloadLength: Number(view.getBigUint64(at + RECORD_AT.payload_length, true)),
    headerLength: view.getUint32(at + RECORD_AT.header_length, true),
    status: view.getUint16(at + RECORD_AT.status, true),
    sender: senderAt(view, at),
    kind: kindAt(view, at),
    first: firstByteAt(view, at),
    second: view.getUint8(at + RECORD_AT.second),
    violations: violationsAt(view, at),
    preview: new Uint8Array(
      view.buffer,
      view.byteOffset + at + RECORD_AT.preview,
      view.getUint8(at + RECORD_AT.preview_length),
    ),
    delay: delayAt(view, at),
  };
}

const HEX = 8; // bytes of a payload that a summary shows as hex
const RSV_BITS = Object.entries({ RSV1, RSV2, RSV3 });
const HIDDEN = INVISIBLE.map((point, at) => `${at % 2 ? "-" : ""}\\u{${point.toString(16)}}`).join("");
const HARMFUL = new RegExp(`[${HIDDEN}]`, "gu");
const ESCAPED = new RegExp(`[\\\\${HIDDEN}]`, "gu");
const SHORT = { "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t" };

export const hex = (number, digits = 2) => number.toString(16).padStart(digits, "0");
export const hexPairs = (bytes) => Array.from(bytes, (byte) => hex(byte)).join(" ");
export const NUMBER = new Intl.NumberFormat("en-US");
export const plural = (count, noun) => `${NUMBER.format(count)} ${noun}${count === 1 ? "" : "s"}`;

const MOST_VALUE = 240; // characters that are shown of a value

/** A value that is shown in part where it is long. */
export const cut = (text) =>
  text.length > MOST_VALUE ? `${text.slice(0, MOST_VALUE)}… ${NUMBER.format(text.length - MOST_VALUE)} more` : text;
/** Hex digits in pairs. */
export const spaced = (digits) => digits.replace(/(..)(?=.)/g, "$1 ");

function escaped(character) {
  const point = character.codePointAt(0);
  if (SHORT[character]) return SHORT[character];
  if (point >= 0xdc80 && point <= 0xdcff) return `\\x${hex(point - 0xdc00)}`; // a byte that is no UTF-8
  if (point < 0x80) return `\\x${hex(point)}`;
  return point <= 0xffff ? `\\u${hex(point, 4)}` : `\\u{${hex(point, 1)}}`;
}

/** Text from the wire with every character that could act or hide written as an escape. */
export const visible = (text) => text.replace(ESCAPED, escaped);

/** The same for a sentence that may quote what is visible already: backslashes stay. */
export const harmless = (text) => String(text).replace(HARMFUL, escaped);

/** The same for a text of several lines, which stay lines. */
export const linesOf = (text) => text.split("\n").map(harmless).join("\n");

// The second byte of a UTF-8 sequence has a narrower range after these first bytes (RFC 3629 section 4).
const SECOND = { 0xe0: [0xa0, 0xbf], 0xed: [0x80, 0x9f], 0xf0: [0x90, 0xbf], 0xf4: [0x80, 0x8f] };
const wanted = (first) => (first < 0xc2 || first > 0xf4 ? 1 : 2 + (first >= 0xe0) + (first >= 0xf0));

/** Bytes as UTF-8, each byte that is none as a lone surrogate U+DC80 to U+DCFF, as Python's surrogateescape does. */
function decode(bytes, cut = false) {
  let end = bytes.length;
  if (cut) {
    const last = bytes.findLastIndex((byte) => byte < 0x80 || byte >= 0xc0); // where the last character begins
    const { [last]: first } = bytes;
    const goesOn = first >= 0xc0 && end - last < 2 + (first >= 0xe0) + (first >= 0xf0);
    if (goesOn && end - last <= 3) end = last; // it goes on after the cut
  }
  let text = "";
  for (let at = 0; at < end; ) {
    const first = bytes[at];
    const length = wanted(first);
    const [low, high] = SECOND[first] ?? [0x80, 0xbf];
    let whole = first < 0x80 || length > 1;
    for (let next = 1; next < length; next++) {
      const byte = at + next < end ? bytes[at + next] : 0;
      whole &&= next === 1 ? byte >= low && byte <= high : byte >= 0x80 && byte <= 0xbf;
    }
    if (!whole) {
      text += String.fromCharCode(0xdc00 + first);
      at += 1;
      continue;
    }
    let point = length === 1 ? first : first & (0xff >> (length + 1));
    for (let next = 1; next < length; next++) point = (point << 6) | (bytes[at + next] & 0b11_1111);
    text += String.fromCodePoint(point);
    at += length;
  }
  return text;
}

const isCut = (preview, length) => preview.length === PREVIEW && length !== PREVIEW;

function quoted(preview, length) {
  if (!isCut(preview, length)) return `"${visible(decode(preview))}"`;
  return `"${visible(decode(preview, true))}…" ${plural(length, "byte")}`;
}

function asHex(preview, length) {
  if (preview.length <= HEX) return hexPairs(preview);
  return `${hexPairs(preview.subarray(0, HEX))} … ${plural(length, "byte")}`;
}

function payload(preview, length) {
  const text = decode(preview, isCut(preview, length));
  return text.search(HARMFUL) < 0 ? quoted(preview, length) : asHex(preview, length);
}

function frameSummary({ first, payloadLength: length, status, preview }) {
  const opcode = first & 0b1111;
  let words = OPCODES[opcode] ?? `reserved opcode ${opcode}`;
  if (opcode === 8) {
    if (length === 1) words += " with 1 byte";
    else if (length >= 2) words += ` ${status}${preview.length ? ` ${quoted(preview, length - 2)}` : ""}`;
  } else if (opcode === 1 && (preview.length || !length)) words += ` ${quoted(preview, length)}`;
  else if (preview.length) words += ` ${payload(preview, length)}`;
  else if (length) words += `, ${plural(length, "byte")}`;
  if (!(first & 0b1000_0000)) words += ", not final";
  for (const [name, bit] of RSV_BITS) if (first & bit) words += `, ${name}`;
  return words;
}

function unreadSummary({ first, second, headerLength, payloadLength, preview }) {
  if (!second) return `${first ? "HTTP body" : "no frame"}: ${payload(preview, payloadLength)}`;
  const words = OPCODES[first & 0b1111] ?? `reserved opcode ${first & 0b1111}`;
  // The preview begins with the frame's header: two bytes, the extended payload length if there is one, the key.
  const extended = [...preview.slice(2, headerLength - (second & 0b1000_0000 ? 4 : 0))];
  let length = BigInt(second & 0b111_1111);
  if (extended.length) length = extended.reduce((sum, byte) => sum * 256n + BigInt(byte), 0n);
  return `${words} cut short: ${NUMBER.format(payloadLength)} of ${plural(length === 1n ? 1 : length, "byte")}`;
}

function quotation({ preview }) {
  const full = preview.length === PREVIEW;
  return visible(decode(preview, full)) + (full ? "…" : "");
}

const SUMMARIES = {
  frame: frameSummary,
  fin: () => "FIN, end of stream",
  reset: () => "RST, connection reset",
  unread: unreadSummary,
};

/** The record in a few words, the same as `record_summary` says in Python. */
export const recordSummary = (record) => (SUMMARIES[record.kind] ?? quotation)(record);
export const summaryAt = (view, at) => recordSummary(readRecord(view, at));
