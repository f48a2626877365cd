/**
 * The lab panel: a recording as a ladder of records, and every byte of the selected one explained.
 *
 * The kernel pushes records in binary batches, and they are read where they lie; a record's explanation is pulled when
 * somebody looks at it: of a hundred thousand nobody looks at more than a few. One `Recording` holds what has come,
 * with the records that pass the filter, and is shared by every view of a panel. What views share beyond that are
 * traits. The parts of a view are functions that take the `view` and give `{ element, draw }`; none knows another.
 */

import { button, saving } from "../kit/controls.js";
import { element, freshId, mark, quote, say, together, whenChanged } from "../kit/dom.js";
import { inspection } from "../kit/inspector.js";
import { caption, ladder, newRecords } from "../kit/ladder.js";
import { pace } from "../kit/pace.js";
import { panel } from "../kit/panel.js";
import { Recording } from "../kit/recording.js";
import { ALL, recordTest, Sieve } from "../kit/sieve.js";
import { harmless, NUMBER, plural } from "../kit/words.js";
import { filterBar } from "./filter_bar.js";
import { lanes } from "./lanes.js";
import { stateDiagrams, step, timeControls } from "./time.js";

const SAY_EVERY = 3000; // ms between announcements of the counts to a screen reader
const DRAW_EVERY = 15; // ms between two draws, when messages come faster

function summary(view) {
  const { recording, rows, following } = view;
  const counts = element("span.counts.quiet.tabular");
  const said = element("span.unseen", { role: "status", "aria-live": "polite" });
  const follow = button("Follow latest", () => following.set(!following.on));
  const clear = button("Clear selection", () => view.select(null));
  let speaking = null;

  const text = () => {
    const { total, first, bytes_dropped, waiting } = recording.status;
    const dropped =
      first || bytes_dropped ? `${plural(first, "record")} and ${plural(bytes_dropped, "byte")} dropped` : "0 dropped";
    const shown = rows.test ? `${NUMBER.format(rows.count)}${rows.done ? "" : "…"} of ` : "";
    const held = waiting ? `${plural(waiting, "record")} ${waiting > 1 ? "wait" : "waits"} for your prediction · ` : "";
    return `${held}${shown}${plural(total, "record")} · ${NUMBER.format(total - first)} kept · ${dropped}`;
  };

  const draw = () => {
    counts.textContent = text();
    say(follow, "pressed", following.on);
    follow.hidden = view.model.get("closed");
    if (view.selected === null && document.activeElement === clear) follow.focus();
    clear.hidden = view.selected === null;
    speaking ??= setTimeout(() => {
      speaking = null;
      const words = text();
      if (said.textContent !== words) said.textContent = words;
    }, SAY_EVERY);
  };

  const { toggle, ...tools } = toolsOf(view);
  const buttons = element("span.buttons.wrap", view.pill, clear, follow, toggle);
  const bar = element("div.toolbar", { role: "group", "aria-label": "Recording" }, counts, said, buttons);
  const root = element("div", bar, tools.element);
  return together(root, [tools, { draw, remove: () => clearTimeout(speaking) }]);
}

/** What filters, finds and steps, behind one button. It unfolds by itself as soon as one of them does something. */
function toolsOf(view) {
  const parts = [filterBar(view), timeControls(view)];
  const id = freshId();
  const saved = saving(view, ["picture", "Save the picture"], ["recording", "Save the recording"]);
  const where = element("span.quiet", "as SVG; as pcapng, which Wireshark reads");
  const bar = element("div.toolbar.filter", { role: "group", "aria-label": "Save" }, where, saved);
  const body = element("div", { id }, ...parts.map((part) => part.element), bar);
  let isOpen = false;
  let wasBusy = false;
  const turn = () => {
    isOpen = !isOpen;
    draw();
  };
  const toggle = button("Filter, find, step, save", turn, { "aria-controls": id });
  toggle.classList.add("wslab-unfolds");
  const draw = () => {
    const isBusy = Boolean(view.rows.test || view.found.test || view.paused);
    if (isBusy && !wasBusy) isOpen = true;
    wasBusy = isBusy;
    say(toggle, "expanded", isOpen);
    body.hidden = !isOpen;
    for (const part of parts) part.draw();
  };
  return { ...together(body, parts, draw), toggle };
}

/** What there is to say of the file that the recording was read from. */
function notes({ model }) {
  const words = element("summary");
  const list = element("ul");
  const root = element("details.file.scrolls", { open: true, hidden: true }, words, list);
  const draw = () => {
    const all = model.get("file_notes") ?? [];
    if (all.length === list.childElementCount) return; // a file does not change
    root.hidden = !all.length;
    words.textContent = `${plural(all.length, "note")} on the file that this was read from`;
    list.replaceChildren(...all.map((note) => element("li", harmless(note))));
  };
  return { element: root, draw };
}

const MILLI = new Intl.NumberFormat("en-US", { minimumFractionDigits: 3, maximumFractionDigits: 3 });

function inspector(view) {
  const { recording } = view;
  const heading = element("div");
  const bytes = inspection({ onpick: (byte) => view.change({ picked: byte }), foldedFields: "Every field" });
  const root = element("section.inspector", { "aria-label": "The selected record" }, heading, bytes.element);

  const title = (record) => {
    const length = record.headerLength + record.payloadLength;
    const [word, rest] = caption(record);
    const from = length ? `${plural(length, "byte")} from` : "at";
    const where = `${from} byte ${NUMBER.format(record.offset)} of the ${record.sender}'s stream`;
    const when = `, at ${record.time.toFixed(4)} s`;
    const unread = ["error", "bend"].includes(record.kind) ? "" : ", reception not seen";
    const read = record.delay === null ? unread : `, received ${MILLI.format(record.delay * 1e3)} ms later`;
    const which = recording.connections > 1 ? `, connection ${record.connection}` : "";
    return element(
      "header.title",
      element("span.place", `No. ${record.number}`),
      mark(record.sender),
      element("bdi.caption", { dir: "ltr" }, element("b", word), rest),
      element("span.place", where + when + read + which),
      view.note(record.number) && element("p.arrowlabel", quote(view.note(record.number))),
    );
  };
  const hint = (text) => element("p.hint", text);

  const words = (record, detail) => {
    if (view.selected === null) return [hint("Select a record to see its bytes: click it, or use the arrow keys.")];
    if (!record) return [hint(`Record ${view.selected} is no longer kept.`)];
    const waiting = "The kernel is asked for this record's bytes. It may have to end a running cell first.";
    if (!detail) return [title(record), hint(waiting)];
    return detail.problem ? [title(record), element("p.problem", harmless(detail.problem))] : [title(record)];
  };

  const now = () => {
    const record = recording.record(view.selected);
    return { record, detail: record && recording.detail(view.selected), picked: view.model.get("picked") };
  };
  const state = ({ record, detail, picked }) =>
    [
      view.selected,
      picked,
      record?.delay,
      Boolean(detail),
      recording.connections > 1,
      record && view.note(record.number),
    ].join(" ");
  // What is being read is not drawn anew.
  const draw = whenChanged(
    () => state(now()),
    () => {
      const { record, detail, picked } = now();
      heading.replaceChildren(...words(record, detail));
      bytes.show(detail?.explanation ?? null, picked);
    },
  );
  return { element: root, draw, remove: bytes.remove };
}

const NEAR = 50; // records after the selected one that may still change what lies around it

function lanesPart(view) {
  const { recording, model } = view;
  const part = lanes({
    get number() {
      return view.selected;
    },
    get sign() {
      return `${Math.min(recording.next - view.selected, NEAR)} ${recording.record(view.selected)?.delay}`;
    },
    get isOpen() {
      return model.get("lanes_open");
    },
    open: (yes) => view.change({ lanes_open: yes }),
    select: view.select,
    ask: view.ask,
  });
  view.hear(part.hear);
  return part;
}

/** Once for each model: the recording hears the kernel before the first view is drawn. */
function begin({ shared, ask, hear, redraw }) {
  shared.recording = new Recording(ask);
  shared.rows = new Sieve(shared.recording, redraw);
  shared.found = new Sieve(shared.recording, redraw);
  hear((message, buffers) => shared.recording.hear(message, buffers));
  ask({ ask: "records", from: 0 });
}

/** Have the shared sieves go by the traits. */
function sift({ rows, found }, model) {
  const wanted = Object.fromEntries(Object.keys(ALL).map((trait) => [trait, model.get(trait)]));
  const sought = model.get("find");
  const [passes, contains] = [recordTest(wanted), recordTest({ text: sought })];
  rows.use(JSON.stringify(wanted), passes);
  found.use(
    JSON.stringify([sought && wanted, sought]),
    contains && ((view, at) => (!passes || passes(view, at)) && contains(view, at)),
  );
  rows.work();
  found.work();
}

function build(context) {
  const { model, redraw } = context;
  const { recording, rows, found } = context.shared;

  const change = (values) => {
    if ("selected" in values && values.selected !== model.get("selected")) model.set("picked", null);
    context.change(values);
  };
  const following = {
    on: false,
    set(on) {
      if (on && view.paused) change({ paused: false, position: null });
      if (on === this.on) return;
      this.on = on;
      redraw();
    },
  };
  const view = {
    model,
    recording,
    rows,
    found,
    following,
    change,
    pill: newRecords(),
    note: (number) => model.get("notes")[number] ?? "",
    ask: context.ask,
    hear: context.hear,
    scrolled: () => top.draw(),
    step: (where) => step(view, where),
    select: (number) => change({ selected: number }),
    get live() {
      return context.life === "live";
    },
    get selected() {
      return model.get("selected");
    },
    get paused() {
      return model.get("paused");
    },
    /** Number of the last record that has happened. */
    get moment() {
      return (view.paused ? model.get("position") : null) ?? recording.next - 1;
    },
  };
  const parts = [summary, notes, stateDiagrams, ladder, lanesPart, inspector].map((part) => part(view));
  const [top, , , table] = parts;

  // A panel that was shown before anything happened goes along; one that was shown after a conversation stays on it.
  let decided = false;
  const before = { selected: null, paused: false, position: null, following: false };
  const pacing = pace(redraw);

  const moveOn = () => {
    const { selected, paused } = view;
    const position = model.get("position");
    const chosen = selected !== before.selected;
    const moved = paused && position !== before.position;
    if (chosen) recording.askAgain();
    if (paused && !before.paused) {
      before.following = following.on;
      following.on = false;
    } else if (!paused && before.paused) following.on ||= before.following;
    Object.assign(before, { selected, paused, position });
    return chosen ? selected : moved ? position : null;
  };

  const draw = () => {
    if (before.paused === view.paused && before.selected === view.selected && pacing.early()) return;
    pacing.begin();
    if (!decided && view.live) {
      decided = true;
      following.on = recording.status.total === 0;
    }
    const reveal = moveOn();
    sift(context.shared, model);
    if (reveal !== null && reveal < recording.next - 1) following.on = false;
    for (const part of parts) part.draw();
    if (reveal !== null) table.reveal(reveal);
    pacing.end(DRAW_EVERY);
  };
  return together(element("div", ...parts.map((part) => part.element)), [{ remove: pacing.stop }, ...parts], draw);
}

export default panel("lab", "Lab panel", build, begin);
