/**
 * Three lanes over the same bytes of one stream: chunks as TCP's two ends saw them, frames, and messages. No edge of
 * one has to be an edge of another, and that is what they are drawn for.
 *
 * Every edge stands between two columns of a grid; a column's width grows with the logarithm of its bytes. The lanes
 * are pulled from the kernel (wslab/panels/lab_panel/lab_panel.py) and only while they are open.
 */

import { element, freshId, mark, quote, region, say, section } from "../kit/dom.js";
import { harmless, NUMBER, plural } from "../kit/words.js";

const LEAST = 18; // px of a column of one byte
const GROWTH = 12; // px for each doubling
const MOST_STRETCH = 2; // where there is room
const SPARE = 12; // px at the right
const PADDING = 24; // px, as in lanes.css
const NAMES = 132; // px of the rows' names
const widthOf = (bytes) => LEAST + GROWTH * Math.log2(Math.max(1, bytes));
const DIGIT = 6.2; // px of a digit of an offset
const APART = 8; // px between two offsets

const end = ({ offset, length }) => offset + length;
const stopOf = (record) => record.offset + record.header + record.payload;
const span = (start, stop) =>
  stop - start === 1 ? `byte ${NUMBER.format(start)}` : `bytes ${NUMBER.format(start)} to ${NUMBER.format(stop - 1)}`;

/** Where columns begin and end, in bytes and in pixels; stretched, within reason, to fill `room` pixels. */
function scale({ start, stop, chunks, records, messages }, room) {
  const all = [
    start,
    stop,
    ...chunks.flatMap((one) => [one.offset, end(one)]),
    ...records.flatMap((one) => [one.offset, one.offset + one.header, stopOf(one)]),
    ...messages.flatMap((one) => [one.start, one.stop]),
  ];
  const edges = [...new Set(all.filter((edge) => edge >= start && edge <= stop))].sort((a, b) => a - b);
  const natural = edges.slice(1).map((edge, index) => widthOf(edge - edges[index]));
  const stretch = Math.min(Math.max(1, room / natural.reduce((sum, width) => sum + width, 0)), MOST_STRETCH);
  const widths = natural.map((width) => Math.floor(width * stretch));
  const lefts = [0];
  for (const width of widths) lefts.push(lefts.at(-1) + width);
  const place = new Map(edges.map((edge, index) => [edge, index]));
  const clip = (edge) => Math.min(Math.max(edge, start), stop);
  const columns = (from, to) => `grid-column: ${place.get(clip(from)) + 2} / ${place.get(clip(to)) + 2}`;
  const has = (from, to) => clip(to) > clip(from);
  return { edges, widths, lefts, columns, has, left: (edge) => lefts[place.get(clip(edge))] };
}

/** The offsets at the edges, as many as have room. */
function axis({ edges, lefts }) {
  let free = -Infinity;
  const marks = edges.flatMap((edge, index) => {
    const text = NUMBER.format(edge);
    const half = (DIGIT * text.length) / 2;
    if (lefts[index] - half < free) return [];
    free = lefts[index] + half + APART;
    return [element("span.tick", { style: `left: ${lefts[index]}px` }, text)];
  });
  return element("div.axis", { style: "grid-row: 1; grid-column: 2 / -1" }, ...marks);
}

const row = (number) => `grid-row: ${number};`;

function chunkRow(lanes, at, by, number) {
  return lanes.chunks
    .filter((chunk) => chunk.by === by && at.has(chunk.offset, end(chunk)))
    .map((chunk) => {
      const cut = (chunk.offset < lanes.start ? ".cutstart" : "") + (end(chunk) > lanes.stop ? ".cutend" : "");
      const verb = by === lanes.sender ? "wrote" : "read";
      const title = `${by} ${verb} ${span(chunk.offset, end(chunk))} as one chunk at ${chunk.time.toFixed(4)} s`;
      const style = row(number) + at.columns(chunk.offset, end(chunk));
      return element(`span.chunk.${by}${cut}`, { style, title }, NUMBER.format(chunk.length));
    });
}

function frameRow(lanes, at, number, selected, select) {
  return lanes.records
    .filter((record) => at.has(record.offset, stopOf(record)))
    .map((record) => {
      const shape = record.control ? "control" : record.kind === "frame" ? "data" : record.kind;
      const header = at.left(record.offset + record.header) - at.left(record.offset);
      const sizes = `${plural(record.header, "byte")} of header, ${NUMBER.format(record.payload)} of payload`;
      const where = span(record.offset, stopOf(record));
      const said = `No. ${record.number}, ${harmless(record.words)}: ${sizes}, ${where}`;
      const style = row(number) + at.columns(record.offset, stopOf(record));
      const data = { "data-shape": shape, "data-key": record.number };
      const state = { "aria-pressed": String(record.number === selected), onclick: () => select(record.number) };
      const hatched = record.header ? element("span.laneheader", { style: `width: ${header}px` }) : null;
      const look = { ...data, ...state, style, title: said, "aria-label": said };
      return element("button.laneframe", look, hatched, quote(record.words, ".lanewords"));
    });
}

/** A message is drawn over its own frames; a control frame between them is a gap (RFC 6455 5.4). */
function messageRow(lanes, at, number) {
  return lanes.messages
    .filter((message) => at.has(message.start, message.stop))
    .flatMap((message) => {
      const frames = lanes.records.filter(({ control, kind }) => !control && kind === "frame");
      const isIn = (one) => one.offset >= message.start && stopOf(one) <= message.stop && stopOf(one) > one.offset;
      const own = frames.filter(isIn);
      const runs = [];
      for (const record of own) {
        if (runs.at(-1)?.[1] === record.offset) runs.at(-1)[1] = stopOf(record);
        else runs.push([record.offset, stopOf(record)]);
      }
      if (!runs.length) runs.push([message.start, message.stop]);
      runs[0][0] = Math.min(runs[0][0], message.start);
      runs.at(-1)[1] = Math.max(runs.at(-1)[1], message.stop);
      const cut = (index) =>
        (index === 0 && message.start < lanes.start ? ".cutstart" : "") +
        (index === runs.length - 1 && message.stop > lanes.stop ? ".cutend" : "");
      const title = `Message: ${harmless(message.words)}, ${span(message.start, message.stop)}`;
      const widths = runs.map(([from, to]) => at.left(to) - at.left(from));
      const widest = widths.indexOf(Math.max(...widths));
      const styled = (from, to) => row(number) + at.columns(from, to);
      const bridge = element("span.bridge", { style: styled(message.start, message.stop) });
      const drawn = runs.map(([from, to], index) => {
        const words = index === widest ? harmless(message.words) : "";
        return element(`span.message${cut(index)}`, { style: styled(from, to), title }, words);
      });
      return runs.length > 1 ? [bridge, ...drawn] : drawn;
    });
}

/** The same for who cannot see it: what each write became, then frames, then messages. */
function spoken(lanes) {
  const { sender, chunks } = lanes;
  const peer = sender === "client" ? "server" : "client";
  const reads = chunks.filter(({ by }) => by === peer);
  const writes = chunks.filter(({ by }) => by === sender);
  const readAs = (write) => {
    const { length } = reads.filter((read) => read.offset < end(write) && end(read) > write.offset);
    return length ? `; ${peer} read them in ${length === 1 ? "one chunk" : `${length} chunks`}` : "";
  };
  return [
    ...writes.map((write) => `${sender} wrote ${span(write.offset, end(write))} as one chunk${readAs(write)}.`),
    ...(writes.length ? [] : reads.map((read) => `${peer} read ${span(read.offset, end(read))} as one chunk.`)),
    ...lanes.records
      .filter((record) => stopOf(record) > record.offset)
      .map((record) => `No. ${record.number}, ${harmless(record.words)}: ${span(record.offset, stopOf(record))}.`),
    ...lanes.messages.map((message) => `Message: ${harmless(message.words)}, ${span(message.start, message.stop)}.`),
  ];
}

/** What there is to be learnt from it, in one sentence. */
function lesson(lanes) {
  const peer = lanes.sender === "client" ? "server" : "client";
  const count = (by) => lanes.chunks.filter((chunk) => chunk.by === by).length;
  const said = [
    [count(lanes.sender), "write"],
    [count(peer), "read"],
    [lanes.records.filter(({ kind }) => kind === "frame").length, "frame"],
    [lanes.messages.length, "message"],
  ];
  const told = said.filter(([number, noun]) => number || noun === "frame").map((one) => plural(...one));
  return `${told.join(", ")}: no edge has to match another.`;
}

function figure(lanes, room, selected, select) {
  const peer = lanes.sender === "client" ? "server" : "client";
  const at = scale(lanes, room - NAMES - SPARE);
  const chosen = lanes.records.find((record) => record.number === selected);
  const heads = [["written by", lanes.sender], ["read by", peer], ["frames"], ["messages"]];
  const ends = heads.map(([name, by], index) =>
    element("span.laneof", { style: row(index + 2) }, name, by ? mark(by) : null, by ?? ""),
  );
  const over = (what, from, columns) => element(what, { style: `grid-row: ${from} / 6; ${columns}` });
  const seen = (by) => lanes.chunks.some((chunk) => chunk.by === by);
  const blind = (style) => element("span.lanenone", { style }, "not seen: this end is not in the lab");
  const unknown = (by, number) => (seen(by) ? [] : [blind(`${row(number)} grid-column: 2 / -1`)]);
  const body = [
    element("span.laneof.axisof", { style: row(1) }, "byte"),
    axis(at),
    ...ends,
    ...at.edges.map((edge) => over("span.edge", 2, at.columns(edge, edge).replace(/ \/.*/, ""))),
    chosen && at.has(chosen.offset, stopOf(chosen))
      ? over("span.band", 1, at.columns(chosen.offset, stopOf(chosen)))
      : null,
    ...chunkRow(lanes, at, lanes.sender, 2),
    ...unknown(lanes.sender, 2),
    ...chunkRow(lanes, at, peer, 3),
    ...unknown(peer, 3),
    ...frameRow(lanes, at, 4, selected, select),
    ...messageRow(lanes, at, 5),
  ];
  const widths = [NAMES, ...at.widths, SPARE].map((width) => `${width}px`).join(" ");
  return element("div.tracks", { style: `grid-template-columns: ${widths}` }, body);
}

function drawing(lanes, room, selected, select) {
  const label = "Chunks, frames and messages over the same bytes; their text follows";
  const scroller = region("div.tracksbox.scrolls", label, figure(lanes, room, selected, select));
  const { sender, start, stop, connection, chunks } = lanes;
  const left = lanes.chunks_left_out ? ` Of the chunks the first ${NUMBER.format(chunks.length)} are drawn.` : "";
  const where = `${sender}'s stream${start || connection ? ` on connection ${connection}` : ""}, ${span(start, stop)}`;
  const how = "Not to scale: a width grows with the logarithm of its bytes. Hatched: header.";
  const parts = [
    element("p.lesson", lesson(lanes), section(" RFC 6455 5.4, RFC 9293 3.7")),
    scroller,
    element("p.note", `Of the ${where}. ${how}${left}`),
    element("ul.unseen", ...spoken(lanes).map((text) => element("li", text))),
  ];
  return { scroller, parts };
}

/**
 * The lanes behind a button. `view` gives `number` (of the selected record, or null), `sign` (changes when there may
 * be more to draw), `isOpen`, `open(yes)`, `select(number)` and `ask(question)`; `hear(message)` takes the kernel's
 * answers.
 */
export function lanes(view) {
  const id = freshId();
  const body = element("div.lanebody", { id, hidden: true });
  const look = { "aria-expanded": "false", "aria-controls": id, onclick: () => view.open(!view.isOpen) };
  const button = element("button.disclosure", look, "TCP chunks, frames, messages");
  let asked = null;
  let told = null;
  let drawn = null;
  let width = 0;

  const words = (text) => body.replaceChildren(element("p.hint", text));
  const redraw = () => {
    const mine = told?.number === view.number ? told : null;
    const key = mine ?? (view.number === null ? "none" : "waiting");
    if (key === drawn) return;
    const before = drawn?.lanes ? drawn : null;
    if (view.number === null) words("Select a record to see the chunks, frames and messages around it.");
    else if (mine?.problem) words(harmless(mine.problem));
    else if (mine && mine.lanes.stop <= mine.lanes.start) words("No bytes crossed here.");
    else if (mine) show(mine.lanes);
    else if (!before)
      words("The kernel is asked for the bytes around this record. It may have to end a running cell first.");
    else return; // what is drawn stays until the next has come
    drawn = key;
  };
  const show = (lanes) => {
    const old = body.querySelector(".wslab-tracksbox");
    const focused = body.contains(document.activeElement) ? (document.activeElement.dataset.key ?? "box") : null;
    width = body.clientWidth;
    const { scroller, parts } = drawing(lanes, width - PADDING, view.number, view.select);
    const left = old?.scrollLeft ?? 0;
    body.replaceChildren(...parts);
    scroller.scrollLeft = left;
    const chosen = scroller.querySelector(`[data-key="${view.number}"]`);
    if (focused) (focused === "box" ? scroller : (chosen ?? scroller)).focus({ preventScroll: true });
    if (chosen) {
      const [outer, inner] = [scroller.getBoundingClientRect(), chosen.getBoundingClientRect()];
      if (inner.left < outer.left + NAMES || inner.right > outer.right)
        scroller.scrollLeft += inner.left - outer.left - NAMES - LEAST;
    }
  };

  const sized = new ResizeObserver(() => {
    if (!drawn?.lanes || !body.clientWidth || Math.abs(body.clientWidth - width) < LEAST) return;
    drawn = null;
    redraw();
  });
  sized.observe(body);

  const draw = () => {
    say(button, "expanded", view.isOpen);
    body.hidden = !view.isOpen;
    if (!view.isOpen) return;
    const wanted = `${view.number} ${view.sign}`;
    if (view.number !== null && wanted !== asked) {
      asked = wanted;
      view.ask({ ask: "lanes", number: view.number });
    }
    redraw();
  };
  const hear = (message) => {
    if (message.tell !== "lanes") return;
    if (JSON.stringify(message) !== JSON.stringify(told)) told = message;
  };
  const root = element("section.ruled", { "aria-label": "TCP chunks, frames, messages" }, button, body);
  return { element: root, draw, hear, remove: () => sized.disconnect() };
}
