/** The controls that say which records are shown, and those that find one among them. */

import { button, options, textInput, typing } from "../kit/controls.js";
import { element, mark, say, svg, together } from "../kit/dom.js";
import { DIRECTIONS, FILTER_KINDS, OPCODES } from "../kit/facts.js";
import { ALL } from "../kit/sieve.js";
import { NUMBER } from "../kit/words.js";

const TYPING = 120; // ms without a key after which what was typed counts
const NAMES = { tcp: "TCP end", error: "errors", bend: "bends" }; // of kinds that are called otherwise here
const TITLES = {
  handshake: "Opening handshake: request and response",
  data: "Data frames: TEXT, BINARY, CONTINUATION",
  control: "Control frames: CLOSE, PING, PONG",
  tcp: "The end of a TCP stream: FIN or RST",
  error: "What a program reports, and bytes that are no frame",
  bend: "What a relay between both ends did to a stream",
};
const SAMPLES = { handshake: "M0 4.2h26M0 7.8h26", bend: `M0 6${"l3 -4l6 8l3 -4".repeat(2)}` };

/** The kind's line, as the ladder draws it. */
function sample(kind) {
  const lines = SAMPLES[kind] ?? "M0 6h26";
  const end = kind === "tcp" ? [svg("path.arrow-bar", { d: "M26 1v10" })] : [];
  const look = { viewBox: "0 0 28 12", "aria-hidden": "true", focusable: "false" };
  return svg("svg.line", look, svg("path.arrow-shaft", { "data-line": kind, d: lines }), end);
}

/** A field whose text is the trait, when one has stopped typing. */
function textField(view, trait, properties) {
  const input = textInput({ type: "search", ...properties });
  const typed = typing(input, TYPING, () => {
    typed.sent(input.value);
    view.change({ [trait]: input.value });
  });
  const draw = () => typed.back(view.model.get(trait), view.model.get(trait));
  return { input, take: typed.now, draw, remove: typed.stop };
}

export function filterBar(view) {
  const { recording, rows, model } = view;
  const directions = DIRECTIONS.map((direction) => {
    const sender = direction === "both" ? null : mark(direction);
    return [
      direction,
      element("button.button.choice", { onclick: () => view.change({ direction }) }, sender, direction),
    ];
  });
  const toggle = (kind) => {
    const on = model.get("kinds");
    view.change({ kinds: FILTER_KINDS.filter((other) => on.includes(other) !== (other === kind)) });
  };
  const kinds = FILTER_KINDS.map((kind) => {
    const said = { title: TITLES[kind], onclick: () => toggle(kind) };
    return [kind, element("button.button.kind", said, kind === "error" ? "" : sample(kind), NAMES[kind] ?? kind)];
  });
  const chooseOpcode = () => view.change({ opcode: opcode.value === "" ? null : Number(opcode.value) });
  const opcode = element(
    "select.input",
    { "aria-label": "Opcode", onchange: chooseOpcode },
    options([
      ["", "any opcode"],
      ...Array.from({ length: 16 }, (_, code) => [code, `${code} ${OPCODES[code] ?? "reserved"}`]),
    ]),
  );
  const chooseConnection = () => {
    const number = connection.value === "" ? null : Number(connection.value);
    if (number === null || (connection.validity.valid && number < 2 ** 31)) view.change({ connection: number });
  };
  const connection = element("input.input.number", {
    type: "number",
    min: "0",
    step: "1",
    placeholder: "conn.",
    "aria-label": "Connection",
    title: "Number of the TCP connection",
    oninput: chooseConnection,
  });
  const text = textField(view, "text", {
    placeholder: "text",
    "aria-label": "Text",
    title:
      "Shows records whose summary has this text, in capitals or not. " +
      "Of a long payload only the start is known here, its first 28 bytes.",
  });
  const broken = button("broken rules only", () => view.change({ broken: !model.get("broken") }), {
    "aria-pressed": "false",
    title: "Only records that break a rule",
  });
  const all = button("Show all", () => view.change(ALL));
  const find = findBar(view);

  const draw = () => {
    for (const [direction, button] of directions) say(button, "pressed", model.get("direction") === direction);
    for (const [kind, button] of kinds) {
      say(button, "pressed", model.get("kinds").includes(kind));
      if (kind === "bend") button.hidden = !recording.bent;
    }
    const code = model.get("opcode");
    if (opcode.value !== String(code ?? "")) opcode.value = String(code ?? "");
    const number = model.get("connection");
    if (document.activeElement !== connection && connection.value !== String(number ?? ""))
      connection.value = String(number ?? "");
    connection.hidden = recording.connections < 2 && number === null;
    text.draw();
    say(broken, "pressed", model.get("broken"));
    all.hidden = !rows.test;
    find.draw();
  };
  const root = element(
    "div.toolbar.filter",
    { role: "group", "aria-label": "Filter" },
    element("span.choices", { role: "group", "aria-label": "Direction" }, ...directions.map(([, button]) => button)),
    element("span.choices.kinds", { role: "group", "aria-label": "Kinds" }, ...kinds.map(([, button]) => button)),
    broken,
    element("span.rest.wrap", opcode, connection, text.input, all, find.element),
  );
  return together(root, [text, find], draw);
}

/** Find: what is found stays marked, and the selection moves from one to the next. */
function findBar(view) {
  const { found, recording } = view;
  const field = textField(view, "find", {
    placeholder: "Find",
    "aria-label": "Find",
    title: "Enter finds the next record, Shift+Enter the one before, among those that are shown.",
  });
  const said = element("span.hits", { role: "status" });
  let pending = 0; // a step that waits until everything was looked through
  const seek = (step) => {
    pending = found.done ? 0 : step;
    if (pending || !found.count) return;
    const from = view.selected ?? (step > 0 ? recording.first - 1 : recording.next);
    const at = step > 0 ? found.row(from + 1) : found.row(from) - 1;
    view.following.set(false);
    view.select(found.number((at + found.count) % found.count));
  };
  const seeker = (words, sign, step) => button(sign, () => seek(step), { title: words, "aria-label": words });
  const buttons = [seeker("Find the one before", "↑", -1), seeker("Find the next", "↓", 1)];
  field.input.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    field.take();
    seek(event.shiftKey ? -1 : 1);
  });

  const text = () => {
    if (!found.test) return "";
    if (!found.count) return found.done ? "not found" : "…";
    const at =
      view.selected !== null && found.has(view.selected) ? `${NUMBER.format(found.row(view.selected) + 1)} of ` : "";
    return `${at}${NUMBER.format(found.count)}${at ? "" : " found"}${found.done ? "" : " …"}`;
  };
  const draw = () => {
    if (pending) seek(pending);
    field.draw();
    for (const part of buttons) part.ariaDisabled = String(!found.count);
    if (said.textContent !== text()) said.textContent = text();
  };
  const look = { role: "search", "aria-label": "Find a record" };
  return { element: element("span.find", look, field.input, buttons, said), draw, remove: field.remove };
}
