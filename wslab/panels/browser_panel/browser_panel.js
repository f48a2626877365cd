/**
 * The browser panel: a page's JavaScript, run in this very page, beside what the page was told and what crossed the
 * wire.
 *
 * What runs belongs to the page and not to a view: there is one run for all views of a panel, and it ends with the
 * last of them. The kernel says when to run, since it has to open the way first; what happens then is noted here,
 * shown at once, and told to the kernel in batches. The kernel says which record belongs to which event.
 */

import { button, choice, steer, typing } from "../kit/controls.js";
import { element, freshId, headed, mark, tell, together, whenChanged } from "../kit/dom.js";
import { ladder, newRecords } from "../kit/ladder.js";
import { pace } from "../kit/pace.js";
import { destination, isLoopback, jupyterServer, scriptsOf } from "../kit/page_source.js";
import { panel } from "../kit/panel.js";
import { Recording } from "../kit/recording.js";
import { Sieve } from "../kit/sieve.js";
import { connectionAt, harmless, linesOf, NUMBER, plural } from "../kit/words.js";
import { run } from "./page_run.js";

const MOST_KEPT = 500; // events
const TELL_SOON = 20; // ms after an event until the kernel is told, when it was not told of late
const TELL_EVERY = 250; // ms between two batches for the kernel
const DRAW_EVERY = 60; // ms between two draws, when events or messages come faster
const DRAW_SHARE = 5; // and so many times what a draw takes: a flood leaves the page its time
const DRAW_AGAIN = 400; // ms after which there is a draw whatever it takes
const MOST_AT_ONCE = 60; // events that one draw makes rows for; the others get theirs when it is calm
const CALM = 100; // ms
const SAY_EVERY = 3000; // ms between announcements of the counts to a screen reader
const PAUSE = 250; // ms without a key until what was typed is told
const MOST_TYPED = 300_000; // characters
const MOST_LINES = 26; // that the editor shows before it scrolls

// The run -------------------------------------------------------------------------------------------------------------

/** What runs in this page for one panel, and what came of it. */
class Running {
  constructor({ ask, redraw }) {
    this.ask = ask;
    this.redraw = redraw;
    const { origin, hostname } = location;
    const jupyter = jupyterServer().root !== null;
    this.page = { page: String(Math.random()), origin, loopback: isLoopback(hostname), jupyter };
    this.views = 0;
    this.number = 0;
    this.isAsked = false; // the kernel was asked to run
    this.current = null;
    this.entries = [];
    this.next = 0;
    this.records = new Map(); // number of an event: of its record
    this.connections = [];
    this.notes = [];
    this.addresses = [];
    this.pending = [];
    this.toldAt = -Infinity;
    this.telling = this.drawing = null;
  }

  get dropped() {
    return this.next - this.entries.length;
  }

  get isOver() {
    return !this.current || this.current.isOver;
  }

  greet() {
    this.ask({ ask: "hello", ...this.page });
  }

  begin(code) {
    this.isAsked = true;
    this.ask({ ask: "run", ...this.page, code });
  }

  stop() {
    this.current?.stop();
    this.redraw();
  }

  hear(message) {
    const mine = message.page === this.page.page;
    if (message.tell === "run" && mine) this.start(message);
    else if (message.tell === "refused" && mine) this.isAsked = false;
    else if (message.tell === "stop") this.stop();
    else if (message.tell === "addresses") this.addresses = message.addresses;
    else if (message.tell === "log" && mine && !this.current)
      Object.assign(this, { number: message.run, entries: message.entries, next: message.next });
    else if (message.tell === "matches" && message.run === this.number) {
      for (const [event, record] of message.records) this.records.set(event, record);
      this.connections = message.connections;
    }
  }

  start({ run: number, code, ports }) {
    this.current?.stop();
    const { code: script, notes } = scriptsOf(code);
    const { root, token } = jupyterServer();
    const fresh = { isAsked: false, entries: [], next: 0, records: new Map(), connections: [], pending: [] };
    Object.assign(this, fresh, { number, notes });
    const address = (written) =>
      destination(written, { ports, root: root?.replace(/^http/, "ws") ?? null, token, page: location.href });
    this.ask({ ask: "events", run: number, entries: [] });
    this.current = run(script, { number, address, note: (entry) => this.number === number && this.note(entry) });
    this.redraw();
  }

  note(entry) {
    const kept = { ...entry, n: this.next++ };
    this.entries.push(kept);
    this.pending.push(kept);
    for (const list of [this.entries, this.pending]) if (list.length > MOST_KEPT) list.shift();
    this.telling ??= setTimeout(() => this.flush(), Math.max(TELL_SOON, this.toldAt + TELL_EVERY - performance.now()));
    this.drawing ??= setTimeout(() => {
      this.drawing = null;
      this.redraw();
    });
  }

  flush() {
    this.telling = null;
    this.toldAt = performance.now();
    if (this.pending.length) this.ask({ ask: "events", run: this.number, entries: this.pending });
    this.pending = [];
  }

  join() {
    if (this.views++ === 0) this.greet();
  }

  leave() {
    if (--this.views > 0) return;
    this.current?.stop();
    this.ask({ ask: "left", ...this.page });
  }
}

// The code ------------------------------------------------------------------------------------------------------------

function editor(view) {
  const { model, running } = view;
  const numbers = element("pre.numbers", { "aria-hidden": "true" });
  const id = freshId();
  const input = element("textarea.input", { id, wrap: "off", autocapitalize: "off", "aria-describedby": `${id}-hint` });

  const echoes = typing(input, PAUSE, () => {
    const code = input.value.slice(0, MOST_TYPED);
    if (code === model.get("code")) return;
    echoes.sent(code);
    view.set("code", code);
  });
  const failures = () => running.entries.filter((entry) => entry.level === "uncaught").map((entry) => entry.line);
  const count = () => input.value.split("\n").length;
  const number = whenChanged(
    () => String([count(), ...failures()]),
    () => {
      const [length, failed] = [count(), new Set(failures())];
      const line = (_, at) =>
        failed.has(at + 1) ? element("span.failed", `! ${at + 1}\n`) : element("span", `${at + 1}\n`);
      numbers.replaceChildren(...Array.from({ length }, line));
      input.rows = Math.min(Math.max(length + 1, 9), MOST_LINES);
    },
  );
  input.addEventListener("input", number);
  input.addEventListener("scroll", () => (numbers.scrollTop = input.scrollTop));
  input.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    view.run();
  });
  const draw = () => {
    const code = model.get("code");
    echoes.back(code, code);
    number();
  };
  const hint = "Ctrl+Enter runs it. A whole HTML page may be pasted: its inline scripts run.";
  const root = element(
    "section.editor",
    { "aria-label": "The page's code" },
    element("label.heading", { for: id }, "The page’s JavaScript"),
    element("div.code", numbers, input),
    element("p.note", { id: `${id}-hint` }, hint),
  );
  const code = () => input.value.slice(0, MOST_TYPED);
  return { element: root, draw, code, flush: echoes.now, remove: echoes.stop };
}

function controls(view) {
  const { model, running } = view;
  const go = element("button.button.primary", { onclick: () => view.run() }, "Run");
  const halt = button("Stop", () => running.stop());
  const restore = button("Restore", () => view.ask({ ask: "restore" }));
  const state = element("span.counts.quiet.tabular");
  const routes = [
    ["auto", ""],
    ["loopback", "directly, on loopback"],
    ["jupyter", "through Jupyter’s server"],
  ];
  const way = choice("The way to the lab", routes, (route) => view.set("route", route));
  const leads = element("p.leads.quiet");

  const words = () => {
    if (running.isAsked) return "the kernel opens the way";
    if (!running.number) return "not run yet";
    return running.isOver ? "over: no socket and no timer is left" : "running";
  };
  const drawLeads = whenChanged(
    () => running.addresses,
    (addresses) => {
      const by = new Map();
      for (const { port, name } of [...addresses].sort((one, other) => one.port - other.port))
        by.set(name, [...(by.get(name) ?? []), `ws://localhost:${port}`]);
      const parts = [...by].map(([name, urls]) => [element("code", urls.join(", ")), ` → ${harmless(name)}`]);
      if (!parts.length) parts.push(["There is no server yet to lead to: run await lab.serve() in a cell."]);
      leads.replaceChildren(...parts.flatMap((part, at) => (at ? ["; ", ...part] : part)));
    },
  );
  const draw = () => {
    tell(way.labels[0], `automatic (${running.page.loopback ? "directly" : "through Jupyter’s server"})`);
    way.draw(model.get("route"));
    way.inputs[2].disabled = !running.page.jupyter;
    halt.disabled = running.isOver;
    tell(state, words());
    drawLeads();
  };
  const bar = element("div.toolbar", { role: "group", "aria-label": "Run" }, go, halt, restore, state);
  return { element: element("div", bar, element("div.way.toolbar", way.element, leads)), draw };
}

// What the page was told ----------------------------------------------------------------------------------------------

const CALL = /\(\)$/;
const SENDERS = { message: "server", "send()": "client" };

/** A row of the list; what it says never changes, but its record may become known. */
function eventRow(entry, id) {
  const { what, level, socket } = entry;
  const isConsole = what === "console";
  const sender = SENDERS[what];
  const name = isConsole ? (level === "uncaught" ? level : `console.${level}`) : what;
  const number = element("span.eventrecord");
  const said = isConsole
    ? element("span.printed", linesOf(entry.text), entry.line ? element("span.place", ` line ${entry.line}`) : null)
    : element("span.said", harmless(entry.words), entry.state ? element("span.ready", entry.state) : null);
  const kind = isConsole ? `console.level-${level}` : CALL.test(what) ? "call" : "told";
  const node = element(
    `li.event.${kind}${entry.thrown ? ".thrown" : ""}`,
    { role: "option", id: `${id}-${entry.n}`, "data-event": entry.n, "aria-selected": "false" },
    element("span.when", entry.t.toFixed(3)),
    element("span.which", socket === undefined ? "" : String(socket)),
    element("span.what", sender ? mark(sender) : element("span.nomark", { "aria-hidden": "true" }), name),
    said,
    number,
  );
  return { node, number, entry };
}

function told(view) {
  const { running } = view;
  const id = freshId();
  const label = "What the page was told and did; the arrow keys choose an event";
  const list = element("ul.events.scrolls", { role: "listbox", tabindex: "0", "aria-label": label });
  const nothing =
    "Nothing yet. Run the code: what it prints and what its sockets are told will stand here, in order of time.";
  const empty = element("p.hint", nothing);
  const counts = element("span.about.aside.tabular");
  const said = element("span.unseen", { role: "status", "aria-live": "polite" });
  const notes = element("div.notes");
  const rows = new Map();
  let chosen = null; // an event that somebody chose
  let before = null; // the record that was selected then
  let number = 0;
  let speaking = null;
  let catchingUp = null;
  let seen = 0; // events that were there at the last draw

  /** The events that get rows now: in a flood the last of them, and more and more of those before when it is calm. */
  const drawable = () => {
    const { entries, next } = running;
    const kept =
      next - seen > MOST_AT_ONCE ? 0 : [...rows.keys()].filter((n) => n >= (entries[0]?.n ?? 0)).length + next - seen;
    const most = Math.min(kept + MOST_AT_ONCE, MOST_KEPT);
    seen = next;
    clearTimeout(catchingUp);
    if (most < entries.length) catchingUp = setTimeout(view.redraw, CALM);
    return entries.slice(-most);
  };

  /** Which event is chosen: what somebody chose, unless another record was selected since; or that record's. */
  const current = () => {
    if (view.selected !== before) {
      before = view.selected;
      if (chosen === null || (running.records.get(chosen) ?? null) !== before) chosen = null;
    }
    if (chosen !== null || before === null) return chosen;
    for (const [event, record] of running.records) if (record === before && rows.has(event)) return event;
    return null;
  };
  const choose = (event) => {
    chosen = event;
    const record = running.records.get(event);
    if (record !== undefined && record !== view.selected) {
      before = record;
      view.select(record);
    }
    view.redraw();
    rows.get(event)?.node.scrollIntoView({ block: "nearest" });
  };
  const step = (by) => {
    const all = running.entries.map(({ n }) => n);
    if (!all.length) return;
    const at = all.indexOf(current());
    choose(all[at < 0 ? (by > 0 ? 0 : all.length - 1) : Math.min(Math.max(at + by, 0), all.length - 1)]);
  };
  steer(list, { ArrowDown: 1, ArrowUp: -1, PageDown: 8, PageUp: -8, Home: -Infinity, End: Infinity }, step);
  list.addEventListener("click", (event) => {
    const row = event.target.closest("[data-event]");
    if (row && !String(getSelection())) choose(Number(row.dataset.event));
  });

  const drawNotes = whenChanged(
    () => running.notes,
    (said) => notes.replaceChildren(...said.map((note) => element("p", harmless(note)))),
  );
  const draw = () => {
    const { entries } = running;
    if (running.number !== number) {
      number = running.number;
      chosen = null;
      before = view.selected;
      seen = 0;
      rows.clear();
      list.replaceChildren();
    }
    const atEnd = list.scrollTop + list.clientHeight >= list.scrollHeight - 4;
    const wanted = drawable();
    const first = wanted[0]?.n ?? 0;
    const known = rows.keys().next().value ?? first;
    const fresh = wanted.filter(({ n }) => !rows.has(n)).map((entry) => [entry.n, eventRow(entry, id)]);
    const [older, newer] = [fresh.filter(([n]) => n < known), fresh.filter(([n]) => n >= known)];
    for (const [n, { node }] of [...rows]) {
      if (n >= first) break;
      node.remove();
      rows.delete(n);
    }
    const all = [...older, ...rows, ...newer];
    rows.clear();
    for (const [n, row] of all) rows.set(n, row);
    list.prepend(...older.map(([, { node }]) => node));
    list.append(...newer.map(([, { node }]) => node));
    const now = current();
    for (const [n, { node, number: place }] of rows) {
      const record = running.records.get(n);
      const text = record === undefined ? "" : `No. ${record}`;
      if (place.textContent !== text) place.textContent = text;
      if (node.ariaSelected !== String(n === now)) node.ariaSelected = String(n === now);
    }
    if (now !== null) list.setAttribute("aria-activedescendant", `${id}-${now}`);
    else list.removeAttribute("aria-activedescendant");
    const isMany = entries.some(({ socket }) => socket > 0);
    list.classList.toggle("wslab-manysockets", isMany);
    list.hidden = !entries.length;
    if (atEnd && fresh.length) list.scrollTop = list.scrollHeight; // which has a height by now, and its last columns
    empty.hidden = entries.length > 0;
    const { dropped } = running;
    const kept = ` · the last ${NUMBER.format(entries.length)} kept · ${NUMBER.format(dropped)} dropped`;
    tell(counts, entries.length ? plural(running.next, "event") + (dropped ? kept : "") : "");
    drawNotes();
    speaking ??= setTimeout(() => {
      speaking = null;
      if (said.textContent !== counts.textContent) said.textContent = counts.textContent;
    }, SAY_EVERY);
  };
  const root = element(
    "section.ruledbelow",
    { "aria-label": "What the page was told" },
    headed("What the page was told, and what it did", counts, said),
    notes,
    empty,
    list,
  );
  const remove = () => {
    clearTimeout(speaking);
    clearTimeout(catchingUp);
  };
  return { element: root, draw, remove };
}

// What crossed the wire -----------------------------------------------------------------------------------------------

function wire(view) {
  const { running, rows } = view;
  const table = ladder(view);
  const hint = element("p.hint");
  const other = element("p.note");
  const draw = () => {
    const known = new Set(running.connections);
    rows.use(JSON.stringify(running.connections), (records, at) => known.has(connectionAt(records, at)));
    rows.work();
    const isRecorded = (port) => running.addresses.some((each) => each.recorded && each.to === port);
    const opened = running.entries.filter(({ what, thrown }) => what === "new WebSocket()" && !thrown);
    const elsewhere = new Set(opened.filter(({ port }) => !isRecorded(port)).map(({ socket }) => socket));
    table.element.hidden = rows.count === 0;
    if (rows.count) table.draw();
    tell(hint, rows.count ? "" : "Nothing yet of a connection that this page opened to the lab.");
    const advice =
      " led elsewhere than to the lab, which records nothing of that. To see those bytes too, put a relay between: " +
      'await lab.relay(to="ws://...").';
    tell(other, elsewhere.size ? plural(elsewhere.size, "socket") + advice : "");
  };
  const root = element(
    "section",
    { "aria-label": "What crossed the wire" },
    headed("What crossed the wire", element("span.about.aside.tabular", "of the connections that this page opened")),
    hint,
    table.element,
    other,
  );
  return { element: root, draw, reveal: table.reveal, remove: table.remove };
}

// The panel -----------------------------------------------------------------------------------------------------------

function begin({ shared, ask, hear, redraw }) {
  shared.recording = new Recording(ask);
  shared.rows = new Sieve(shared.recording, redraw);
  shared.running = new Running({ ask, redraw });
  hear((message, buffers) => {
    shared.recording.hear(message, buffers);
    shared.running.hear(message);
  });
  ask({ ask: "records", from: 0 });
}

function build(context) {
  const { model, shared, redraw } = context;
  const { recording, rows, running } = shared;
  const following = { on: true, set: (on) => (following.on = on) };
  const view = {
    model,
    recording,
    rows,
    running,
    following,
    redraw,
    found: { test: null },
    pill: newRecords(),
    note: () => "",
    paused: false,
    ask: context.ask,
    set: context.set,
    step: () => {},
    scrolled: () => {},
    select: (number) => context.set("selected", number),
    run: () => {
      code.flush();
      running.begin(code.code());
      redraw();
    },
    /** Rows that the ladder makes room for. */
    get room() {
      return rows.count;
    },
    get live() {
      return context.life === "live";
    },
    get selected() {
      return model.get("selected");
    },
    get moment() {
      return recording.next - 1;
    },
  };
  const code = editor(view);
  const parts = [controls(view), code, told(view), wire(view)];
  const [bar, , events, ladderPart] = parts;
  let shown = null;
  const pacing = pace(redraw);
  running.join();
  const draw = () => {
    if (view.selected === shown && pacing.early()) return;
    const began = performance.now();
    pacing.begin();
    if (view.selected !== shown) following.on = false;
    for (const part of parts) part.draw();
    if (view.selected !== shown && view.selected !== null) ladderPart.reveal(view.selected);
    shown = view.selected;
    pacing.end(Math.min(Math.max(DRAW_EVERY, DRAW_SHARE * (performance.now() - began)), DRAW_AGAIN));
  };
  const seen = element("div.seen", events.element, ladderPart.element);
  const root = element("div", bar.element, element("div.halves", code.element, seen));
  return together(root, [{ remove: pacing.stop }, { remove: () => running.leave() }, ...parts], draw);
}

export default panel("browser", "Browser panel", build, begin);
