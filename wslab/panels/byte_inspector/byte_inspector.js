/** The byte inspector: bytes as hex to edit, what to read them as, and every bit of them explained. */

import { button, options, saving } from "../kit/controls.js";
import { element, fill, freshId, mark, say, tell, together, whenChanged } from "../kit/dom.js";
import { inspection } from "../kit/inspector.js";
import { panel } from "../kit/panel.js";
import { harmless, NUMBER, plural } from "../kit/words.js";

const PAUSE = 150; // ms after the last key until the text is read

const READINGS = [
  ["client", "a frame from a client"],
  ["server", "a frame from a server"],
  ["unknown", "a frame, sender not known"],
  ["head", "an HTTP head"],
  ["client stream", "a client's stream"],
  ["server stream", "a server's stream"],
];
const GIVEN = ["given", "what it was when it was handed over"];
const isStream = (reading) => reading.endsWith("stream");

const labelled = (name, control) => element("label.label", name, control);

/** Make a list's options say what they should, without touching what stays the same. */
function offer(select, pairs) {
  const wanted = JSON.stringify(pairs);
  if (select.dataset.options === wanted) return;
  select.dataset.options = wanted;
  select.replaceChildren(...options(pairs));
}

/** The text that one edits. What one types is kept as it is, also where it cannot be read. */
function hexField(context) {
  const { shared, model } = context;
  const id = freshId();
  const trouble = element("p.trouble", { id, role: "status", "aria-live": "polite" });
  const note = element("p.note", { hidden: true });
  let waiting = null;
  const send = () => {
    clearTimeout(waiting);
    waiting = null;
    shared.asked.push(field.value);
    context.ask({ ask: "read", text: field.value });
  };
  const field = element("textarea.input.hexfield", {
    rows: "3",
    autocapitalize: "off",
    "aria-describedby": id,
    oninput: () => {
      shared.text = field.value;
      clearTimeout(waiting);
      waiting = setTimeout(send, PAUSE);
    },
    onblur: () => waiting && send(),
  });
  const draw = () => {
    const text = shared.text ?? model.get("data_hex");
    // A text that is just being written is not overwritten by an older one.
    if (field.value !== text && waiting === null) field.value = text;
    const rows = String(Math.min(10, Math.max(2, text.split("\n").length)));
    if (field.getAttribute("rows") !== rows) field.setAttribute("rows", rows);
    const wrong = shared.trouble && shared.trouble.text === text ? shared.trouble : null;
    say(field, "invalid", wrong);
    const said = wrong ? `${harmless(wrong.trouble)}. Below is what was read last.` : "";
    if (trouble.textContent !== said) trouble.textContent = said;
    const left = shared.reading?.left ?? 0;
    const more = `${plural(left, "byte")} more are read and do not stand here. An edited text is read alone.`;
    tell(note, left ? more : "");
  };
  return { element: element("div.hexpart", labelled("Bytes, as hex", field), trouble, note), draw };
}

function choices(context) {
  const { shared, model } = context;
  const reading = element("select.input", { onchange: () => context.set("read_as", reading.value) });
  const inflate = element("input", { type: "checkbox", onchange: () => context.set("inflate", inflate.checked) });
  const which = element("select.input", { onchange: () => context.set("which", Number(which.value)) });
  const step = (by) => () =>
    context.set("which", Math.min(Math.max(model.get("which") + by, 0), (shared.reading?.total ?? 1) - 1));
  const back = button("Previous", step(-1));
  const forth = button("Next", step(1));
  const parts = element("div.parts.wrap", labelled("Frame", which), back, forth);
  const draw = () => {
    const now = model.get("read_as");
    offer(reading, shared.reading?.given || now === "given" ? [GIVEN, ...READINGS] : READINGS);
    reading.value = now;
    inflate.checked = model.get("inflate");
    inflate.parentElement.hidden = now === "head" || now === "given";
    parts.hidden = !isStream(now);
    if (parts.hidden || !shared.reading) return;
    const { parts: names, total } = shared.reading;
    const named = (name, index) => [index, `${index + 1} of ${NUMBER.format(total)} · ${harmless(name)}`];
    offer(which, names.map(named));
    which.value = String(model.get("which"));
    back.disabled = model.get("which") === 0;
    forth.disabled = model.get("which") >= total - 1;
  };
  const box = element("label", inflate, "permessage-deflate was agreed on");
  return { element: element("div.choices", labelled("Read as", reading), box, parts), draw };
}

function title(explanation) {
  const { sender, length, offset } = explanation;
  const where = plural(length, "byte") + (offset ? ` from byte ${NUMBER.format(offset)} of the stream` : "");
  const place = element("span.place", sender ? `${sender}, ${where}` : where);
  return [element("b.caption", harmless(explanation.title)), sender ? mark(sender) : null, place];
}

/** Once for each model: what the kernel has read is shared by all views. */
function begin({ shared, model, ask, hear }) {
  Object.assign(shared, { reading: null, trouble: null, text: null, asked: [] });
  const answered = (text) => {
    const mine = shared.asked.includes(text);
    shared.asked = shared.asked.slice(shared.asked.indexOf(text) + 1);
    return mine;
  };
  hear((message) => {
    if (message.tell === "unreadable") {
      if (!answered(message.text) || shared.text === null) shared.text = message.text;
      shared.trouble = message;
    } else if (message.tell === "reading") {
      shared.reading = message;
      // What was asked last may still be on its way here, and what is written now on its way there.
      if (answered(model.get("data_hex")) && shared.text !== model.get("data_hex")) return;
      Object.assign(shared, { trouble: null, text: null });
    }
  });
  ask({ ask: "hello" });
}

function build(context) {
  const { shared, model } = context;
  const text = hexField(context);
  const choice = choices(context);
  const head = element("header.title");
  const beside = saving(context, ["picture", "Save the picture"]);
  const bytes = inspection({ onpick: (byte) => context.set("picked", byte), beside });
  const explained = () => shared.reading?.explanation ?? null;
  const drawTitle = whenChanged(explained, (now) => fill(head, now && title(now)));
  const draw = () => {
    text.draw();
    choice.draw();
    drawTitle();
    bytes.show(explained(), model.get("picked"));
  };
  const reader = element("div.reader.wrap.pad", text.element, choice.element);
  const section = element("section.inspector", { "aria-label": "The bytes explained" }, head, bytes.element);
  return together(element("div", reader, section), [bytes], draw);
}

export default panel("byte-inspector", "Byte inspector", build, begin);
