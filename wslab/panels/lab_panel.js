/**
 * The lab panel: a recording as a ladder of records, and every byte of the selected one explained.
 *
 * The kernel pushes records in binary batches, and they are read where they lie; a record's explanation is pulled when
 * somebody looks at it, because a request has to wait for a cell that computes and a push has not. One `Recording` holds
 * what has come and is shared by every view of a panel. The parts of a view (`toolbar`, `ladder`, `inspector`)
 * are functions that take a recording and a selection and give an element; none knows another.
 */

import { harmless, recordSummary } from "./words.js";
import { NUMBER, element, freshId, mark, plural, unseen } from "./dom.js";
import { Recording } from "./recording.js";
import { explained } from "./inspector.js";
import { panel } from "./panel.js";

// The toolbar: how much there is, and what can be done with the view ---------------------------------------------------

const SAY_EVERY = 3000; // ms between announcements of the counts to a screen reader

function toolbar(recording, selection, following) {
  const counts = element("span", { class: "wslab-counts" });
  const said = element("span", { class: "wslab-unseen", role: "status", "aria-live": "polite" });
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
    follow.setAttribute("aria-pressed", String(following.on));
    clear.disabled = selection.number === null;
    speaking ??= setTimeout(() => {
      speaking = null;
      const words = text();
      if (said.textContent !== words) said.textContent = words;
    }, SAY_EVERY);
  };

  return {
    element: element("div", { class: "wslab-toolbar", role: "toolbar", "aria-label": "Recording" }, counts, said, element("span", { class: "wslab-buttons" }, follow, clear)),
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
  const id = freshId();
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

// The panel -------------------------------------------------------------------------------------------------------------

function legend() {
  const sample = (name, words) => element("span", { class: "wslab-sample", "data-shape": name }, element("span", { class: "wslab-shaft" }), words);
  return element("p", { class: "wslab-legend", "aria-hidden": "true" }, sample("handshake", "handshake"), sample("data", "data frame"), sample("control", "control frame"), sample("tcp", "end of stream"));
}

/** Once for each model: the recording hears the kernel before the first view is drawn. */
function begin({ shared, ask, hear }) {
  shared.recording = new Recording(ask);
  hear((message, buffers) => shared.recording.hear(message, buffers));
  ask({ ask: "records", from: 0 });
}

function build(context) {
  const { model, redraw } = context;
  const { recording } = context.shared;
  const selection = {
    get number() {
      return model.get("selected");
    },
    set(number) {
      context.set("selected", number);
    },
  };
  // A panel that was shown before anything happened goes along; one that was shown after a conversation stays on it.
  let decided = false;
  const following = {
    on: false,
    set(on) {
      if (on === this.on) return;
      this.on = on;
      redraw();
    },
  };
  const parts = [toolbar(recording, selection, following), ladder(recording, selection, following), inspector(recording, selection)];
  const [bar, rows, bytes] = parts;
  let chosen = null;

  const draw = () => {
    if (!decided && context.life === "live") {
      decided = true;
      following.on = recording.status.total === 0;
    }
    const moved = selection.number !== chosen;
    if (moved) recording.askAgain();
    for (const part of parts) part.draw();
    if (moved) rows.reveal();
    chosen = selection.number;
  };
  return {
    element: element("div", {}, bar.element, rows.element, legend(), bytes.element),
    draw,
    remove: () => parts.forEach((part) => part.remove?.()),
  };
}

export default panel("lab", "Lab panel", build, begin);
