/**
 * The composer: who sends, what, as which bytes; or what the library is to send; beside each what the peer answered.
 *
 * Nothing is set here: the kernel is asked for every change, and answers questions in order. So a click right after a
 * key press sends what was typed, and what is wrong with it is told in words.
 */

import { button, choice, fold, options, steer, textInput, typing } from "../kit/controls.js";
import { element, fill, freshId, mark, quote, say, section, tell, together, unseen, whenChanged } from "../kit/dom.js";
import { OPCODES } from "../kit/facts.js";
import { inspection } from "../kit/inspector.js";
import { panel } from "../kit/panel.js";
import { harmless, NUMBER, plural, spaced } from "../kit/words.js";

const PAUSE = 250; // ms without a key until what was typed is sent
const BYTES = "exact bytes"; // how something was sent
const MOST_TYPED = 300_000; // characters; the kernel says how many bytes may be sent

// Fields --------------------------------------------------------------------------------------------------------------

/** Ties an input to a trait: `shown(value)` is its text, `read(text)` its value, undefined where there is none yet. */
function typed({ model, ask }, name, input, { shown = String, read = (text) => text } = {}) {
  const echoes = typing(input, PAUSE, () => {
    const value = read(input.value.slice(0, MOST_TYPED));
    if (value === undefined || value === model.get(name)) return;
    echoes.sent(value);
    ask({ ask: "change", name, value });
  });
  const draw = () => {
    const value = model.get(name);
    echoes.back(value, shown(value));
  };
  return { draw, flush: echoes.flush, remove: echoes.stop };
}

const NUMBERS = { read: (text) => (/^\d{1,9}$/.test(text.trim()) ? Number(text) : undefined) };

/** A choice among a trait's values. */
function chosen({ model, ask }, name, legend, pairs) {
  const { element, draw } = choice(legend, pairs, (value) => ask({ ask: "change", name, value }));
  return { element, draw: (can) => draw(model.get(name), can) };
}

/**
 * What came of what was asked for here: why it was refused, or what the peer has sent since. Where the end can send no
 * more, it says so and offers another. The panel's first line, which is the alert, may be out of sight.
 */
function outcome({ model, shared, ask }, part) {
  const refusal = element("p.trouble", { hidden: true });
  const answer = element("div.answers", { role: "status" });
  const why = element("span");
  const again = button("Open a client", () => ask({ ask: "open client" }), {
    "aria-label": "Open a client and send by it",
  });
  const over = element("p.over.wrap", { hidden: true }, why, again);
  const record = ({ sender, words, meaning, where, number }) => {
    const meant = meaning && element("span", harmless(meaning), " ", section(where));
    return element(
      "p.answer.wrap",
      mark(sender),
      element("b", sender),
      " ",
      quote(words, ".mono"),
      " ",
      meant,
      " ",
      place(number),
    );
  };
  const place = (number) => element("span.place", `No. ${number}`);
  const isHere = () => ((shared.answer.sent.how ?? BYTES) === BYTES) === (part === "bytes"); // what was sent last
  const drawAnswer = whenChanged(
    () => JSON.stringify([shared.answer, isHere()]),
    () => {
      const { sent, records, more } = shared.answer;
      if (!isHere() || sent.number === null) return fill(answer);
      const none = records.length ? null : element("p.quiet", "No answer yet.");
      const rest = more ? element("p.quiet", `and ${plural(more, "more record")}`) : null;
      fill(
        answer,
        element("p.wrap.aside", "The answer to ", quote(sent.what), " ", place(sent.number)),
        records.map(record),
        none,
        rest,
      );
    },
  );
  const draw = (can) => {
    tell(refusal, shared.asked === part ? harmless(model.get("problem").replace(/^\w+: /, "")) : "");
    drawAnswer();
    const { why: words, serving } = shared.ends;
    tell(why, can && isHere() ? harmless(words) : "");
    over.hidden = why.hidden;
    again.hidden = !serving;
  };
  return { element: element("div.outcome", refusal, answer, over), draw };
}

// Who sends -----------------------------------------------------------------------------------------------------------

/** The ends, kept from drawing to drawing, so that the focus stays where it is. */
function ends({ ask, model, shared }) {
  const group = freshId();
  const items = new Map();
  let said; // the target that the kernel told last; until it answers, what a person chose stays chosen
  const list = element("div.ends.wrap.scrolls");
  const root = element("fieldset.group.who", element("legend", "Send by"), list);
  const more = element("p.note");
  const client = button("Open a client", () => ask({ ask: "open client" }));
  const raw = button("Open a raw end", () => ask({ ask: "open raw" }));

  const item = (end) => {
    const onchange = () => ask({ ask: "change", name: "target", value: end.key });
    const input = element("input", { type: "radio", name: group, onchange });
    const state = element("span.state");
    const name = element("b", end.kind === "raw" ? `raw ${end.sender}` : end.sender);
    const which = element("span.place", `of connection ${end.connection}`);
    return { node: element(`label.end.${end.sender}`, input, mark(end.sender), name, which, state), input, state };
  };
  const draw = (can) => {
    const { ends: known, more: hidden, serving } = shared.ends;
    const keys = new Set(known.map(({ key }) => key));
    for (const [key, { node }] of items) {
      if (keys.has(key)) continue;
      node.remove();
      items.delete(key);
    }
    let before = null;
    const target = model.get("target");
    for (const end of known) {
      const fresh = !items.has(end.key);
      if (fresh) items.set(end.key, item(end));
      const { node, input, state } = items.get(end.key);
      const place = before ? before.nextSibling : list.firstChild;
      if (place !== node) list.insertBefore(node, place);
      before = node;
      if (fresh || target !== said) input.checked = end.key === target;
      input.disabled = !can;
      node.classList.toggle("wslab-gone", !end.open);
      tell(state, end.open ? end.state : "gone");
    }
    said = target;
    const unlisted = `${plural(hidden, "older end")} not listed; in Python, composer.target = "client 0" chooses any.`;
    tell(more, hidden ? unlisted : "");
    client.disabled = raw.disabled = !can || !serving;
    list.hidden = !known.length;
  };
  const buttons = element("span.buttons", client, raw);
  return { element: element("div.pad.ruledbelow", element("div.whorow.wrap", root, buttons), more), draw };
}

// What is sent --------------------------------------------------------------------------------------------------------

function payload(context) {
  const { model, shared } = context;
  const input = element("textarea.input", { rows: "2" });
  const field = typed(context, "payload", input);
  const size = element("span");
  const way = chosen(context, "payload_as", "Payload as", [
    ["text", "text"],
    ["hex", "hex"],
    ["close", "the status code and reason"],
  ]);
  const body = element("p.quiet");
  const label = element("label.label.payload", size, input);
  const draw = (can) => {
    const { payload: length, field: wrong } = shared.preview;
    const close = model.get("payload_as") === "close";
    field.draw();
    way.draw(can);
    input.disabled = !can;
    input.hidden = close;
    say(input, "invalid", wrong === "payload");
    body.hidden = !close;
    tell(size, `Payload${length === null ? "" : `, ${plural(length, "byte")}`}`);
    if (close) tell(body, "Made of the status code and the reason, as a Close frame's body is.");
  };
  return together(element("div.form", element("div.payloadbox", label, body), way.element), [field], draw);
}

const RESERVED = [3, 4, 5, 6, 7, 11, 12, 13, 14, 15];
const opcodes = (label, numbers) =>
  element(
    "optgroup",
    { label },
    options(numbers.map((number) => [number, `${number} ${OPCODES[number] ?? "reserved"}`])),
  );

function frameSettings(context) {
  const { model, ask, shared } = context;
  const change = (name, value) => ask({ ask: "change", name, value });
  const kinds = [opcodes("Data", [0, 1, 2]), opcodes("Control", [8, 9, 10]), opcodes("Reserved", RESERVED)];
  const opcode = element("select.input", { onchange: () => change("opcode", Number(opcode.value)) }, kinds);
  const bit = (name) => [name, button(name.toUpperCase(), () => change(name, !model.get(name)))];
  const bits = ["fin", "rsv1", "rsv2", "rsv3"].map(bit);
  const fragments = element("input.input.count", { type: "number", min: "1", max: "64", step: "1" });
  const pieces = typed(context, "fragments", fragments, {
    read: (text) => (/^\d+$/.test(text.trim()) && Number(text) >= 1 ? Math.min(Number(text), 64) : undefined),
  });
  const maskBy = chosen(context, "mask", "Masked", [
    ["right", "as it must"],
    ["none", "not"],
    ["fresh", "with a fresh key"],
    ["key", "with this key"],
  ]);
  const keyInput = textInput({ size: "13", maxlength: "40", "aria-label": "Masking key, 4 bytes as hex" }, ".key");
  const key = typed(context, "masking_key", keyInput);
  const form = chosen(context, "length_form", "Length in", [
    [null, "the fewest bits"],
    [7, "7"],
    [16, "16"],
    [64, "64"],
  ]);
  const reset = button("What the library would do", () => ask({ ask: "reset" }));
  const draw = (can) => {
    opcode.value = String(model.get("opcode"));
    for (const [name, button] of bits) {
      say(button, "pressed", model.get(name));
      button.disabled = !can;
    }
    for (const part of [maskBy, form]) part.draw(can);
    for (const part of [pieces, key]) part.draw();
    keyInput.hidden = model.get("mask") !== "key";
    say(keyInput, "invalid", shared.preview.field === "masking key");
    for (const control of [opcode, fragments, keyInput, reset]) control.disabled = !can;
  };
  const ones = [element("span", "Bits that are 1"), element("span.wrap", ...bits.map(([, button]) => button))];
  const fields = element(
    "div.form",
    element("label.label", "Opcode", opcode),
    element("div.label", { role: "group", "aria-label": "The first bits" }, ones),
    element("label.label", "Fragments", fragments),
    reset,
    element("div.masking.wrap", maskBy.element, keyInput),
    form.element,
  );
  const root = element("div.way.pad", fold("Change the frame", [fields], { open: true }).element);
  return together(root, [pieces, key], draw);
}

/** What the library sends by itself, and the close frame's two values. */
function library(context, flush) {
  const { model, ask, shared } = context;
  const act = (name) => () => {
    flush();
    shared.asked = "library";
    ask({ ask: name });
  };
  const message = button("Send as a message", act("send"));
  const others = [button("Ping", act("ping")), button("Pong", act("pong"))];
  const close = button("Close", act("close"));
  const heading = element("h3.heading");
  const about = element("p.about.aside");
  const codeInput = textInput({ inputmode: "numeric", size: "5", maxlength: "9", placeholder: "none" }, ".count");
  const code = typed(context, "code", codeInput, {
    shown: (value) => (value === null ? "" : String(value)),
    read: (text) => (text.trim() ? NUMBERS.read(text) : null),
  });
  const choose = () => {
    const value = list.value === "none" ? null : Number(list.value);
    if (list.value !== "other") ask({ ask: "change", name: "code", value });
  };
  const list = element("select.input.codes", { "aria-label": "Status codes and their meanings", onchange: choose });
  const drawCodes = whenChanged(
    () => shared.codes,
    (codes) => {
      const known = codes.map(([number, words]) => [number, `${number} ${words}`]);
      list.replaceChildren(...options([...known, ["none", "no status code"], ["other", "another number"]]));
    },
  );
  const meaning = element("p.codemeaning.aside");
  const came = outcome(context, "library");
  const reasonInput = textInput({ maxlength: "4000" });
  const reason = typed(context, "reason", reasonInput);
  const reasonSize = element("span");

  const draw = (can) => {
    const { ends, why } = shared.ends;
    const { meaning: words, reason: bytes, reason_most: most, field } = shared.preview;
    const end = ends.find(({ key }) => key === model.get("target"));
    const raw = end?.kind === "raw";
    tell(heading, raw ? "Ready-made frames" : "Through websockets");
    const masked = end?.sender === "client" ? "masked as a client must" : "not masked, as a server must";
    const offered = "the library builds the frame, and refuses what is forbidden";
    tell(about, raw ? `a raw end has no library: one frame each, ${masked}` : offered);
    tell(message, model.get("payload_as") === "text" ? "Send as a text message" : "Send as a binary message");
    code.draw();
    reason.draw();
    drawCodes();
    const chosen = model.get("code");
    const isKnown = shared.codes.some(([number]) => number === chosen);
    list.value = chosen === null ? "none" : isKnown ? String(chosen) : "other";
    meaning.replaceChildren(chosen === null ? "" : `${chosen}: `, harmless(words[0]), " ", section(words[1]));
    tell(reasonSize, `Reason, ${NUMBER.format(bytes)} of ${most} bytes`);
    say(reasonInput, "invalid", bytes > most || field === "status code and reason");
    say(codeInput, "invalid", field === "status code and reason");
    const open = can && !why && Boolean(end?.open);
    for (const one of [message, ...others]) one.disabled = !open || field === "payload";
    close.disabled = !open;
    for (const control of [codeInput, list, reasonInput]) control.disabled = !can;
    came.draw(can);
    closing.tell(quote(chosen === null ? "no status code" : `${chosen} ${words[0]}`));
  };
  const codeRow = element("div.coderow.wrap", element("label.label", "Status code", codeInput), list);
  const reasonRow = element("div.coderow.wrap", element("label.label.reason", reasonSize, reasonInput), close);
  const closing = fold("Close", [element("div.form", codeRow, meaning, reasonRow)]);
  const root = element(
    "section.inspector.way",
    { "aria-label": "Through the library" },
    element("div.wrap", heading, about, element("span.buttons", message, ...others)),
    closing.element,
    came.element,
  );
  return together(root, [code, reason], draw);
}

// The bytes -----------------------------------------------------------------------------------------------------------

function frameRow(frame, index, picked, pick) {
  const { what, fin, hex, length, broken, sent } = frame;
  const more = length > hex.length / 2 ? ` … ${NUMBER.format(length - hex.length / 2)} more` : "";
  const is = index === picked;
  return element(
    "div.framerow",
    { role: "option", tabindex: is ? "0" : "-1", "aria-selected": String(is), onclick: () => pick(index) },
    element("span.place", `${index + 1}`),
    element("span.framename", element("b", what), fin ? "" : ", FIN 0", sent ? " · sent" : ""),
    element("code.framehex", spaced(hex), more),
    element("span.quiet.tabular", plural(length, "byte")),
    element("span.broken", broken ? [`! ${broken}`, unseen(` broken ${broken === 1 ? "rule" : "rules"}`)] : []),
  );
}

function bytes(context, flush) {
  const { ask, shared } = context;
  const send = (alone) => () => {
    flush();
    shared.asked = "bytes";
    ask({ ask: "send bytes", alone });
  };
  const all = element("button.button.primary", { onclick: send(false) });
  const one = button("", send(true));
  const trouble = element("p.trouble", { role: "alert", hidden: true });
  const came = outcome(context, "bytes");
  const about = element("span.aside", "any frame, refused by nobody");
  const verdict = element("span.strong.alarm", { role: "status" });
  const notes = element("div.notes", { role: "status" });
  const list = element("div.framelist.scrolls", { role: "listbox", "aria-label": "Frames: the arrow keys pick one" });
  const inspected = inspection({ folded: "Every bit explained" });
  const pick = (index) => ask({ ask: "change", name: "picked", value: index });

  const drawList = whenChanged(
    () => JSON.stringify([shared.preview.frames, shared.preview.index]),
    () => {
      const { frames, index } = shared.preview;
      const focused = list.contains(document.activeElement);
      list.replaceChildren(...frames.map((frame, at) => frameRow(frame, at, index, pick)));
      if (focused) list.children[index]?.focus({ preventScroll: true });
    },
  );
  steer(list, { ArrowDown: 1, ArrowUp: -1, Home: -Infinity, End: Infinity }, (step) => {
    const { frames, index } = shared.preview;
    pick(Math.min(Math.max(index + step, 0), frames.length - 1));
  });

  const draw = (can) => {
    const { frames, index, left, explanation, trouble: words, notes: said } = shared.preview;
    const open = can && !shared.ends.why;
    const rest = frames.filter(({ sent }) => !sent);
    const begun = frames.length - rest.length;
    tell(trouble, words ? `No bytes yet: ${harmless(words)}.` : "");
    drawList();
    list.hidden = all.hidden = !frames.length;
    all.disabled = !open;
    all.textContent = `Send these ${rest.length > 1 ? `${rest.length} frames, ` : ""}${plural(left, "byte")}`;
    one.hidden = rest.length < 2;
    one.disabled = !open;
    one.textContent = `Send frame ${begun + 1} alone`;
    const broken = frames.filter(({ sent, broken }) => broken && !sent).length;
    const rules = frames[index]?.broken ?? 0;
    const many = `${plural(broken, "frame")} of these ${broken === 1 ? "breaks" : "break"} a rule`;
    const single = `This breaks ${rules === 1 ? "a rule" : plural(rules, "rule")}`;
    tell(verdict, broken ? `${frames.length > 1 ? many : single}, and will be sent all the same.` : "");
    about.hidden = Boolean(broken);
    const joined = said.map(harmless);
    if (notes.textContent !== joined.join("")) notes.replaceChildren(...joined.map((note) => element("p", note)));
    inspected.show(explanation);
    inspected.element.hidden = !explanation;
    came.draw(can);
  };
  const root = element(
    "section.inspector.way",
    { "aria-label": "The bytes" },
    element("div.wrap", element("h3.heading", "As exact bytes"), about, verdict, element("span.buttons", one, all)),
    trouble,
    list,
    notes,
    came.element,
    inspected.element,
  );
  return together(root, [inspected], draw);
}

// What was sent -------------------------------------------------------------------------------------------------------

function log(context) {
  const { set, shared } = context;
  const list = element("ol.sentlist.scrolls", { "aria-label": "What was sent, the latest first" });
  const said = element("span.unseen", { role: "status", "aria-live": "polite" });
  const sentBefore = fold("What was sent", [list]);
  const root = element("section.sent.pad.ruled", { "aria-label": "Sent", hidden: true }, sentBefore.element, said);
  const ways = { [BYTES]: "as exact bytes", websockets: "through websockets" };
  const row = ({ what, end, sender, how, number }) => {
    const title = "Select it in all panels of this lab";
    const select = () => button(`No. ${number}`, () => set("selected", number), { title });
    const place = harmless(`${end.replace(/^\S+ /, "by the ")}, ${ways[how] ?? "as one frame"}`);
    const record = number === null ? element("span.norecord") : select();
    return element("li", record, mark(sender), element("b", harmless(what)), element("span.place", place));
  };
  let isFirst = true;
  const draw = whenChanged(
    () => shared.sent,
    (sent) => {
      root.hidden = !sent.length;
      sentBefore.tell(NUMBER.format(sent.length));
      list.replaceChildren(...sent.map(row));
      if (!isFirst && sent.length) said.textContent = harmless(`Sent ${sent[0].what} by ${sent[0].end}`);
      isFirst = false;
    },
  );
  return { element: root, draw };
}

// The panel -----------------------------------------------------------------------------------------------------------

const EMPTY = { frames: [], index: 0, left: 0, explanation: null, payload: null, notes: [], field: "", trouble: "" };
const NOTHING = { ...EMPTY, meaning: ["", ""], reason: 0, reason_most: 123 };

/** Once for each model: what the kernel tells is there before the first view is drawn. */
function begin({ shared, ask, hear }) {
  const ends = { ends: [], more: 0, why: "", serving: false };
  Object.assign(shared, {
    ends,
    preview: NOTHING,
    sent: [],
    answer: { sent: { number: null }, records: [] },
    codes: [],
    asked: null,
  });
  hear((message) => {
    const { tell: what, ...facts } = message;
    if (what === "ends" || what === "preview" || what === "answer") shared[what] = facts;
    else if (what === "sent" || what === "codes") shared[what] = facts[what];
  });
  ask({ ask: "hello" });
}

function build(context) {
  const flush = () => parts.forEach((part) => part.flush?.());
  const parts = [ends, payload, frameSettings, bytes, library, log].map((part) => part(context, flush));
  return together(element("div", ...parts.map((part) => part.element)), parts, () => {
    const can = context.life === "live" && !context.model.get("closed");
    for (const part of parts) part.draw(can);
  });
}

export default panel("composer", "Composer", build, begin);
