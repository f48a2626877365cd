/**
 * The frame builder: sixteen bits to toggle, a payload, and what comes of them.
 *
 * Bits are traits that a view sets at once: each of their values can be written. What is typed into a field may be
 * wrong in any way, so the kernel is asked for that change; why it was refused comes back in the trait `refused`.
 */

import { button, choice, copying, fold, rove, saving, textInput, typing } from "../kit/controls.js";
import { element, freshId, mark, quote, region, say, section, tell, together, whenChanged } from "../kit/dom.js";
import { OPCODES } from "../kit/facts.js";
import { inspection } from "../kit/inspector.js";
import { panel } from "../kit/panel.js";
import { harmless, NUMBER, plural } from "../kit/words.js";

// The sixteen bits ----------------------------------------------------------------------------------------------------

const flag = (trait) => ({
  read: (model) => Number(model.get(trait)),
  toggle: ({ model, set }) => set(trait, !model.get(trait)),
});
const opcodeBit = (bit) => ({
  read: (model) => (model.get("opcode") >> bit) & 1,
  toggle: ({ model, set }) => set("opcode", model.get("opcode") ^ (1 << bit)),
});
const seven = (model) => model.get("length_bits") ?? model.get("built").seven ?? 0;
const lengthBit = (bit) => ({
  read: (model) => (seven(model) >> bit) & 1,
  toggle: ({ model, set }) => {
    const wanted = seven(model) ^ (1 << bit);
    const isTrue = model.get("length") === null && model.get("length_form") === null;
    set("length_bits", wanted === model.get("built").right && isTrue ? null : wanted);
  },
});
const many = (from, made) => Array.from({ length: from }, (_, index) => made(from - 1 - index));

const saysOpcode = (model) => `${model.get("opcode")} · ${OPCODES[model.get("opcode")] ?? "reserved"}`;
const FURTHER = { 126: "126 · the next 2 bytes say it", 127: "127 · the next 8 bytes say it" };
const saysLength = (model) => FURTHER[seven(model)] ?? String(seven(model));
const field = (name, bits, says) => ({ name, bits, says });

/** The fields of the first two bytes, as explanations name them, and their bits from the left. */
const RULING = [
  [
    ...["FIN", "RSV1", "RSV2", "RSV3"].map((name) => field(name, [flag(name.toLowerCase())])),
    field("opcode", many(4, opcodeBit), saysOpcode),
  ],
  [field("MASK", [flag("masked")]), field("Payload len", many(7, lengthBit), saysLength)],
];
const LAST_BIT = 15;

function figure(context) {
  const { model } = context;
  const buttons = [];
  const cells = [];
  const line = element("p.bitline.quiet", { "aria-live": "off" });
  let pointed = null;

  const toggle = (bit) => {
    const number = buttons.length;
    const node = element("button.toggle", { tabindex: number ? "-1" : "0", onclick: () => bit.toggle(context) });
    buttons.push({ node, bit, number });
    return node;
  };
  const byte = (fields, index) => {
    const number = (_, bit) => element("span.bitnumber", { "aria-hidden": "true" }, String(8 * index + bit));
    const numbers = Array.from({ length: 8 }, number);
    const parts = fields.map((field) => {
      const start = buttons.length;
      const value = element("span.bitsays.quiet");
      const bang = element("span.broken", { hidden: true }, "! ");
      const row = element("span.togglerow", ...field.bits.map(toggle));
      const width = { style: `grid-column: span ${field.bits.length}` };
      const cell = element("span.ruling", width, row, element("span.bitname", bang, field.name), value);
      cells.push({ node: cell, value, bang, field, start, index: cells.length });
      return cell;
    });
    return element("div.rulingbyte", { role: "group", "aria-label": `byte ${index}` }, ...numbers, ...parts);
  };
  const said = { role: "group", "aria-label": "The first sixteen bits: the arrow keys move, Space toggles" };
  const root = element("div.sixteen", said, RULING.map(byte));
  const nodes = buttons.map(({ node }) => node);
  rove(root, nodes, { ArrowRight: 1, ArrowLeft: -1, ArrowDown: 8, ArrowUp: -8, Home: -LAST_BIT, End: LAST_BIT });

  const tell = () => {
    const field = pointed === null ? null : model.get("explanation").fields?.[pointed];
    if (!field) line.replaceChildren("Click a bit to toggle it, or go to it with the arrow keys and press Space.");
    else {
      const words = ` ${field.bits}: ${harmless(field.meaning)} `;
      line.replaceChildren(element("b", harmless(field.name)), words, section(field.section));
    }
  };
  for (const { node, index } of cells) {
    for (const event of ["pointerenter", "focusin"]) {
      node.addEventListener(event, () => {
        pointed = index;
        tell();
      });
    }
  }

  const draw = () => {
    const { violations = [] } = model.get("explanation");
    const wrong = (start, count) =>
      violations.some((one) => one.width > 0 && one.start < start + count && one.start + one.width > start);
    for (const { node, field, start, value, bang } of cells) {
      const broken = wrong(start, field.bits.length);
      node.classList.toggle("wslab-brokenfield", broken);
      bang.hidden = !broken;
      value.textContent = field.says?.(model) ?? "";
      field.bits.forEach((bit, at) => {
        const button = buttons[start + at].node;
        const digit = String(bit.read(model));
        button.textContent = digit;
        say(button, "pressed", digit === "1");
        button.setAttribute("aria-label", `${field.name}, bit ${start + at}: ${digit}`);
        button.classList.toggle("wslab-wrong", wrong(start + at, 1));
      });
    }
    tell();
  };
  return { element: element("div.pad", root, line), draw };
}

// What follows the two bytes ------------------------------------------------------------------------------------------

const PAUSE = 350; // ms without a key until what was typed is sent
const MOST_TYPED = 500_000; // characters: more than the longest payload in hex, and few enough for one message

const refusal = (length) =>
  length > MOST_TYPED
    ? `${NUMBER.format(length)} characters are more than a page can hand on: ` +
      `paste at most ${NUMBER.format(MOST_TYPED)}.`
    : null;

/** Ties an input to what the kernel may refuse. `shown(model)` is its text when nobody types. */
function typed(context, name, input, shown, lively = false) {
  const { model, ask } = context;
  const id = freshId();
  const problem = element("p.refused", { id, role: "alert", hidden: true });
  input.setAttribute("aria-describedby", id);
  let tooMuch = null;

  const echoes = typing(input, lively ? PAUSE : null, () => {
    tooMuch = refusal(input.value.length);
    if (tooMuch === null) {
      echoes.sent(input.value);
      ask({ ask: "change", name, value: input.value });
    } else draw();
  });
  const draw = () => {
    const text = shown(model);
    echoes.back(text, text);
    const why = tooMuch ?? model.get("refused")[name];
    say(input, "invalid", why);
    tell(problem, why ? harmless(why) : "");
  };
  input.addEventListener("paste", (event) => {
    const why = refusal(event.clipboardData?.getData("text").length ?? 0);
    if (!why) return;
    event.preventDefault(); // a browser takes seconds to lay so much out
    tooMuch = why;
    draw();
  });
  return { problem, draw, remove: echoes.stop };
}

/** One line of the form: what is set, what sets it, and why something was refused. */
const setting = (name, controls, ...below) =>
  element("div.setting.wrap", element("span.settingname.quiet", name), element("div.controls.wrap", controls), below);

const FORMS = [7, 16, 64];

function settings(context) {
  const { model, ask, set } = context;
  const change = (name) => (value) => ask({ ask: "change", name, value });
  const asking = (words, question) => button(words, () => ask(question));

  const senders = [
    [true, [mark("client"), " a client"]],
    [false, [mark("server"), " a server"]],
  ];
  const sender = choice("Sent by", senders, (value) => set("as_client", value), ".unseen");

  const keyInput = textInput({ size: "13", maxlength: "40", "aria-label": "Masking key, four bytes as hex" });
  const key = typed(context, "masking_key", keyInput, () => model.get("masking_key"));
  const keyRow = setting("Masking key", [keyInput, asking("Fresh key", { ask: "fresh key" })], key.problem);

  const payloadInput = element("textarea.input", { rows: "2", "aria-label": "Payload" });
  const payload = typed(context, "payload", payloadInput, () => model.get("payload"), true);
  const ways = ["text", "hex"].map((value) => [value, `as ${value}`]);
  const way = choice("Payload as", ways, change("payload_as"), ".unseen");
  const wayProblem = element("p.refused", { role: "alert", hidden: true });
  const size = element("span.place");

  const forms = FORMS.map((bits) => [bits, `${bits} bits`]);
  const chooseForm = (bits) => change("length_form")(bits === model.get("built").shortest ? null : bits);
  const form = choice("Length written in", forms, chooseForm, ".unseen");
  const emptyIs = "Length stated, in bytes; empty for the true one";
  const lengthInput = textInput({ size: "8", maxlength: "30", inputmode: "numeric", "aria-label": emptyIs });
  const shownLength = () => (model.get("length") === null ? "" : model.get("built").stated);
  const length = typed(context, "length", lengthInput, shownLength);
  const right = asking("Set the length right", { ask: "right length" });
  const lie = element("p.refused", { role: "status", hidden: true });
  const stated = element("label.inline", "stated as", lengthInput, "bytes");

  const draw = () => {
    const built = model.get("built");
    const refused = model.get("refused");
    const byHand = model.get("length_bits") !== null;
    sender.draw(model.get("as_client"));
    way.draw(model.get("payload_as"));
    keyRow.hidden = !model.get("masked");
    for (const field of [key, payload, length]) field.draw();
    size.textContent = plural(built.payload ?? 0, "byte");
    tell(wayProblem, refused.payload_as ? harmless(refused.payload_as) : "");
    form.draw(byHand ? null : (model.get("length_form") ?? built.shortest));
    for (const [index, label] of form.labels.entries())
      label.textContent = `${FORMS[index]} bits${FORMS[index] === built.shortest ? ", the fewest" : ""}`;
    lengthInput.placeholder = NUMBER.format(built.payload ?? 0);
    right.disabled = !byHand && model.get("length") === null && model.get("length_form") === null;
    tell(lie, built.lie ?? "");
  };
  const root = element(
    "div.settings.pad.ruled",
    setting("Sent by", [sender.element]),
    setting("Payload", [payloadInput, element("div.choice.wrap", way.element, size)], payload.problem, wayProblem),
    keyRow,
    setting("Length in", [form.element, stated, right], length.problem, lie),
  );
  return together(root, [key, payload, length], draw);
}

// What comes of it ----------------------------------------------------------------------------------------------------

function copyable(name) {
  const text = element("code");
  const box = region("pre.copyable.verbatim.scrolls", name, text);
  const copy = copying("Copy", `Copy: ${name}`, () => text.textContent, text);
  const draw = (words) => {
    if (text.textContent !== words) text.textContent = words;
  };
  const root = element("div.copyrow.wrap", element("span.settingname.quiet", name), box, copy.element);
  return { element: root, draw, remove: copy.remove };
}

function results({ model }) {
  const bytes = copyable("Bytes");
  const call = copyable("Python");
  const draw = () => {
    const { hex = "", length = 0, call: words = "" } = model.get("built");
    const shown = Math.ceil(hex.length / 3);
    bytes.draw(hex + (length > shown ? ` … ${NUMBER.format(length - shown)} more` : ""));
    call.draw(harmless(words));
  };
  return together(element("div.settings.pad.ruled", bytes.element, call.element), [bytes, call], draw);
}

const OUTCOMES = { accepted: ["✓", "accepted"], waits: ["…", "waits for more bytes"], refused: ["✗", "refused"] };

const because = (reason) => element("span", " because “", quote(reason, ".said.mono"), "”");

function verdict({ judge, outcome, code, reason, events, rule }) {
  const [sign, word] = OUTCOMES[outcome];
  const comes = element("span.outcome", element("span.sign", { "aria-hidden": "true" }, sign), ` ${word}`);
  const fails = element("p", code ? `fails the connection with ${code}` : "", reason ? because(reason) : null);
  const delivered = events.map((event) => element("li", quote(event)));
  return element(
    `section.verdict.${outcome}`,
    { "aria-label": `What ${judge} says` },
    element("h4", element("span.judge", judge), " ", comes),
    outcome === "refused" ? fails : null,
    rule ? element("p.applied", section(rule.section), " ", element("q", harmless(rule.sentence))) : null,
    events.length ? element("ol.events", { "aria-label": "What it delivered" }, delivered) : null,
  );
}

function verdicts({ model }) {
  const heading = element("h3.heading", "What two implementations make of it");
  const said = element("p.comparison.pad", { role: "status" });
  const cards = element("div.verdicts.pair");
  const draw = whenChanged(
    () => model.get("verdicts"),
    ({ judges, comparison }) => {
      if (!judges) return;
      const words = harmless(comparison);
      const [, point, rest] = /^([^:.]*[:.])(.*)$/s.exec(words);
      if (said.textContent !== words) said.replaceChildren(element("b", point), rest);
      cards.replaceChildren(...judges.map(verdict));
    },
  );
  return { element: element("section.ruled", { "aria-label": "Verdicts" }, heading, cards, said), draw };
}

function meaning(context) {
  const { model } = context;
  const beside = saving(context, ["picture", "Save the picture"]);
  const inspected = inspection({ onpick: (byte) => context.set("picked", byte), beside });
  const draw = () => {
    const explanation = model.get("explanation");
    if (explanation.data !== undefined) inspected.show(explanation, model.get("picked"));
  };
  const { element: folded } = fold("Every bit explained", [inspected.element]);
  const root = element("section.inspector", { "aria-label": "The bytes explained" }, folded);
  return together(root, [inspected], draw);
}

function build(context) {
  const presets = context.model.get("presets").map((name) => button(name, () => context.ask({ ask: "preset", name })));
  const begin = element("span.counts.quiet.tabular", "Begin with");
  const bar = element("div.toolbar", { role: "group", "aria-label": "Frames to begin with" }, begin, presets);
  const parts = [figure(context), settings(context), results(context), verdicts(context), meaning(context)];
  return together(element("div", bar, ...parts.map((part) => part.element)), parts);
}

export default panel("frame-builder", "Frame builder", build);
