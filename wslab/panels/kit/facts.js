/** Generated from tables in Python by wslab/panels/kit/facts.py; change those instead. */

/** Bytes of a packed record (wslab/anatomy/record.py). */
export const RECORD_SIZE = 76;

/** Where each value of a packed record lies. */
export const RECORD_AT = {
  number: 0,
  connection: 4,
  time: 8,
  offset: 16,
  payload_length: 24,
  header_length: 32,
  status: 36,
  sender: 38,
  kind: 39,
  first: 40,
  second: 41,
  violations: 42,
  preview_length: 43,
  preview: 44,
  delay: 72,
};

/** The most bytes of a preview. */
export const PREVIEW = 28;

/** The delay of a record that is not known to be received. */
export const UNKNOWN = 0xffffffff;

/** By a packed record's sender. */
export const SENDERS = ["client", "server"];

/** By a packed record's kind. */
export const RECORD_KINDS = ["request", "response", "frame", "fin", "reset", "error", "unread", "bend"];

/** What the filter can be told of senders (wslab/panels/kit/record_filter.py). */
export const DIRECTIONS = ["both", "client", "server"];

/** The kinds that the filter tells apart. */
export const FILTER_KINDS = ["handshake", "data", "control", "tcp", "error", "bend"];

/** By a record's kind: its kind for the filter. A frame's first byte tells the rest. */
export const GROUPS = {
  request: "handshake",
  response: "handshake",
  fin: "tcp",
  reset: "tcp",
  error: "error",
  unread: "error",
  bend: "bend",
};

/** The opcode bit that control frames have (RFC 6455 5.5). */
export const CONTROL = 0b1000;

/** The names of the opcodes that are defined (RFC 6455 11.8). */
export const OPCODES = { 0: "CONTINUATION", 1: "TEXT", 2: "BINARY", 8: "CLOSE", 9: "PING", 10: "PONG" };

/** The reserved bits in a frame's first byte (RFC 6455 5.2). */
export const RSV1 = 0b01000000;

/** The second of them. */
export const RSV2 = 0b00100000;

/** The third. */
export const RSV3 = 0b00010000;

/** A connection's states (RFC 6455 4 and 7), in the order of readyState. */
export const STATES = ["CONNECTING", "OPEN", "CLOSING", "CLOSED"];

/** Characters without a glyph (wslab/drawing/visible.py): the first and the last of each range, in turn. */
export const INVISIBLE = [
  0x0, 0x1f, 0x7f, 0xa0, 0xad, 0xad, 0x34f, 0x34f, 0x600, 0x605, 0x61c, 0x61c, 0x6dd, 0x6dd, 0x70f, 0x70f, 0x890, 0x891,
  0x8e2, 0x8e2, 0x115f, 0x1160, 0x1680, 0x1680, 0x17b4, 0x17b5, 0x180b, 0x180f, 0x2000, 0x200f, 0x2028, 0x202f, 0x205f,
  0x206f, 0x2800, 0x2800, 0x3000, 0x3000, 0x3164, 0x3164, 0xd800, 0xf8ff, 0xfdd0, 0xfdef, 0xfe00, 0xfe0f, 0xfeff,
  0xfeff, 0xffa0, 0xffa0, 0xfff0, 0xfffb, 0xfffe, 0xffff, 0x110bd, 0x110bd, 0x110cd, 0x110cd, 0x13430, 0x1345f, 0x1bca0,
  0x1bca3, 0x1d173, 0x1d17a, 0xe0000, 0x10ffff,
];
