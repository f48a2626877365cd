/**
 * The lab panel: a recording as a ladder of records, and every byte of the selected one explained.
 *
 * The kernel pushes records in binary batches, and they are read where they lie; a record's explanation is pulled when
 * somebody looks at it, because a request has to wait for a cell that computes and a push has not. One `Recording` holds
 * what has come and is shared by every view of a panel. The parts of a view (`toolbar`, `ladder`, `inspector`, `snapshot`)
 * are functions that take a recording and a selection and give an element; none knows another.
 *
 * What crossed the wire is hostile. It reaches the page as text nodes only, and `visible` in them.
 */

// Records: their packed form (wslab/anatomy/record.py) and their wording (wslab/anatomy/text.py) ----------------------

export const RECORD_SIZE = 72;
export const SENDERS = ["client", "server"];
const KINDS = ["request", "response", "frame", "fin", "reset", "error", "unread"];

/** The record whose packed form begins at `at`. */
export function readRecord(view, at = 0) {
  return {
    number: view.getUint32(at, true),
    connection: view.getUint32(at + 4, true),
    time: view.getFloat64(at + 8, true),
    offset: Number(view.getBigUint64(at + 16, true)),
    payloadLength: Number(view.getBigUint64(at + 24, true)),
    headerLength: view.getUint32(at + 32, true),
    status: view.getUint16(at + 36, true),
    sender: SENDERS[view.getUint8(at + 38)],
    kind: KINDS[view.getUint8(at + 39)],
    first: view.getUint8(at + 40),
    second: view.getUint8(at + 41),
    violations: view.getUint8(at + 42),
    preview: new Uint8Array(view.buffer, view.byteOffset + at + 44, view.getUint8(at + 43)),
  };
}

const PREVIEW = 28;
const HEX = 8; // bytes of a payload that a summary shows as hex
const OPCODES = { 0: "CONTINUATION", 1: "TEXT", 2: "BINARY", 8: "CLOSE", 9: "PING", 10: "PONG" };
const RSV_BITS = [[0b0100_0000, "RSV1"], [0b0010_0000, "RSV2"], [0b0001_0000, "RSV3"]];
// Characters that have no glyph, or none that can be known: the table of wslab/anatomy/visible.py.
const INVISIBLE = String.raw`\u{0}-\u{1f}\u{7f}-\u{a0}\u{ad}\u{34f}\u{600}-\u{605}\u{61c}\u{6dd}\u{70f}\u{890}-\u{891}\u{8e2}\u{115f}-\u{1160}\u{1680}\u{17b4}-\u{17b5}\u{180b}-\u{180f}\u{2000}-\u{200f}\u{2028}-\u{202f}\u{205f}-\u{206f}\u{2800}\u{3000}\u{3164}\u{d800}-\u{f8ff}\u{fdd0}-\u{fdef}\u{fe00}-\u{fe0f}\u{feff}\u{ffa0}\u{fff0}-\u{fffb}\u{fffe}-\u{ffff}\u{110bd}\u{110cd}\u{13430}-\u{1345f}\u{1bca0}-\u{1bca3}\u{1d173}-\u{1d17a}\u{e0000}-\u{10ffff}`;
const HARMFUL = new RegExp(`[${INVISIBLE}]`, "gu");
const ESCAPED = new RegExp(`[\\\\${INVISIBLE}]`, "gu");
const SHORT = { "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t" };

const hex = (number, digits = 2) => number.toString(16).padStart(digits, "0");
const hexPairs = (bytes) => Array.from(bytes, (byte) => hex(byte)).join(" ");
const count = (number, noun) => `${number} ${noun}${number === 1 ? "" : "s"}`;

function escape(character) {
  const point = character.codePointAt(0);
  if (SHORT[character]) return SHORT[character];
  if (point >= 0xdc80 && point <= 0xdcff) return `\\x${hex(point - 0xdc00)}`; // a byte that is no UTF-8
  if (point < 0x80) return `\\x${hex(point)}`;
  return point <= 0xffff ? `\\u${hex(point, 4)}` : `\\u{${hex(point, 1)}}`;
}

/** Text from the wire with every character that could act or hide written as an escape. */
export const visible = (text) => text.replace(ESCAPED, escape);

/** The same for a sentence that may quote what is visible already: backslashes stay. */
export const harmless = (text) => String(text).replace(HARMFUL, escape);

// The second byte of a UTF-8 sequence has a narrower range after these first bytes (RFC 3629 section 4).
const SECOND = { 0xe0: [0xa0, 0xbf], 0xed: [0x80, 0x9f], 0xf0: [0x90, 0xbf], 0xf4: [0x80, 0x8f] };
const wanted = (first) => (first < 0xc2 || first > 0xf4 ? 1 : 2 + (first >= 0xe0) + (first >= 0xf0));

/** Bytes as UTF-8, each byte that is none as a lone surrogate U+DC80 to U+DCFF, as Python's surrogateescape does. */
function decode(bytes, cut = false) {
  let end = bytes.length;
  for (let at = end - 1; cut && at >= Math.max(end - 3, 0); at--) {
    if (bytes[at] >= 0xc0) {
      if (end - at < 2 + (bytes[at] >= 0xe0) + (bytes[at] >= 0xf0)) end = at; // it goes on after the cut
      break;
    }
    if (bytes[at] < 0x80) break;
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
  return `"${visible(decode(preview, true))}…" ${count(length, "byte")}`;
}

function asHex(preview, length) {
  if (preview.length <= HEX) return hexPairs(preview);
  return `${hexPairs(preview.subarray(0, HEX))} … ${count(length, "byte")}`;
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
    else if (length >= 2) words += ` ${status}` + (preview.length ? ` ${quoted(preview, length - 2)}` : "");
  } else if (opcode === 1 && (preview.length || !length)) words += ` ${quoted(preview, length)}`;
  else if (preview.length) words += ` ${payload(preview, length)}`;
  else if (length) words += `, ${count(length, "byte")}`;
  if (!(first & 0b1000_0000)) words += ", not final";
  for (const [bit, name] of RSV_BITS) if (first & bit) words += `, ${name}`;
  return words;
}

const unreadSummary = ({ preview, payloadLength: length }) => `no frame: ${payload(preview, length)}`;

function quotation({ preview }) {
  const full = preview.length === PREVIEW;
  return visible(decode(preview, full)) + (full ? "…" : "");
}

const SUMMARIES = { frame: frameSummary, fin: () => "FIN, end of stream", reset: () => "RST, connection reset", unread: unreadSummary };

/** The record in a few words, the same as `record_summary` says in Python. */
export const recordSummary = (record) => (SUMMARIES[record.kind] ?? quotation)(record);

// What the kernel has told --------------------------------------------------------------------------------------------

const DETAILS_KEPT = 64;

class Recording {
  constructor(ask) {
    this.ask = ask;
    this.first = 0; // number of the first record held here
    this.count = 0;
    this.packed = new Uint8Array(256 * RECORD_SIZE);
    this.view = new DataView(this.packed.buffer);
    this.status = { total: 0, first: 0, bytes_dropped: 0, states: {}, closed: false };
    this.connections = 0;
    this.details = new Map();
    this.problem = null;
    this.life = "waiting"; // then "live", or "silent" when no kernel answers
    this.listeners = new Set();
  }

  get next() {
    return this.first + this.count;
  }

  /** No kernel has answered in time. It may do so yet. */
  lose() {
    if (this.life === "waiting") this.life = "silent";
    this.changed();
  }

  changed() {
    for (const listener of this.listeners) listener();
  }

  record(number) {
    const at = number - this.first;
    return at >= 0 && at < this.count ? readRecord(this.view, at * RECORD_SIZE) : null;
  }

  /** A message from the kernel. */
  hear(message, buffers) {
    this.life = "live";
    if (message.tell === "records") this.extend(message, buffers[0]);
    else if (message.tell === "explanation") this.keep(message.number, message);
    else if (message.tell === "problem") this.problem = message.text;
    this.changed();
  }

  extend({ start, status }, buffer) {
    this.merge(status);
    const bytes = buffer ? new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength) : new Uint8Array();
    const come = bytes.byteLength / RECORD_SIZE;
    if (start > this.next && start > status.first) {
      this.ask({ ask: "records", from: this.next }); // a message was lost
    } else if (start + come > this.next) {
      if (start > this.next) this.forget(start);
      this.append(bytes.subarray((this.next - start) * RECORD_SIZE));
    }
    if (status.first > this.first) this.forget(status.first);
  }

  merge(status) {
    const states = { ...this.status.states, ...status.states };
    this.status = { ...status, states };
  }

  append(bytes) {
    const used = this.count * RECORD_SIZE;
    if (used + bytes.byteLength > this.packed.byteLength) {
      const larger = new Uint8Array(Math.max(2 * this.packed.byteLength, used + bytes.byteLength));
      larger.set(this.packed.subarray(0, used));
      this.packed = larger;
      this.view = new DataView(larger.buffer);
    }
    this.packed.set(bytes, used);
    this.count += bytes.byteLength / RECORD_SIZE;
    for (let at = used; at < used + bytes.byteLength; at += RECORD_SIZE) {
      this.connections = Math.max(this.connections, this.view.getUint32(at + 4, true) + 1);
    }
  }

  /** The trace no longer keeps records before `first`, so neither does the panel. */
  forget(first) {
    const gone = Math.min(first - this.first, this.count);
    this.packed.copyWithin(0, gone * RECORD_SIZE, this.count * RECORD_SIZE);
    this.count -= gone;
    this.first = first;
  }

  keep(number, detail) {
    this.details.delete(number);
    this.details.set(number, detail);
    if (this.details.size > DETAILS_KEPT) this.details.delete(this.details.keys().next().value);
  }

  /** Questions without an answer may have been lost with a kernel: they are asked again when somebody looks again. */
  askAgain() {
    for (const [number, known] of this.details) if (known === null) this.details.delete(number);
  }

  /** What is known of a record: `{explanation}`, `{problem}`, or null while the kernel is asked. */
  detail(number) {
    const known = this.details.get(number);
    if (known === undefined) {
      this.details.set(number, null);
      this.ask({ ask: "explanation", number });
    }
    return known ?? null;
  }
}

// Drawing -------------------------------------------------------------------------------------------------------------

const NUMBER = new Intl.NumberFormat("en-US");

const plural = (count, noun) => `${NUMBER.format(count)} ${noun}${count === 1 ? "" : "s"}`;

/** An element; properties in `aria-` and `data-` and those that elements lack become attributes, strings become text. */
function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name === "class") made.className = value;
    else made.setAttribute(name, value === true ? "" : value);
  }
  // JupyterLab's shortcuts (dd deletes a cell) must not act on a key pressed in here; Lumino looks at what has the focus.
  if (tag === "button" || "tabindex" in properties) made.setAttribute("data-lm-suppress-shortcuts", "true");
  made.append(...children.filter((child) => child !== null));
  return made;
}

/** Text for a screen reader only. */
const unseen = (text) => element("span", { class: "wslab-unseen" }, text);

/** ● client or ■ server: the mark is drawn, the word is said. */
const mark = (sender) => element("span", { class: `wslab-mark wslab-${sender}`, "aria-hidden": "true" });

let views = 0;

// The toolbar: how much there is, and what can be done with the view ---------------------------------------------------

const SAY_EVERY = 3000; // ms between announcements of the counts to a screen reader

function toolbar(recording, selection, following) {
  const counts = element("span", { class: "wslab-counts" });
  const said = element("span", { class: "wslab-unseen", role: "status", "aria-live": "polite" });
  const closed = element("span", { class: "wslab-chip", hidden: true }, "lab closed");
  const follow = element("button", { type: "button", class: "wslab-button", onclick: () => following.set(!following.on) }, "Follow latest");
  const clear = element("button", { type: "button", class: "wslab-button", onclick: () => selection.set(null) }, "Clear selection");
  let speaking = null;

  const text = () => {
    const { total, first, bytes_dropped } = recording.status;
    const dropped = first || bytes_dropped ? `${plural(first, "record")} and ${plural(bytes_dropped, "byte")} dropped` : "0 dropped";
    return `${plural(total, "record")} · ${NUMBER.format(total - first)} kept · ${dropped}`;
  };

  const draw = () => {
    counts.textContent = text();
    closed.hidden = !recording.status.closed;
    follow.setAttribute("aria-pressed", String(following.on));
    clear.disabled = selection.number === null;
    speaking ??= setTimeout(() => {
      speaking = null;
      const words = text() + (recording.status.closed ? " · lab closed" : "");
      if (said.textContent !== words) said.textContent = words;
    }, SAY_EVERY);
  };

  return {
    element: element("div", { class: "wslab-toolbar", role: "toolbar", "aria-label": "Recording" }, counts, closed, said, element("span", { class: "wslab-buttons" }, follow, clear)),
    draw,
    remove: () => clearTimeout(speaking),
  };
}

// The ladder: a table of records with the two endpoints' lanes in it, only its visible rows in the page -----------------

const ROW = 26; // px, as --wslab-row in lab_panel.css
const MOST_ROWS = 13; // that the ladder shows before it scrolls
const SPARE_ROWS = 4; // drawn above and below what is seen
const VERBS = { request: "sends", response: "sends", frame: "sends", fin: "sends", reset: "sends", error: "reports", unread: "sent" };
const SHAPES = { request: "handshake", response: "handshake", fin: "tcp", reset: "reset", error: "note", unread: "unread" };
const CONTROL = 0b1000; // the opcode bit that control frames have (RFC 6455 5.5)

const shape = (record) => SHAPES[record.kind] ?? (record.first & CONTROL ? "control" : "data");

/** The first word in bold: what it is; then what it says. */
function caption(record) {
  const [, word, rest] = /^(\d+ bytes?|[^\s,]*)(.*)$/s.exec(recordSummary(record));
  return [element("b", {}, word), rest];
}

function arrow(record) {
  return [
    unseen(`${record.sender} ${VERBS[record.kind]} `),
    mark(record.sender),
    element("span", { class: "wslab-shaft" }),
    element("bdi", { class: "wslab-caption", dir: "ltr" }, ...caption(record)),
    element("span", { class: "wslab-shaft wslab-rest" }),
    element("span", { class: "wslab-head" }),
  ];
}

function lanes(recording, selection) {
  const chosen = selection.number === null ? null : recording.record(selection.number);
  const connection = (chosen ?? recording.record(recording.next - 1))?.connection ?? 0;
  const states = recording.status.states[connection] ?? {};
  const lane = (sender) => element("span", { class: "wslab-lane" }, mark(sender), element("b", {}, sender), element("span", { class: "wslab-state" }, states[sender] ?? ""));
  const which = recording.connections > 1 ? element("span", { class: "wslab-which" }, `connection ${connection}`) : "";
  return element("span", { class: "wslab-lanes" }, lane("client"), which, lane("server"));
}

/** The columns, in order. `many`: when there is more than one connection; `room`: when the panel is that wide. */
const COLUMNS = [
  { name: "No.", title: "Place in the recording", cell: (record) => [String(record.number)] },
  { name: "Time, s", title: "Seconds since the recording began", room: "roomy", cell: (record) => [record.time.toFixed(4)] },
  { name: "Conn.", title: "Number of the TCP connection", many: true, room: "roomy", cell: (record) => [String(record.connection)] },
  { ladder: true, cell: arrow },
  { name: "Offset", title: "Of the first byte in its sender's stream", room: "wide", cell: (record) => [NUMBER.format(record.offset)] },
  { name: "Header", title: "Bytes of frame header or HTTP head", room: "wide", cell: (record) => [record.headerLength ? NUMBER.format(record.headerLength) : ""] },
  { name: "Payload", title: "Bytes of payload or HTTP body", room: "roomy", cell: (record) => [record.payloadLength || record.kind === "frame" ? NUMBER.format(record.payloadLength) : ""] },
  { name: "!", title: "How many rules it breaks", label: "broken rules", cell: (record) => (record.violations ? [element("span", { class: "wslab-broken" }, `! ${record.violations}`)] : []) },
];

function columnClass(column) {
  const name = column.ladder ? "wslab-cell wslab-ladder" : "wslab-cell";
  return name + (column.many ? " wslab-many" : "") + (column.room ? ` wslab-${column.room}` : "");
}

function ladder(recording, selection, following) {
  const id = `wslab-${++views}`;
  const heads = COLUMNS.map((column) => element("span", { role: "columnheader", class: columnClass(column), title: column.title ?? null, "aria-label": column.label ?? null }, column.name ?? ""));
  const lanesHead = heads[COLUMNS.findIndex((column) => column.ladder)];
  const sizer = element("div", { class: "wslab-sizer", role: "presentation" });
  const scroller = element("div", { class: "wslab-scroller", role: "rowgroup" }, sizer);
  const grid = element(
    "div",
    { class: "wslab-records", role: "grid", tabindex: "0", "aria-label": "Records: the arrow keys choose one", "aria-colcount": COLUMNS.length },
    element("div", { role: "rowgroup", class: "wslab-heads" }, element("div", { role: "row", class: "wslab-row", "aria-rowindex": 1 }, ...heads)),
    scroller,
  );
  const drawn = new Map(); // number: row element
  let firstDrawn = 0;

  const drawRow = (record) =>
    element(
      "div",
      {
        role: "row",
        class: "wslab-row",
        id: `${id}-${record.number}`,
        "aria-rowindex": record.number + 2,
        "data-number": record.number,
        "data-sender": record.sender,
        "data-shape": shape(record),
      },
      ...COLUMNS.map((column) => element("span", { role: "gridcell", class: columnClass(column) }, ...column.cell(record))),
    );

  const drawRows = () => {
    const height = scroller.clientHeight || MOST_ROWS * ROW;
    const top = recording.first + Math.floor(scroller.scrollTop / ROW);
    const from = Math.max(recording.first, top - SPARE_ROWS);
    const to = Math.min(recording.next, top + Math.ceil(height / ROW) + SPARE_ROWS);
    for (const [number, row] of drawn) {
      if (number < from || number >= to) {
        row.remove();
        drawn.delete(number);
      }
    }
    for (let number = from; number < to; number++) {
      let row = drawn.get(number);
      if (!row) {
        row = drawRow(recording.record(number));
        drawn.set(number, row);
        const after = drawn.get(number + 1);
        if (after) after.before(row);
        else sizer.append(row);
      }
      row.style.top = `${(number - recording.first) * ROW}px`;
      const selected = number === selection.number;
      if (row.classList.contains("wslab-selected") !== selected) row.classList.toggle("wslab-selected", selected);
      row.setAttribute("aria-selected", String(selected));
    }
    if (drawn.has(selection.number)) grid.setAttribute("aria-activedescendant", `${id}-${selection.number}`);
    else grid.removeAttribute("aria-activedescendant");
  };

  const atEnd = () => scroller.scrollTop + scroller.clientHeight >= recording.count * ROW - 2;

  const draw = () => {
    const shift = (recording.first - firstDrawn) * ROW;
    firstDrawn = recording.first;
    sizer.style.height = `${recording.count * ROW}px`;
    scroller.style.height = `${Math.max(1, Math.min(recording.count, MOST_ROWS)) * ROW}px`;
    grid.setAttribute("aria-rowcount", recording.status.total + 1);
    grid.classList.toggle("wslab-connections", recording.connections > 1);
    grid.classList.toggle("wslab-empty", recording.count === 0);
    lanesHead.replaceChildren(lanes(recording, selection));
    if (following.on) scroller.scrollTop = recording.count * ROW;
    else if (shift) scroller.scrollTop -= shift;
    drawRows();
  };

  const choose = (number) => {
    if (!recording.count) return;
    const near = Math.min(Math.max(number, recording.first), recording.next - 1);
    following.set(following.on && near === recording.next - 1);
    selection.set(near);
  };

  /** Scroll so that the selected row is seen. */
  const reveal = () => {
    if (selection.number === null || !recording.record(selection.number)) return;
    const top = (selection.number - recording.first) * ROW;
    if (top < scroller.scrollTop) scroller.scrollTop = top;
    else if (top + ROW > scroller.scrollTop + scroller.clientHeight) scroller.scrollTop = top + ROW - scroller.clientHeight;
  };

  const page = () => Math.max(1, Math.floor(scroller.clientHeight / ROW) - 1);
  const current = () => selection.number ?? recording.first + Math.floor(scroller.scrollTop / ROW) - 1;
  const KEYS = {
    ArrowDown: () => choose(current() + 1),
    ArrowUp: () => choose(selection.number === null ? current() + 1 : current() - 1),
    PageDown: () => choose(current() + page()),
    PageUp: () => choose(current() - page()),
    Home: () => choose(recording.first),
    End: () => choose(recording.next - 1),
    Escape: () => selection.set(null),
  };
  grid.addEventListener("keydown", (event) => {
    if (!KEYS[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    KEYS[event.key]();
  });
  scroller.addEventListener("click", (event) => {
    const row = event.target.closest("[data-number]");
    if (row) choose(Number(row.dataset.number));
  });
  scroller.addEventListener("scroll", () => {
    if (following.on && !atEnd()) following.set(false);
    drawRows();
  });
  const resized = new ResizeObserver(draw); // also when a notebook puts the cell back into the page
  resized.observe(scroller);

  return { element: grid, draw, reveal, remove: () => resized.disconnect() };
}

// The inspector: the bytes of the selected record, and its fields, each lighting the other -------------------------------

const BYTES_A_ROW = 8;
const MOST_BYTES = 1024; // that are shown of a record
const MOST_VALUE = 240; // characters that are shown of a value

const cut = (text) => (text.length > MOST_VALUE ? `${text.slice(0, MOST_VALUE)}… ${NUMBER.format(text.length - MOST_VALUE)} more` : text);
const spaced = (digits) => digits.replace(/(..)(?=.)/g, "$1 ");

/** Where a field lies, in words: "bit 0", "bits 4 to 7", "byte 2", "bytes 2 to 5". */
function place({ start, width }) {
  const [unit, first, count] = start % 8 || width % 8 ? ["bit", start, width] : ["byte", start / 8, width / 8];
  const number = (value) => NUMBER.format(value);
  return count === 1 ? `${unit} ${number(first)}` : `${unit}s ${number(first)} to ${number(first + count - 1)}`;
}

/** Which fields lie on a byte. */
function fieldsOn(fields, byte) {
  const found = [];
  fields.forEach((field, index) => {
    if (field.start < 8 * byte + 8 && field.start + field.width > 8 * byte) found.push(index);
  });
  return found;
}

const touches = (violation, start, width) => violation.width > 0 && violation.start < start + width && violation.start + violation.width > start;

/** The RFC's figure of bits, for the bytes that several fields share. */
function bitFigure(explanation, bytes) {
  const figure = element("div", { class: "wslab-bits", role: "presentation" });
  const { violations } = explanation;
  for (let byte = 0; byte < bytes.length; byte++) {
    const on = fieldsOn(explanation.fields, byte);
    if (on.every((index) => explanation.fields[index].width % 8 === 0)) continue;
    const cells = on.map((index) => {
      const field = explanation.fields[index];
      const from = Math.max(field.start, 8 * byte);
      const width = Math.min(field.start + field.width, 8 * byte + 8) - from;
      const digits = [...field.bits.slice(from - field.start, from - field.start + width)].map((bit, at) =>
        element("span", { class: violations.some((violation) => touches(violation, from + at, 1)) ? "wslab-wrong" : "" }, bit),
      );
      return element(
        "span",
        { class: "wslab-bitfield", "data-field": index, style: `grid-column: span ${width}` },
        element("span", { class: "wslab-digits" }, ...digits),
        element("span", { class: "wslab-bitname" }, visible(field.name)),
      );
    });
    const numbers = Array.from({ length: 8 }, (_, bit) => element("span", { class: "wslab-bitnumber" }, String(8 * byte + bit)));
    figure.append(element("div", { class: "wslab-bitrow" }, ...numbers, ...cells));
  }
  return figure;
}

/** The bytes as hex and as ASCII; arrow keys go from byte to byte. */
function byteGrid(explanation, bytes) {
  const cells = [];
  const rows = [];
  let shade = -1;
  let shaded = null;
  for (let at = 0; at < bytes.length; at += BYTES_A_ROW) {
    const row = element("div", { role: "row", class: "wslab-byterow" }, element("span", { role: "rowheader", class: "wslab-at" }, hex(at, 4)));
    const characters = element("span", { class: "wslab-characters", "aria-hidden": "true" });
    bytes.slice(at, at + BYTES_A_ROW).forEach((byte, index) => {
      const on = fieldsOn(explanation.fields, at + index);
      if (on[0] !== shaded) [shade, shaded] = [shade + 1, on[0]];
      const wrong = explanation.violations.some((violation) => touches(violation, 8 * (at + index), 8));
      const names = on.map((field) => harmless(explanation.fields[field].name)).join(", ");
      const classes = `wslab-shade${shade % 2}${wrong ? " wslab-wrong" : ""}`;
      const cell = element(
        "span",
        { role: "gridcell", class: `wslab-byte ${classes}`, "data-field": on.join(" "), tabindex: cells.length ? "-1" : "0", "aria-label": `byte ${at + index}: ${byte}, ${names}` },
        byte,
      );
      cells.push(cell);
      row.append(cell);
      const code = parseInt(byte, 16);
      characters.append(element("span", { class: `wslab-character ${classes}`, "data-field": on.join(" ") }, code >= 0x20 && code < 0x7f ? String.fromCharCode(code) : "·"));
    });
    for (let fill = row.childElementCount; fill <= BYTES_A_ROW; fill++) row.append(element("span", { class: "wslab-byte", "aria-hidden": "true" }));
    row.append(characters);
    rows.push(row);
  }
  const grid = element("div", { role: "grid", class: "wslab-hex", "aria-label": "Bytes: the arrow keys go from byte to byte" }, ...rows);
  const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: BYTES_A_ROW, ArrowUp: -BYTES_A_ROW, Home: -Infinity, End: Infinity };
  rove(grid, cells, steps);
  return grid;
}

/** The fields, each with its place, value, meaning and section. */
function fieldList(explanation) {
  const items = explanation.fields.map((field, index) =>
    element(
      "li",
      { role: "option", class: "wslab-field", "data-field": index, tabindex: index ? "-1" : "0", "aria-selected": "false" },
      element("span", { class: "wslab-name" }, element("b", {}, harmless(field.name)), " ", element("span", { class: "wslab-place" }, place(field)), " ", element("span", { class: "wslab-section" }, harmless(field.section))),
      element(
        "span",
        { class: "wslab-says" },
        element("bdi", { class: "wslab-value", dir: "ltr" }, cut(harmless(field.value ?? ""))),
        " ",
        element("span", {}, field.meaning === field.value ? "" : harmless(field.meaning)),
        field.plain ? element("span", { class: "wslab-plain" }, "unmasked ", element("code", {}, cut(spaced(field.plain)))) : null,
      ),
    ),
  );
  const list = element("ol", { role: "listbox", class: "wslab-fields", "aria-label": "Fields: the arrow keys go from field to field" }, ...items);
  rove(list, items, { ArrowDown: 1, ArrowUp: -1, Home: -Infinity, End: Infinity });
  return list;
}

/** One tab stop for many items: keys move by the given steps, and the focus with them. */
function rove(container, items, steps) {
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
function bring(container, item) {
  const [outer, inner] = [container.getBoundingClientRect(), item.getBoundingClientRect()];
  if (inner.top < outer.top) container.scrollTop -= outer.top - inner.top;
  else if (inner.bottom > outer.bottom) container.scrollTop += inner.bottom - outer.bottom;
}

/** Hovering or focusing anything that stands for a field lights everything that does. */
function lightEachOther(root, scrollers) {
  const light = (event) => {
    const source = event.target.closest?.("[data-field]") ?? (root.contains(document.activeElement) && document.activeElement.closest("[data-field]"));
    const fields = source ? source.dataset.field.split(" ") : [];
    for (const part of root.querySelectorAll("[data-field]")) {
      const lit = part.dataset.field.split(" ").some((field) => fields.includes(field));
      part.classList.toggle("wslab-lit", lit);
      if (part.role === "option") part.setAttribute("aria-selected", String(lit));
    }
    for (const scroller of scrollers) {
      const first = scroller.querySelector(".wslab-lit");
      if (first && !scroller.contains(source)) bring(scroller, first);
    }
  };
  for (const event of ["pointerover", "pointerleave", "focusin"]) root.addEventListener(event, light);
}

function violationList(explanation) {
  return element(
    "ul",
    { class: "wslab-violations", "aria-label": "Broken rules" },
    ...explanation.violations.map((violation) =>
      element(
        "li",
        {},
        element("b", { class: "wslab-broken" }, `! ${harmless(violation.rule)}`),
        " ",
        element("span", { class: "wslab-section" }, harmless(violation.section)),
        element("q", {}, harmless(violation.sentence)),
        element("span", { class: "wslab-found" }, harmless(violation.found)),
      ),
    ),
  );
}

function explained(explanation) {
  const bytes = (explanation.data.match(/../g) ?? []).slice(0, MOST_BYTES);
  const left = element("div", { class: "wslab-bytes" }, bitFigure(explanation, bytes), byteGrid(explanation, bytes));
  if (explanation.length > bytes.length) {
    left.append(element("p", { class: "wslab-note" }, `The first ${NUMBER.format(bytes.length)} of ${plural(explanation.length, "byte")}.`));
  }
  const right = fieldList(explanation);
  const both = element("div", { class: "wslab-explained" }, left, right);
  lightEachOther(both, [left, right]);
  const facts = explanation.facts.flatMap(([name, text]) => [element("dt", {}, harmless(name)), element("dd", {}, cut(harmless(text)))]);
  return [
    explanation.violations.length ? violationList(explanation) : null,
    bytes.length ? both : null,
    facts.length ? element("dl", { class: "wslab-facts" }, ...facts) : null,
  ].filter(Boolean);
}

function inspector(recording, selection) {
  const root = element("section", { class: "wslab-inspector", "aria-label": "The selected record" });
  let drawn = "";

  const title = (record) => {
    const length = record.headerLength + record.payloadLength;
    const where = length ? `${plural(length, "byte")} from byte ${NUMBER.format(record.offset)} of the ${record.sender}'s stream` : `at byte ${NUMBER.format(record.offset)} of the ${record.sender}'s stream`;
    const when = `, at ${record.time.toFixed(4)} s` + (recording.connections > 1 ? `, connection ${record.connection}` : "");
    return element("header", { class: "wslab-title" }, element("span", { class: "wslab-place" }, `No. ${record.number}`), mark(record.sender), element("bdi", { class: "wslab-caption", dir: "ltr" }, ...caption(record)), element("span", { class: "wslab-place" }, where + when));
  };
  const hint = (text) => element("p", { class: "wslab-hint" }, text);

  const body = (record, detail) => {
    if (selection.number === null) return [hint("Select a record to see its bytes: click it, or use the arrow keys.")];
    if (!record) return [hint(`Record ${selection.number} is no longer kept.`)];
    if (!detail) return [title(record), hint("The kernel is asked for this record's bytes. A running cell has to end first.")];
    if (detail.problem) return [title(record), element("p", { class: "wslab-problem" }, harmless(detail.problem))];
    return [title(record), ...explained(detail.explanation)];
  };

  const draw = () => {
    const { number } = selection;
    const record = number === null ? null : recording.record(number);
    const detail = record && recording.detail(number);
    const state = `${number} ${Boolean(record)} ${Boolean(detail)}`;
    if (state === drawn) return; // what is being read is not drawn anew
    drawn = state;
    root.replaceChildren(...body(record, detail));
  };
  return { element: root, draw };
}

// What is shown while no kernel answers ---------------------------------------------------------------------------------

const PATIENCE = 1500; // ms that a kernel has for its first answer

function snapshot(recording, model) {
  const notice = element(
    "p",
    { class: "wslab-notice" },
    element("b", {}, "A saved view."),
    " No kernel answers for this panel. To make it live, run the cell above: click it and press Shift+Enter.",
  );
  const text = element("pre", { class: "wslab-snapshot", tabindex: "0", role: "region", "aria-label": "The recording as text, as it was saved" });
  const root = element("div", { hidden: true }, notice, text);
  const draw = () => {
    root.hidden = recording.life !== "silent";
    text.textContent = model.get("snapshot").split("\n").map(harmless).join("\n");
  };
  return { element: root, draw };
}

// The panel -------------------------------------------------------------------------------------------------------------

function legend() {
  const sample = (name, words) => element("span", { class: "wslab-sample", "data-shape": name }, element("span", { class: "wslab-shaft" }), words);
  return element("p", { class: "wslab-legend", "aria-hidden": "true" }, sample("handshake", "handshake"), sample("data", "data frame"), sample("control", "control frame"), sample("tcp", "end of stream"));
}

function show(recording, model, el) {
  const selection = {
    get number() {
      return model.get("selected");
    },
    set(number) {
      if (number === this.number) return;
      model.set("selected", number);
      model.save_changes();
    },
  };
  // A panel that was shown before anything happened goes along; one that was shown after a conversation stays on it.
  let decided = false;
  const following = {
    on: false,
    set(on) {
      if (on === this.on) return;
      this.on = on;
      draw();
    },
  };
  const parts = {
    toolbar: toolbar(recording, selection, following),
    snapshot: snapshot(recording, model),
    ladder: ladder(recording, selection, following),
    inspector: inspector(recording, selection),
  };
  const problem = element("p", { class: "wslab-problem", role: "alert", hidden: true });
  const live = element("div", { class: "wslab-live" }, parts.toolbar.element, parts.ladder.element, legend(), parts.inspector.element);
  const root = element("div", { class: "wslab wslab-panel" }, problem, parts.snapshot.element, live);

  const draw = () => {
    if (!decided && recording.life === "live") {
      decided = true;
      following.on = recording.status.total === 0;
    }
    try {
      live.hidden = recording.life === "silent";
      problem.hidden = !recording.problem;
      problem.textContent = recording.problem ? `The panel could not do that: ${harmless(recording.problem)}` : "";
      for (const part of Object.values(parts)) part.draw();
    } catch (error) {
      problem.hidden = false;
      problem.textContent = `The panel could not be drawn: ${harmless(error)}`;
      throw error;
    }
  };
  const chosen = () => {
    recording.askAgain();
    draw();
    parts.ladder.reveal();
  };
  el.append(root);
  recording.listeners.add(draw);
  model.on("change:selected", chosen);
  model.on("change:snapshot", draw);
  draw();
  return () => {
    recording.listeners.delete(draw);
    for (const part of Object.values(parts)) part.remove?.();
  };
}

/** anywidget calls this once for each model; `render` runs for each of its views. */
export default () => {
  let recording;
  return {
    initialize({ model }) {
      recording = new Recording((question) => model.send(question));
      model.on("msg:custom", (message, buffers) => recording.hear(message, buffers ?? []));
      recording.ask({ ask: "records", from: 0 });
      const impatience = setTimeout(() => recording.lose(), PATIENCE);
      return () => clearTimeout(impatience);
    },
    render: ({ model, el }) => show(recording, model, el),
  };
};
