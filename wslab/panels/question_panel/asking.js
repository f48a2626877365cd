/** A form that is answered once, and the table of outcomes that waits for it. */

import { button, textInput } from "../kit/controls.js";
import { element, freshId, tell, whenChanged } from "../kit/dom.js";
import { harmless } from "../kit/words.js";

const MODES = { number: "decimal", hex: "text", bits: "numeric", text: "text" };

/** One line to write an answer on. */
function line({ name, kind, unit, hint }) {
  const input = textInput({ required: true, inputmode: MODES[kind], placeholder: hint });
  const root = element(
    "label.asked",
    element("span", harmless(name)),
    element("span.reply", input, element("span.quiet", harmless(unit))),
  );
  return { root, read: () => input.value, write: (value) => (input.value = value), focus: () => input.focus() };
}

/** What is answered by several controls, under its name. */
function group(role, name, controls) {
  const words = element("span", { id: freshId() }, harmless(name));
  return element("div.asked", { role, "aria-labelledby": words.id }, words, controls);
}

/** Radio buttons, of which one is the answer. */
function choice({ name, options }) {
  const shared = freshId();
  const inputs = options.map((value) => element("input", { type: "radio", name: shared, value, required: true }));
  const labels = inputs.map((input) => element("label.pick", input, element("span", harmless(input.value))));
  return {
    root: group("radiogroup", name, element("div.reply", ...labels)),
    read: () => inputs.find((input) => input.checked)?.value ?? "",
    write: (value) => inputs.forEach((input) => (input.checked = input.value === value)),
    focus: () => inputs[0].focus(),
  };
}

/** A list whose items move up and down. */
function order({ name, options }) {
  const list = element("ol.order");
  const move = (item, way) => {
    const other = way < 0 ? item.previousElementSibling : item.nextElementSibling;
    if (!other) return;
    if (way < 0) other.before(item);
    else other.after(item);
    item.querySelector(way < 0 ? "button" : "button + button").focus();
  };
  const itemOf = (option) => {
    const item = element("li", { "data-option": option });
    const mover = (word, sign, way) =>
      button(sign, () => move(item, way), { "aria-label": `Move "${harmless(option)}" ${word}` });
    item.append(mover("up", "↑", -1), mover("down", "↓", 1), element("span", harmless(option)));
    return item;
  };
  list.append(...options.map(itemOf));
  return {
    root: group("group", name, list),
    read: () => [...list.children].map((item) => item.dataset.option).join(" → "),
    write: (value) => {
      const wanted = value.split(" → ");
      if (wanted.length === options.length) list.replaceChildren(...wanted.map(itemOf));
    },
    focus: () => list.querySelector("button").focus(),
  };
}

const KINDS = { choice, order };

/** The form. Once it is locked, what was answered stays readable and cannot be changed. */
export function form({ model, ask, status }) {
  const root = element("form", { hidden: true });
  const draw = whenChanged(
    () => JSON.stringify([model.get("state").cases, model.get("state").locked]),
    () => {
      const { question, cases = [], answers, locked, button: words } = model.get("state");
      root.hidden = !cases.length;
      if (root.hidden) return;
      const parts = cases.map((one) => (KINDS[one.kind] ?? line)(one));
      if (locked) for (const [at, part] of parts.entries()) part.write(answers[cases[at].name] ?? "");
      const send = element("button.button", { type: "submit" }, words);
      const all = element(
        "fieldset.questions",
        { disabled: locked },
        element("legend", harmless(question)),
        ...parts.map((part) => part.root),
        locked ? null : send,
      );
      const had = root.contains(document.activeElement);
      root.replaceChildren(all);
      root.onsubmit = (event) => {
        event.preventDefault();
        ask({ ask: "lock", answers: Object.fromEntries(cases.map(({ name }, at) => [name, parts[at].read()])) });
      };
      if (locked && had) status.focus(); // the button that had the focus is gone
    },
  );
  return { root, draw };
}

/** The outcome: nothing of it is in the page before it is open. */
export function table({ model, ask, status }) {
  const skip = button("I would rather see", () => ask({ ask: "skip" }), { hidden: true });
  const rows = element("div.outcome");
  const meaning = element("p.meaning", { hidden: true });
  const draw = whenChanged(
    () => JSON.stringify(model.get("state")),
    () => {
      const { question, waiting, columns, rows: told, score, meaning: means, ...state } = model.get("state");
      const { locked, cases, told: ran } = state;
      const next = ran ? "The table below shows what happened." : "Run the next cell to see what happens.";
      skip.hidden = !waiting;
      tell(status, waiting ?? score ?? (locked ? `Locked in. ${next}` : ""));
      tell(meaning, harmless(means ?? ""));
      if (!told) return rows.replaceChildren();
      const why = told.some((row) => row.at(-1)); // all is right where there is none
      const heads = columns.slice(0, why ? 5 : 4).map((words) => element("th", { scope: "col" }, harmless(words)));
      const body = told
        .map(([name, ...said]) => [name, said.slice(0, why ? 4 : 3)])
        .map(([name, cells]) =>
          element(
            "tr",
            { "data-so": cells[2] },
            element("th", { scope: "row" }, harmless(name)),
            ...cells.map((words) => element("td", harmless(words))),
          ),
        );
      rows.replaceChildren(
        element(
          "table.answers",
          cases ? null : element("caption", harmless(question)),
          element("thead", element("tr", ...heads)),
          element("tbody", ...body),
        ),
      );
    },
  );
  return { root: element("div", skip, rows, meaning), draw };
}
