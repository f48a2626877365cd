/**
 * What every panel has around it: the line that tells a problem, the notice that its lab is closed, and the saved text
 * that stands in its place where no kernel answers.
 *
 * A panel's module ends in `export default panel(name, title, build)`. `build(context)` is called for each view and
 * returns `{ element, draw(), remove?() }`; `draw` is called after every message and every change of a trait. In the
 * context:
 *
 * - `model`: the traits, which are what the views of one panel share; `set(trait, value)` sets one, `change(values)`
 *   several, and tells the kernel.
 * - `ask(question)`: send the kernel a question, `{ ask: "...", ... }`.
 * - `hear(listener)`: have `listener(message, buffers)` called for each answer, `{ tell: "...", ... }`, as long as the
 *   view is.
 * - `shared`: what all views of this model share; `begin(context)`, called once for each model, may fill it.
 *   Without one it holds the last message of each kind, `shared[message.tell]`.
 * - `life`: "waiting" for the kernel's first answer, then "live", or "silent" when none came in time or it has ended.
 * - `redraw()`: draw this view again.
 */

import { claim, element, quote, region, release, tell } from "./dom.js";
import { subshell } from "./subshell.js";
import { harmless, linesOf } from "./words.js";

const PATIENCE = 1500; // ms that a kernel has for its first answer
const CLOSED = "A recording now: this lab is closed. To go on, run the cell that makes the lab again.";
const ENDED = new Set(["restarting", "autorestarting", "terminating", "dead"]); // JupyterLab's words for its kernel

/** Greets the kernel, and keeps for all views the last message of each kind, `shared[message.tell]`. */
function greet({ shared, ask, hear }) {
  hear((message) => (shared[message.tell] = message));
  ask({ ask: "hello" });
}

export function panel(name, title, build, begin = greet) {
  return () => {
    let session;
    return {
      initialize({ model }) {
        session = new Session(model);
        begin(session);
        const impatience = setTimeout(() => session.life === "waiting" && session.lose(), PATIENCE);
        const forget = session.watch();
        return () => {
          clearTimeout(impatience);
          forget();
        };
      },
      render: ({ model, el }) => show(session, build, { name, title, model, el }),
    };
  };
}

/** One model's conversation with the kernel. */
class Session {
  constructor(model) {
    this.model = model;
    this.shared = {};
    this.life = "waiting";
    this.kernel = model.widget_manager?.kernel; // later that is another one, or none
    this.ended = false;
    this.listeners = new Set();
    this.views = new Set();
    this.due = null;
    this.hear = (listener) => this.listeners.add(listener);
    this.unsent = [];
    this.ask = (question) => (this.unsent ? this.unsent.push(question) : this.send(question));
    this.redraw = () => this.views.forEach((draw) => draw());
    this.set = (trait, value) => this.change({ [trait]: value });
    model.on("msg:custom", (message, buffers) => this.heard(message, buffers ?? []));
    const ready = subshell(model);
    if (ready) ready.then(() => this.speak());
    else this.speak();
  }

  send(question) {
    if (this.ended) this.lose();
    else this.model.send(question);
  }

  /** Set traits, and tell the kernel. */
  change(values) {
    const { model } = this;
    for (const [trait, value] of Object.entries(values)) if (model.get(trait) !== value) model.set(trait, value);
    if (this.ended) this.lose();
    else model.save_changes();
  }

  /**
   * Notice that the kernel has ended. JupyterLab tells of its state and lets go of it, others close the channel to it.
   * What is sent after that makes the page write an error, or the kernel that came in its place a warning.
   */
  watch() {
    const { kernel } = this;
    const end = () => {
      this.ended = true;
      this.lose();
    };
    const changed = (_, status) => ENDED.has(status) && end();
    kernel?.statusChanged?.connect(changed);
    kernel?.disposed?.connect(end);
    this.model.on("comm_live_update", () => this.lose());
    return () => {
      kernel?.statusChanged?.disconnect(changed);
      kernel?.disposed?.disconnect(end);
    };
  }

  /** From now on what is asked is sent, and what was asked before. */
  speak() {
    const { unsent } = this;
    this.unsent = null;
    unsent.forEach(this.ask);
  }

  heard(message, buffers) {
    this.life = "live";
    for (const listener of this.listeners) listener(message, buffers);
    this.redrawSoon();
  }

  /** Draw in a task of its own, so that neither reading a large message nor drawing it holds the page up for long. */
  redrawSoon() {
    this.due ??= setTimeout(() => {
      this.due = null;
      this.redraw();
    });
  }

  /** No kernel answers, in time or any more. It may do so yet. */
  lose() {
    this.life = "silent";
    this.redraw();
  }
}

function show(session, build, { name, title, model, el }) {
  const listeners = new Set();
  const context = {
    model,
    shared: session.shared,
    ask: session.ask,
    set: session.set,
    change: (values) => session.change(values),
    hear: (listener) => {
      listeners.add(listener);
      session.listeners.add(listener);
    },
    get life() {
      return session.life;
    },
    redraw: () => draw(),
  };
  const view = build(context);
  const problem = element("p.problem", { role: "alert", hidden: true });
  const closed = element("p.closed.pad.ruled.quiet", { role: "status", hidden: true });
  const saved = savedView(model, el);
  const live = element("div.live", view.element, closed);
  const label = claim(title);
  const root = element(`section.panel.${name}`, { role: "region", "aria-label": label }, problem, saved.element, live);

  const draw = () => {
    const silent = session.life === "silent";
    live.hidden = silent;
    saved.element.hidden = !silent;
    tell(closed, model.get("closed") ? CLOSED : "");
    tell(problem, model.get("problem") ? `The panel could not do that: ${harmless(model.get("problem"))}` : "");
    try {
      if (silent) saved.draw();
      view.draw();
    } catch (error) {
      tell(problem, `The panel could not be drawn: ${harmless(error)}`);
      throw error;
    }
  };
  root.classList.add("wslab");
  el.append(root);
  session.views.add(draw);
  model.on("change", draw);
  draw();
  return () => {
    session.views.delete(draw);
    model.off("change", draw);
    for (const listener of listeners) session.listeners.delete(listener);
    release(label);
    view.remove?.();
  };
}

/** The first words of the cell that shows `node`; empty where that is not seen. */
function cellOf(node) {
  const lines = node.closest(".jp-Cell")?.querySelectorAll(".jp-InputArea .cm-line") ?? [];
  return [...lines].map((line) => line.textContent.trim()).find(Boolean) ?? "";
}

/** What is shown while no kernel answers. */
function savedView(model, el) {
  const which = element("span");
  const notice = element(
    "p.notice",
    { role: "status" },
    element("b", "A saved view."),
    " It tells what the panel showed last. No kernel answers now. It was restarted or has ended, or this notebook has ",
    "not run yet. To make the panel live, run the cells from the first one to ",
    which,
    ": click each and press Shift+Enter.",
  );
  const text = region("pre.snapshot.scrolls", "The panel as text, as it was saved");
  const draw = () => {
    const begins = cellOf(el);
    which.replaceChildren(...(begins ? ["the one that begins with ", quote(begins, ".mono")] : ["the one above"]));
    text.textContent = linesOf(model.get("snapshot") ?? "");
  };
  return { element: element("div", { hidden: true }, notice, text), draw };
}
