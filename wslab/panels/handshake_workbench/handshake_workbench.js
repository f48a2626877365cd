/**
 * The handshake workbench: a request to edit and send beside what the server answers, Accept step by step, and
 * experiments with one change each. They are tabs, or one of them is shown alone.
 *
 * The kernel explains the request whenever its text changes, and tells what came of it when it was sent; both are kept
 * in `shared` for the views that come later. A view's parts are functions that take the context and give an element
 * and a `draw`; what is being read or typed in is not drawn anew.
 */

import { button, fold, options, tabs, textInput, typing } from "../kit/controls.js";
import { element, freshId, mark, region, say, section, together, unseen, whenChanged } from "../kit/dom.js";
import { inspection } from "../kit/inspector.js";
import { panel } from "../kit/panel.js";
import { cut, harmless, linesOf, plural } from "../kit/words.js";

const TYPING = 200; // ms without a key before the kernel is asked what the request says

const code = (text) => element("code", harmless(text));

const part = (name, ...children) => element("section.part.pad", { "aria-label": name }, ...children);

// The request ---------------------------------------------------------------------------------------------------------

function requestPart(context, name) {
  const { model, shared, ask } = context;
  const answer = responsePart(context);
  let known = null; // the text that this view and the model last agreed upon

  const said = { rows: 8, autocapitalize: "off", wrap: "off", "aria-label": "The request, a line each" };
  const editor = element("textarea.input.request", said);
  const typed = typing(editor, TYPING, () => {
    known = editor.value;
    context.set("request", known);
  });
  const exactly = element("input", { type: "checkbox", onchange: () => context.set("exactly", exactly.checked) });
  const note = element("p.note");
  const onclick = () => {
    if (send.ariaDisabled === "true") return;
    typed.now();
    ask({ ask: "send", request: editor.value, exactly: exactly.checked });
  };
  const send = element("button.button.primary", { onclick }, "Send");
  const restore = button("Restore the RFC’s request", () => ask({ ask: "restore" }));
  const meaning = inspection({ folded: "The request, byte by byte" });

  const draw = () => {
    if (model.get("request") !== known) {
      known = model.get("request");
      editor.value = known;
    }
    exactly.checked = model.get("exactly");
    note.textContent = exactly.checked
      ? "Nothing is added: a line ends in a bare LF, the head ends where you end it. " +
        "\\r, \\n, \\t and \\x00 to \\xff stand for these bytes."
      : "Each line gets its CR LF when it is sent. An empty line ends the head.";
    const busy = model.get("underway").includes("request");
    send.ariaDisabled = String(busy);
    send.textContent = busy ? "Sent, waiting…" : "Send";
    meaning.show(shared.request?.explanation ?? null);
    answer.draw();
  };
  const box = element("label", exactly, "send exactly as typed");
  const buttons = element("div.wrap", send, restore, box);
  const writes = element("p.from.aside", mark("client"), "client writes");
  const desk = element("div.desk", element("div", writes, editor, buttons, note), answer.element);
  const root = part(name, desk, meaning.element, answer.meaning.element);
  return { ...together(root, [{ remove: typed.stop }, meaning, answer], draw), focus: () => editor.focus() };
}

// The response --------------------------------------------------------------------------------------------------------

const CHECK_MARKS = { holds: "✓", fails: "✗", "not reached": "–" };

function checkList(checks) {
  const items = checks.map(([what, outcome, found]) => {
    const tick = element("span.tick", { "aria-hidden": "true" }, CHECK_MARKS[outcome]);
    const rest = found ? `, ${cut(harmless(found))}` : "";
    const words = element("span", harmless(what), ": ", element("b", outcome), rest);
    return element("li", { "data-outcome": outcome }, tick, words);
  });
  return element("ol.checks", { "aria-label": "What a client checks in the response" }, items);
}

function responsePart({ shared }) {
  const body = element("div.verdicts");
  const meaning = inspection({ folded: "The answer, byte by byte" });
  const said = element("p.unseen", { role: "status" });
  const hint = () =>
    element(
      "p.hint",
      "Nothing was sent yet. Press Send: the request goes to the lab’s server over a connection of its own, " +
        "which the recording shows like any other.",
    );

  const inWords = ({ body, explanation }) => {
    const caption = element("figcaption.aside", explanation ? "in the server’s own words" : "what came instead");
    return element("figure.words", caption, region("pre.verbatim.scrolls", "The response's body", linesOf(body)));
  };
  const answer = (told) => {
    const line = told.explanation ? code(told.first_line) : element("b", "no response");
    const meant = element("p", harmless(told.meaning), " ", section(told.section));
    const takes = told.accepted
      ? "The client takes the connection as open"
      : "The client makes no WebSocket connection";
    const client = element(
      "p.from",
      mark("client"),
      element("span", element("b", takes), " ", section("RFC 6455 4.1")),
    );
    const failed = told.checks.find(([, outcome]) => outcome === "fails");
    const checks = fold("What the client checks", [checkList(told.checks)], { open: true });
    if (failed) checks.tell(`fails: ${harmless(failed[0])}`);
    return [element("p.status", line), meant, told.body ? inWords(told) : null, client, checks.element];
  };
  const draw = whenChanged(
    () => shared.attempt,
    (told) => {
      body.replaceChildren(...[told ? answer(told) : hint()].flat().filter(Boolean));
      meaning.show(told?.explanation ?? null);
      said.textContent = told
        ? `The server: ${told.explanation ? harmless(told.first_line) : "no response"}. ${harmless(told.meaning)}`
        : "";
    },
  );
  const root = element(
    "section",
    { "aria-label": "The answer" },
    element("p.from.aside", mark("server"), "server answers"),
    said,
    body,
  );
  return { element: root, meaning, draw, remove: meaning.remove };
}

// Accept --------------------------------------------------------------------------------------------------------------

function acceptPart(context, name) {
  const { model, shared } = context;
  const label = freshId();
  const field = textInput({ "aria-labelledby": label, oninput: () => context.set("key", field.value) }, ".key");
  const own = button("Take the request’s key", () => context.set("key", null));
  const note = element("span.step-note");
  const names = ["guid", "joined", "digest", "accept", "answered"];
  const slots = Object.fromEntries(names.map((name) => [name, element("code")]));
  const compared = element("span.step-note");
  const send = button("Send the request", () => context.ask({ ask: "send" }));
  const STEPS = [
    [element("label", { id: label }, "Sec-WebSocket-Key"), "RFC 6455 4.1", [field, own, note]],
    ["the GUID of WebSocket", "RFC 6455 1.3", [slots.guid]],
    ["one after the other, as text", "RFC 6455 4.2.2", [slots.joined]],
    ["SHA-1 of that, 20 bytes", "RFC 3174 6.1", [slots.digest]],
    ["in base64: Sec-WebSocket-Accept", "RFC 4648 4", [slots.accept]],
    ["the server answered", "RFC 6455 4.1", [slots.answered, compared, send]],
  ];
  const items = STEPS.map(([name, where, content], index) => {
    const number = element("span.step-number", { "aria-hidden": "true" }, String(index + 1));
    const head = element("span.step-name", number, element("span", name, " ", section(where)));
    return element("li.step", head, element("span.step-value.wrap", ...content));
  });
  const steps = element("ol.steps", { "aria-label": "From the key to Sec-WebSocket-Accept" }, items);

  const draw = () => {
    const told = shared.request?.accept;
    if (!told) return;
    const key = model.get("key") ?? told.key;
    if (field.value !== key && document.activeElement !== field) field.value = key;
    own.hidden = model.get("key") === null;
    drawn();
  };
  const drawn = whenChanged(
    () => shared.request.accept,
    (told) => {
      say(field, "invalid", !told.sound);
      note.textContent = harmless(told.note);
      slots.guid.textContent = told.guid;
      const key = element("span.from-key", harmless(told.key));
      slots.joined.replaceChildren(key, element("wbr"), element("span.from-guid", told.guid));
      slots.digest.textContent = told.digest;
      slots.accept.textContent = told.accept;
      slots.answered.textContent = harmless(told.answered ?? "");
      slots.answered.hidden = told.answered === null;
      compared.textContent = (told.equal === null ? "" : told.equal ? "✓ " : "✗ ") + harmless(told.compared);
      compared.dataset.equal = String(told.equal);
    },
  );
  return { element: part(name, steps), draw };
}

// Experiments ---------------------------------------------------------------------------------------------------------

const HEADS = ["change", "my prediction", "it was", "why", ""];
const MOST_LINES = 2; // of a change

function difference({ gone, come }) {
  const line = (sign, word, text) =>
    element("span.change", element("span", { "aria-hidden": "true" }, sign), unseen(word), code(text));
  const shown = gone.length > MOST_LINES ? 1 : MOST_LINES;
  const more = Math.max(gone.length, come.length) - shown;
  return [
    ...gone.slice(0, shown).map((text) => line("−", "without ", text)),
    ...come.slice(0, shown).map((text) => line("+", "with ", text)),
    more > 0 ? element("span.aside", `and ${plural(more, "more line")} likewise`) : null,
    gone.length || come.length ? null : element("span.aside", "the request as it stands in the RFC"),
  ];
}

function experimentRow(context, experiment, statuses, edit) {
  const { model, ask } = context;
  const { name, title } = experiment;
  const onchange = () => {
    const { [name]: _, ...others } = model.get("predictions");
    context.set("predictions", choice.value ? { ...others, [name]: Number(choice.value) } : others);
  };
  const known = options([["", "predict…"], ...statuses]);
  const choice = element("select.input", { "aria-label": `Prediction for: ${title}`, onchange }, known);
  const start = () => run.ariaDisabled === "true" || ask({ ask: "run", name });
  const run = button("Run", start, { "aria-label": `Run: ${title}` });
  const loading = { title: "Put this request into the editor", "aria-label": `Put into the editor: ${title}` };
  const load = edit && button("Edit", () => edit(name), loading);
  const outcome = element("td.outcome", { role: "cell" });
  const reason = element("span.reason");

  const draw = () => {
    const guess = model.get("predictions")[name];
    const found = model.get("results")[name];
    const busy = model.get("underway").includes(name);
    if (choice.value !== String(guess ?? "")) choice.value = String(guess ?? "");
    run.ariaDisabled = String(guess === undefined || busy);
    run.textContent = busy ? "…" : found ? "Again" : "Run";
    const hint = guess === undefined ? "predict first" : found ? null : "not run yet";
    if (hint) outcome.replaceChildren(element("span.hint", hint));
    else {
      const right = found.status === guess;
      const so = element(right ? "span.right" : "span.surprise.strong", right ? "✓ as predicted" : "≠ surprise");
      outcome.replaceChildren(element("b", String(found.status ?? "none")), " ", so);
    }
    reason.textContent = guess !== undefined && found ? harmless(found.reason) : "";
  };
  draw();
  const row = element(
    "tr",
    { role: "row", "data-name": name },
    element("th", { role: "rowheader", scope: "row" }, fold(title, difference(experiment)).element),
    element("td", { role: "cell" }, choice),
    outcome,
    element("td.why.anywhere", { role: "cell" }, reason, " ", section(experiment.section)),
    element("td.act", { role: "cell" }, run, " ", load),
  );
  return { row, draw };
}

function experimentsPart(context, name, edit) {
  const { model, shared, ask } = context;
  const id = freshId();
  const body = element("tbody", { role: "rowgroup" });
  const score = element("p.score.strong", { role: "status" });
  const onclick = () => all.ariaDisabled === "true" || ask({ ask: "run_all" });
  const all = element("button.button.primary", { onclick }, "Run all predicted");
  const again = button("Start again", () => ask({ ask: "start_again" }));
  const column = (head) => element("th", { role: "columnheader", scope: "col" }, head || unseen("run or edit"));
  const heads = element("thead", { role: "rowgroup" }, element("tr", { role: "row" }, HEADS.map(column)));
  const said = { role: "table", "aria-label": "Experiments with one change", "aria-describedby": id };
  const table = element("table.experiments", said, heads, body);
  let rows = [];
  const drawTable = whenChanged(
    () => JSON.stringify(shared.request?.experiments ?? []),
    () => {
      const { experiments = [], statuses = [] } = shared.request ?? {};
      rows = experiments.map((experiment) => experimentRow(context, experiment, statuses, edit));
      body.replaceChildren(...rows.map(({ row }) => row));
    },
  );
  const draw = () => {
    drawTable();
    for (const row of rows) row.draw();
    score.textContent = model.get("score");
    all.ariaDisabled = String(Object.keys(model.get("predictions")).length === 0);
  };
  const note = "Say first what the server will answer to each change, then run it: the answer is measured.";
  const foot = element("div.wrap", all, again, score);
  return { element: part(name, element("p.note", { id }, note), table, foot), draw };
}

// The panel -----------------------------------------------------------------------------------------------------------

const PARTS = {
  request: ["Request and answer", requestPart],
  accept: ["Accept, step by step", acceptPart],
  experiments: ["One change, which status?", experimentsPart],
};

function build(context) {
  const alone = PARTS[context.model.get("part")];
  const edit = (name) => {
    context.ask({ ask: "load", name });
    tabbed.open(0);
    parts[0].focus();
  };
  const wanted = alone ? [alone] : Object.values(PARTS);
  const parts = wanted.map(([name, make]) => make(context, name, alone ? null : edit));
  const all = wanted.map(([name], at) => [name, parts[at].element]);
  const tabbed = alone ? parts[0] : tabs("The parts of the workbench", all);
  return together(element("div", tabbed.element), parts);
}

export default panel("handshake-workbench", "Handshake workbench", build);
