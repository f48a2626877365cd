/**
 * Runs a page's JavaScript and notes what it is told and what it does: no more than a page's own code could know.
 *
 * The code gets a `WebSocket` of its own, a subclass of the browser's that changes nothing but where known ports lead,
 * and a `console`. An event is noted before the code's own handler is called, and a call after it was made, with what
 * it threw. What the code throws later, in a handler or in a promise, is known by the name that the code has as a
 * script.
 */

import { STATES } from "../kit/facts.js";
import { hexPairs, plural, visible } from "../kit/words.js";
import { formatted, tableText } from "./page_console.js";

const OPEN = 1;
const CLOSED = 3;
const LEVELS = { log: "log", info: "info", warn: "warn", error: "error", debug: "debug", dir: "log", trace: "log" };
const MOST_QUOTED = 200; // characters of a text message
const MOST_BYTES = 24; // bytes of a binary one
const FIRST_LINE = 2; // lines that a function's own head takes before the code's first
const UTF8 = new TextEncoder();
const Async = Object.getPrototypeOf(async () => {}).constructor;

const clean = (text) =>
  String(text).replace(/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g, "\ufffd");
const quoted = (text) =>
  text.length > MOST_QUOTED ? `"${visible(text.slice(0, MOST_QUOTED))}…"` : `"${visible(text)}"`;
const isError = (error) => error instanceof Error || error instanceof DOMException;
const thrownWords = (error) => clean(isError(error) ? `${error.name}: ${error.message}` : formatted([error]));

/** What a message carries, as a page sees it: `{ data_type, length, data, words }`; the length is in bytes. */
export function dataFacts(data) {
  if (typeof data === "object" && data !== null) {
    if (data instanceof ArrayBuffer || ArrayBuffer.isView(data)) {
      const { buffer = data, byteOffset = 0, byteLength: length } = data;
      const view = new Uint8Array(buffer, byteOffset, length);
      const pairs = hexPairs(view.subarray(0, MOST_BYTES)) + (length > MOST_BYTES ? " …" : "");
      const type = data.constructor.name;
      const words = `${type}, ${plural(length, "byte")}${pairs ? `: ${pairs}` : ""}`;
      return { data_type: type, length, data: pairs, words };
    }
    if (data instanceof Blob)
      return { data_type: "Blob", length: data.size, data: null, words: `Blob, ${plural(data.size, "byte")}` };
  }
  const text = clean(data); // whatever it is, the browser sends it as text (WHATWG WebSockets: USVString)
  const { length } = UTF8.encode(text);
  const words = `${quoted(text)}, ${plural(length, "byte")}`;
  return { data_type: "string", length, data: text.slice(0, MOST_QUOTED), words };
}

/** The browser's `WebSocket`, watched. */
function watched(Real, { note, address, isStopped }) {
  let count = 0;
  const sockets = new Set();
  const facts = (socket) => ({
    socket: socket.wslab.number,
    state: STATES[socket.readyState],
    buffered: socket.bufferedAmount,
  });

  class WebSocket extends Real {
    constructor(...given) {
      const [written, protocols] = given;
      if (isStopped()) throw new DOMException("This run was stopped: it opens nothing any more.", "InvalidStateError");
      const mine = { number: count++, sent: 0, received: 0, url: String(written) };
      const { href, target, port, name } = given.length ? address(mine.url) : {};
      const offered = protocols === undefined ? [] : [protocols].flat().map(String);
      const offering = offered.length ? `, offering ${offered.map(quoted).join(", ")}` : "";
      const words = (led) => (given.length ? quoted(mine.url) + led + offering : "");
      const leads = { target: target ?? null, port: port ?? null, to: name ?? null };
      const asked = { url: clean(mine.url), protocols: offered.map(clean) };
      const told = { socket: mine.number, what: "new WebSocket()", ...asked, ...leads };
      try {
        super(...(given.length ? [href, ...given.slice(1)] : given));
      } catch (error) {
        const thrown = thrownWords(error);
        note({ ...told, state: null, thrown, words: `${words("")} throws ${thrown}`.trim() });
        throw error;
      }
      Object.defineProperty(this, "wslab", { value: mine });
      sockets.add(this);
      note({ ...told, ...facts(this), words: words(name && href !== written ? ` → ${name}` : "") });
      for (const type of ["open", "message", "error", "close"])
        super.addEventListener(type, (event) => this.#heard(event));
    }

    get url() {
      return new URL(this.wslab.url, globalThis.location?.href).href;
    }

    #heard(event) {
      note({ what: event.type, ...facts(this), ...HEARD[event.type](event, this) });
      if (event.type === "close") sockets.delete(this);
    }

    send(...given) {
      const open = this.readyState === OPEN;
      const { words, ...data } = given.length ? dataFacts(given[0]) : { words: "" };
      const after = () => {
        if (!open) return "goes nowhere: the socket is not open any more";
        this.wslab.sent += 1;
        return this.bufferedAmount ? `bufferedAmount ${this.bufferedAmount}` : "";
      };
      const told = { ...data, nth: open ? this.wslab.sent : null };
      this.#call("send()", () => super.send(...given), words, told, after);
    }

    close(...given) {
      const [code, reason] = given;
      const words = [code === undefined ? "" : String(code), reason === undefined ? "" : quoted(clean(reason))]
        .filter(Boolean)
        .join(", ");
      this.#call("close()", () => super.close(...given), words, {
        code: Number.isInteger(code) ? code : null,
        reason: reason === undefined ? null : clean(reason).slice(0, MOST_QUOTED),
      });
    }

    #call(what, act, words, told, after = () => "") {
      try {
        act();
      } catch (error) {
        const thrown = thrownWords(error);
        note({ what, ...facts(this), ...told, nth: null, thrown, words: `${words} throws ${thrown}`.trim() });
        throw error;
      }
      note({ what, ...facts(this), ...told, words: [words, after()].filter(Boolean).join(", ") });
    }
  }

  const HEARD = {
    open: (_, { protocol, extensions }) => {
      const agreed = protocol ? `subprotocol ${quoted(protocol)}` : "no subprotocol";
      const words = `${agreed}, ${extensions ? `extensions ${quoted(extensions)}` : "no extension"}`;
      return { protocol, extensions, words };
    },
    message: (event, socket) => ({ ...dataFacts(event.data), nth: socket.wslab.received++ }),
    error: () => ({ words: "says nothing more: a page is not told why" }),
    close: ({ code, reason, wasClean }) => ({
      code,
      reason: clean(reason),
      was_clean: wasClean,
      words: `code ${code}, reason ${quoted(reason)}, wasClean ${wasClean}`,
    }),
  };
  return { WebSocket, sockets };
}

/** Where a `fetch` of the code leads: a known port that can be reached directly, or where it says. */
function toHttp(from, address) {
  const { href } = address(from);
  return /^https?:/.test(href) ? href : from;
}

/** A console that notes what it is given and hands it on to the browser's own. */
function noting(real, note) {
  const said = (level, text) => note({ what: "console", level, text: clean(text), words: "" });
  const own = {};
  for (const [method, level] of Object.entries(LEVELS))
    own[method] = (...given) => {
      said(level, formatted(given));
      real[method]?.(...given);
    };
  own.table = (data) => {
    said("table", tableText(data));
    real.table?.(data);
  };
  own.assert = (holds, ...given) => {
    if (!holds) said("error", formatted(["Assertion failed:", ...given]));
    real.assert?.(holds, ...given);
  };
  return new Proxy(real, {
    get: (target, name) => own[name] ?? (typeof target[name] === "function" ? target[name].bind(target) : target[name]),
  });
}

/** Timers that can be ended together. */
function timers(scope) {
  const running = new Set();
  const setTimeout = (act, wait, ...given) => {
    const timer = scope.setTimeout(() => {
      running.delete(timer);
      if (typeof act === "function") act(...given);
    }, wait);
    running.add(timer);
    return timer;
  };
  const setInterval = (act, wait, ...given) => {
    const timer = scope.setInterval(act, wait, ...given);
    running.add(timer);
    return timer;
  };
  const clear = (timer) => {
    running.delete(timer);
    scope.clearTimeout(timer);
    scope.clearInterval(timer);
  };
  return { setTimeout, setInterval, clear, running };
}

/**
 * Run `code`. `note(entry)` is called for all that happens, with `t`, seconds since the first of it. `scope` is the
 * page's window.
 *
 * Returns `{ stop(), isOver }`: `stop` closes every socket that the code opened, ends its timers, and lets it open
 * nothing more.
 */
export function run(code, { number, note: noted, address, scope = globalThis }) {
  const name = `wslab-page-${number}.js`;
  let began = null;
  let stopped = false;
  let underway = true;
  const note = (entry) => {
    const now = scope.performance.now();
    began ??= now;
    noted({ ...entry, t: (now - began) / 1000 });
  };
  const { WebSocket, sockets } = watched(scope.WebSocket, { note, address, isStopped: () => stopped });
  const clock = timers(scope);
  const lineOf = (stack) => {
    const found = new RegExp(`${name}:(\\d+)`).exec(stack ?? "");
    return found ? Math.max(1, Number(found[1]) - FIRST_LINE) : null;
  };
  const complain = (error, line) =>
    note({ what: "console", level: "uncaught", line, text: thrownWords(error), words: "" });

  const onError = (event) => {
    if (!String(event.filename).includes(name) && lineOf(event.error?.stack) === null) return;
    complain(event.error ?? event.message, lineOf(event.error?.stack) ?? Math.max(1, event.lineno - FIRST_LINE));
  };
  const onRejection = (event) => {
    const line = lineOf(event.reason?.stack);
    if (line !== null) complain(event.reason, line);
  };
  scope.addEventListener?.("error", onError);
  scope.addEventListener?.("unhandledrejection", onRejection);
  const end = () => {
    scope.removeEventListener?.("error", onError);
    scope.removeEventListener?.("unhandledrejection", onRejection);
  };

  const { setTimeout, setInterval, clear } = clock;
  const timing = { setTimeout, setInterval, clearTimeout: clear, clearInterval: clear };
  const fetch = (from, options) => scope.fetch(toHttp(from, address), options);
  const given = { WebSocket, fetch, console: noting(scope.console, note), ...timing };
  try {
    const body = new Async(...Object.keys(given), `${code}\n//# sourceURL=${name}`);
    body
      .call(scope, ...Object.values(given))
      .catch((error) => complain(error, lineOf(error?.stack)))
      .finally(() => (underway = false));
  } catch (error) {
    underway = false;
    complain(error, null); // it is no JavaScript
  }

  return {
    stop() {
      if (stopped) return;
      stopped = true;
      for (const timer of [...clock.running]) clock.clear(timer);
      for (const socket of sockets) if (socket.readyState !== CLOSED) socket.close(1000, "stopped");
      scope.setTimeout(end, 5000); // what its last handlers throw is still told
    },
    /** Whether nothing of it is left that could do something. */
    get isOver() {
      return !underway && !sockets.size && !clock.running.size;
    },
  };
}
