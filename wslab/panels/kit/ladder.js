/**
 * The table of records with the ladder in it, of which only the rows that are seen are in the page, and are used again
 * for other records when one scrolls. It never jumps: what is on screen stays there when records come, go, or are
 * filtered.
 *
 * A draw looks at the layout once and then writes.
 */

import { arrowDrawing } from "./arrows.js";
import { steer } from "./controls.js";
import { element, freshId, mark, say, tell } from "./dom.js";
import { group, harmless, NUMBER, plural, recordSummary } from "./words.js";

const ROW = 26; // px, as --wslab-row in panel.css
const HEAD = 27; // px of the row of names, with its line
const MOST_ROWS = 13; // that the table shows before it scrolls
const SPARE_ROWS = 3; // drawn above and below what is seen
const LOOK_BACK = 64; // rows above the drawn ones whose arrows may still arrive among them
const VERBS = { error: "reports", unread: "sent", bend: "bent by a relay:" }; // of what is not just sent
const SHAPES = { error: null, reset: "reset", unread: "unread" };

/** How a record's arrow is drawn; null where nothing arrives. An HTTP body is drawn as its head is. */
function shape({ kind, first, second }) {
  if (kind === "unread" && first && !second) return "handshake";
  return kind in SHAPES ? SHAPES[kind] : group(kind, first);
}

/** A record in two parts: what it is, which stands in bold, and what it says. */
export function caption(record) {
  if (record.kind === "bend") return ["bend", ` ${recordSummary(record)}`];
  const [, word, rest] = /^(\d+ bytes?|[^\s,]*)(.*)$/s.exec(recordSummary(record));
  return [word, rest];
}

const column = (name, title, text, more = {}) => ({ name, title, text, ...more });
const counted = (number) => (number ? NUMBER.format(number) : "");

/** The columns, in order. `many`: when there is more than one connection; `room`: when the panel is that wide. */
const COLUMNS = [
  column("No.", "Place in the recording", (record) => String(record.number)),
  column("Time, s", "Seconds since the recording began", (record) => record.time.toFixed(4), { room: "roomy" }),
  column("Conn.", "Number of the TCP connection", (record) => String(record.connection), { many: true, room: "roomy" }),
  { ladder: true },
  column("Offset", "Of the first byte in its sender's stream", ({ offset }) => NUMBER.format(offset), { room: "wide" }),
  column("Header", "Bytes of frame header or HTTP head", (record) => counted(record.headerLength), { room: "wide" }),
  column(
    "Payload",
    "Bytes of payload or HTTP body",
    ({ payloadLength, kind }) => (kind === "frame" ? NUMBER.format(payloadLength) : counted(payloadLength)),
    { room: "roomy" },
  ),
  column("!", "How many rules it breaks", ({ violations }) => (violations ? `! ${violations}` : ""), {
    label: "broken rules",
    marked: true,
  }),
];
const LADDER = COLUMNS.findIndex((column) => column.ladder);

/** A column's cell in a row. */
const cell = ({ ladder, many, room }, ...given) =>
  element(`span.cell${ladder ? ".ladder" : ""}${many ? ".many" : ""}${room ? `.${room}` : ""}`, ...given);

/** A row's elements, which `show` fills for a record. */
class Row {
  constructor(id) {
    this.id = id;
    this.number = null;
    this.prefix = element("span.unseen");
    this.mark = element("span.mark", { "aria-hidden": "true" });
    this.word = element("b");
    this.rest = document.createTextNode("");
    this.note = element("bdi.arrowlabel", { hidden: true });
    this.texts = [];
    this.cells = COLUMNS.map((column) => cell(column, { role: "gridcell" }));
    this.cells[LADDER].append(
      this.prefix,
      this.mark,
      element("bdi.caption", { dir: "ltr" }, this.word, this.rest),
      " ",
      this.note,
    );
    this.element = element("div.row", { role: "row" }, ...this.cells);
  }

  show(record, row) {
    const { dataset } = this.element;
    if (record.number !== this.number) {
      this.number = record.number;
      this.element.id = `${this.id}-${record.number}`;
      dataset.number = record.number;
      for (const [name, value] of Object.entries({ sender: record.sender, shape: shape(record) ?? "note" }))
        if (dataset[name] !== value) dataset[name] = value;
      COLUMNS.forEach((column, at) => {
        if (column.ladder) return;
        const text = column.text(record);
        if (this.texts[at] !== text) this.cells[at].textContent = this.texts[at] = text;
        if (column.marked) this.cells[at].classList.toggle("wslab-broken", text !== "");
      });
      const [word, rest] = caption(record);
      if (this.word.textContent !== word) this.word.textContent = word;
      if (this.rest.data !== rest) this.rest.data = rest;
    }
    this.element.setAttribute("aria-rowindex", row + 2);
    this.element.style.transform = `translateY(${row * ROW}px)`; // moves it without laying it out
  }

  /** What somebody has written on its arrow. */
  write(note) {
    if (this.note.textContent === note) return;
    this.note.title = note;
    tell(this.note, note);
  }

  say(words) {
    if (this.prefix.textContent !== words) this.prefix.textContent = words;
  }

  turn(name, on) {
    if (this.element.classList.contains(name) !== on) this.element.classList.toggle(name, on);
  }
}

/** The button that tells how many records are new; it stands where it covers none of them. */
export const newRecords = () => element("button.button.pill", { hidden: true, title: "Go to the end (End)" });

/** The table of `view`: its element, `draw`, `reveal` and `goToEnd`. */
export function ladder(view) {
  const { recording, rows, found } = view;
  const id = freshId();
  const heads = COLUMNS.map((column) =>
    cell(column, { role: "columnheader", title: column.title, "aria-label": column.label }, column.name),
  );
  const which = element("span.which");
  heads[LADDER].append(lane("client"), which, lane("server"));
  const headRow = element("div.heads", { role: "row", "aria-rowindex": 1 }, ...heads);
  const arrows = arrowDrawing();
  const now = element("div.now", { "aria-hidden": "true", hidden: true }, element("span", "now"));
  const sizer = element("div.sizer", { role: "rowgroup" }, arrows.element, now);
  const label = "Records: the arrow keys choose one, [ and ] step through time";
  const said = { role: "grid", tabindex: "0", "aria-label": label, "aria-colcount": COLUMNS.length };
  const grid = element("div.records.scroller", said, element("div.headgroup", { role: "rowgroup" }, headRow), sizer);
  const nothing = element("p.nothing", { hidden: true }, "No record passes the filter.");
  const { pill } = view;
  const root = element("div.table", grid, nothing);

  const drawn = new Map(); // number of a record: its Row
  const spare = [];
  const held = { number: null, offset: 0, top: 0 }; // the first record on screen, px hidden of it, and scrollTop
  let unseen = true; // the table is not laid out: the notebook took it out of the page
  let seen = null; // number from which on records are new to who looks

  const tall = () => Math.max(1, Math.min(view.room ?? recording.count, MOST_ROWS)) * ROW;

  /** Where to scroll to so that what is on screen stays, or the end is seen. */
  const place = (scrollTop) => {
    const moved = unseen ? 0 : scrollTop - held.top;
    if (view.following.on && moved < -1) view.following.on = false; // scrolled away from the end before a draw came
    const most = Math.max(0, rows.count * ROW - tall());
    if (view.following.on) return most;
    const top = held.number === null ? scrollTop : rows.row(held.number) * ROW + held.offset + moved;
    return Math.min(Math.max(top, 0), most);
  };

  const hold = (top) => {
    const row = Math.floor(top / ROW);
    held.top = top;
    held.offset = top - row * ROW;
    held.number = row < rows.count ? rows.number(row) : null;
  };

  const drawRows = (from, to) => {
    const { moment, selected } = view;
    const numbers = Array.from({ length: Math.max(0, to - from) }, (_, at) => rows.number(from + at));
    const wanted = new Set(numbers);
    for (const [number, row] of drawn) {
      if (wanted.has(number)) continue;
      drawn.delete(number);
      spare.push(row);
    }
    spare.sort((one, other) => one.number - other.number); // as in the page: a row that stays is cheap
    let next = null;
    for (let at = numbers.length - 1; at >= 0; at--) {
      const number = numbers[at];
      const row = drawn.get(number) ?? spare.pop() ?? new Row(id);
      drawn.set(number, row);
      if (!row.element.isConnected || row.element.nextSibling !== next) sizer.insertBefore(row.element, next);
      next = row.element;
      row.show(recording.record(number), from + at);
      row.write(harmless(view.note(number)));
      row.turn("wslab-selected", number === selected);
      say(row.element, "selected", number === selected);
      row.turn("wslab-to-come", number > moment);
      row.turn("wslab-found", found.test !== null && found.has(number));
    }
    for (const row of spare.splice(0)) row.element.remove();
    if (drawn.has(selected)) grid.setAttribute("aria-activedescendant", `${id}-${selected}`);
    else grid.removeAttribute("aria-activedescendant");
  };

  /** The arrows that cross the drawn rows, each with the row border at which it arrives. */
  const drawArrows = (from, to, box) => {
    const { moment } = view;
    const found = [];
    const borders = new Map(); // row: the arrows that arrive below it
    const latest = {}; // by stream: when the last arrow arrived; its bytes arrive in order, but delays are rounded
    for (let row = Math.max(0, from - LOOK_BACK); row < to; row++) {
      const number = rows.number(row);
      const record = recording.record(number);
      const form = shape(record);
      if (form === null) continue;
      const after = recording.arrival(number);
      const until = after === null ? null : Math.max(row, rows.row(after + 1) - 1);
      const crossed = until === null ? 0 : until - row;
      const late = crossed ? `(read after ${plural(crossed, "further record")}) ` : "";
      const verb = VERBS[record.kind] ?? "sends";
      drawn.get(number)?.say(`${number > moment ? "not yet: " : ""}${record.sender} ${verb} ${late}`);
      if (row < from && (until === null || until < from - 1)) continue;
      const faded = number > moment || (after !== null && after > moment);
      const stream = `${record.connection} ${record.sender}`;
      if (after !== null) latest[stream] = Math.max(latest[stream] ?? 0, record.time + record.delay);
      const { sender } = record;
      const arrow = { sender, shape: form, faded, from: (row - from + 0.5) * ROW, to: null, at: latest[stream] };
      found.push(arrow);
      if (until !== null) borders.set(until, [...(borders.get(until) ?? []), arrow]);
    }
    // Several that arrive between the same two records arrive one below the other, in order of time.
    for (const [row, arriving] of borders) {
      arriving.sort((one, other) => one.at - other.at);
      const room = row < rows.count - 1 ? 1 : 0.55; // rows: to the middle of the next one, or what is left of the last
      arriving.forEach((arrow, at) => {
        arrow.to = (row - from + 0.5 + (room * (at + 1)) / (arriving.length + 1)) * ROW;
      });
    }
    for (const row of drawn.values())
      if (row.element.dataset.shape === "note")
        row.say(`${row.number > moment ? "not yet: " : ""}${row.element.dataset.sender} reports `);
    arrows.draw(found, box);
  };

  const drawAround = (top, height) => {
    const from = Math.max(0, Math.floor(top / ROW) - SPARE_ROWS);
    const to = Math.min(rows.count, Math.ceil((top + height) / ROW) + SPARE_ROWS);
    const { left, width } = lanesBox;
    drawRows(from, to);
    drawArrows(from, to, { left, top: from * ROW, width, height: Math.max(0, to - from) * ROW });
  };

  /** What is new to who looks: what came after the last record that was on screen. */
  const count = (top) => {
    if (seen === null && view.live) seen = recording.status.total;
    const last = Math.min(rows.count, Math.floor((top + tall() + 1) / ROW)) - 1;
    if (!unseen && last >= 0 && seen !== null) seen = Math.max(seen, rows.number(last) + 1);
    const fresh = seen === null || view.following.on ? 0 : rows.count - rows.row(seen);
    pill.hidden = fresh === 0;
    if (fresh) pill.textContent = `${plural(fresh, "new record")} ↓`;
  };

  let lanesBox = { left: 0, width: 0 };
  const measure = () => {
    const [outer, inner] = [headRow.getBoundingClientRect(), heads[LADDER].getBoundingClientRect()];
    lanesBox = { left: inner.left - outer.left, width: inner.width };
  };

  const draw = () => {
    const { scrollTop, clientHeight } = grid;
    const laidOut = clientHeight > 0;
    grid.classList.toggle("wslab-connections", recording.connections > 1);
    if (laidOut) measure();
    const top = place(laidOut ? scrollTop : held.top);
    const unseenBefore = unseen;
    unseen = !laidOut;
    sizer.style.height = `${rows.count * ROW}px`;
    grid.style.height = `${HEAD + tall()}px`;
    grid.setAttribute("aria-rowcount", rows.count + 1);
    grid.classList.toggle("wslab-empty", recording.count === 0);
    nothing.hidden = rows.count > 0 || recording.count === 0 || !rows.done;
    const { moment, paused } = view;
    now.hidden = !paused;
    now.style.top = `${rows.row(moment + 1) * ROW}px`;
    now.classList.toggle("wslab-before", rows.row(moment + 1) === 0);
    which.textContent = recording.connections > 1 ? plural(recording.connections, "connection") : "";
    const stayed = unseenBefore || Math.abs(scrollTop - held.top) < 1;
    if (laidOut && Math.abs(top - scrollTop) >= 1) grid.scrollTop = top;
    if (rows.done || !stayed) hold(top);
    else held.top = top; // the sieve has not come to what was on screen yet
    drawAround(top, tall());
    count(top);
  };

  const choose = (row) => {
    if (!rows.count) return;
    const near = Math.min(Math.max(row, 0), rows.count - 1);
    if (near < rows.count - 1) view.following.set(false);
    view.select(rows.number(near));
  };

  /** Scroll so that a record's row is seen. */
  const reveal = (number) => {
    const row = rows.row(number);
    if (row >= rows.count || unseen) return;
    const { scrollTop } = grid;
    const top = Math.min(Math.max(scrollTop, (row + 1) * ROW - tall()), row * ROW);
    if (top === scrollTop) return;
    grid.scrollTop = top;
    hold(top);
    drawAround(top, tall());
    count(top);
  };

  const goToEnd = () => {
    if (view.paused) reveal(rows.number(rows.count - 1));
    else view.following.set(true);
  };

  const page = () => Math.max(1, Math.floor(tall() / ROW) - 1);
  const firstSeen = () => Math.floor(held.top / ROW);
  const down = (step) => choose(view.selected === null ? firstSeen() : rows.row(view.selected + 1) - 1 + step);
  const up = (step) => choose(view.selected === null ? firstSeen() : rows.row(view.selected) - step);
  const KEYS = {
    ArrowDown: () => down(1),
    ArrowUp: () => up(1),
    PageDown: () => down(page()),
    PageUp: () => up(page()),
    Home: () => choose(0),
    End: () => choose(rows.count - 1),
    Escape: () => view.select(null),
    "[": () => view.step("back"),
    "]": () => view.step("forward"),
  };
  steer(grid, KEYS, (go) => go());
  grid.addEventListener("click", (event) => {
    const row = event.target.closest("[data-number]");
    if (row) choose(rows.row(Number(row.dataset.number)));
  });
  grid.addEventListener("scroll", () => {
    if (Math.abs(grid.scrollTop - held.top) < 1) return; // a draw scrolled
    const { scrollTop } = grid;
    if (view.following.on && scrollTop < held.top) view.following.on = false;
    hold(scrollTop);
    drawAround(scrollTop, tall());
    count(scrollTop);
    view.scrolled();
  });
  pill.addEventListener("click", () => {
    grid.focus();
    goToEnd();
  });
  const resized = new ResizeObserver(() => draw()); // also when a notebook puts the cell back into the page
  resized.observe(grid);

  return { element: root, draw, reveal, remove: () => resized.disconnect() };
}

const lane = (sender) => element("span.lane", mark(sender), element("b", sender));
