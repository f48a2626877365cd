/**
 * The closing panel: both ends' states with the way that was taken, what each said, what each reports, and how TCP
 * ended.
 *
 * The kernel tells all of it whenever something of it has changed, the drawing's places too: the picture for slides is
 * laid out by the same function (wslab/anatomy/state_diagram.py). The list of changes is the drawing's text twin;
 * there the keyboard chooses, and in the drawing the pointer may too.
 */

import { fold, options, saving } from "../kit/controls.js";
import { element, mark, quote, say, section, svg, whenChanged } from "../kit/dom.js";
import { panel } from "../kit/panel.js";
import { harmless } from "../kit/words.js";

const SIGNS = { Clean: "✓", "Not clean": "✗", "Not over": "…" };

// The drawing ---------------------------------------------------------------------------------------------------------

function label({ x, y, anchor, text }, kind) {
  return svg(`text.${kind}`, { x, y, "text-anchor": anchor }, harmless(text));
}

function badge({ x, y }, places) {
  const text = places.map((place) => `${place}.`).join(" ");
  const half = Math.max(9, 3.6 * text.length + 4);
  return [
    svg("rect.badge", { x: x - half, y: y - 9, width: 2 * half, height: 18, rx: 9 }),
    svg("text.place", { x, y: y + 4, "text-anchor": "middle" }, text),
  ];
}

function drawnEdge(edge, steps, choose) {
  const made = edge.taken.length > 0;
  const records = edge.taken.map((place) => steps[place - 1].record).filter((record) => record !== null);
  const node = svg(
    `g.edge${made ? ".made" : ""}`,
    { "data-places": edge.taken.join(" ") },
    svg("path.line", { d: edge.path }),
    svg("path.arrowhead", { d: edge.head }),
    ...edge.label.map((part) => label(part, "event")),
    label(edge.cite, "cite"),
    ...(made ? badge(edge.badge, edge.taken) : []),
  );
  if (records.length) {
    node.append(svg("path.reach", { d: edge.path }));
    node.classList.add("wslab-choosable");
    node.addEventListener("click", () => choose(records[0]));
  }
  return { node, records };
}

function drawnBox({ name, x, y, w, h, now, visited }) {
  const inner = now ? [svg("rect.inner", { x: x + 4, y: y + 4, width: w - 8, height: h - 8, rx: 2 })] : [];
  const middle = y + h / 2;
  const says = now ? [svg("text.cite", { x: x + w / 2, y: middle + 15, "text-anchor": "middle" }, "now")] : [];
  return svg(
    `g.box${visited ? ".visited" : ""}${now ? ".now" : ""}`,
    svg("rect.outer", { x, y, width: w, height: h, rx: 4 }),
    ...inner,
    svg("text.statename", { x: x + w / 2, y: middle + (now ? 0 : 5), "text-anchor": "middle" }, name),
    ...says,
  );
}

function drawnLane(lane, steps, choose) {
  const edges = lane.edges.map((edge) => drawnEdge(edge, steps, choose));
  // What was made is drawn last, so that it lies on top where two lines touch.
  const ordered = [...edges].sort(
    (one, other) => one.node.classList.contains("wslab-made") - other.node.classList.contains("wslab-made"),
  );
  const now = `${lane.label}, now ${lane.now}. The list of changes tells the way that is drawn.`;
  const { label, width, height } = lane;
  const said = { role: "img", "aria-label": `The states of the ${now}` };
  const drawn = [...ordered.map(({ node }) => node), ...lane.boxes.map(drawnBox)];
  const drawing = svg("svg.states", { viewBox: `0 0 ${width} ${height}`, width, height, ...said }, drawn);
  const caption = element("figcaption.wrap", mark(label), element("b", label), element("span.state", lane.now));
  return { node: element("figure.lanefigure", { "data-sender": label }, caption, drawing), edges };
}

// The words -----------------------------------------------------------------------------------------------------------

function stepItem(step, choose) {
  const { sender, event, record, sentence: title } = step;
  const change = element("span.state", `${step.old} → ${step.new}`);
  const says = [mark(sender), element("span", element("b", sender), ` ${event}: `, change), section(step.section)];
  if (record === null) return element("li", element("span.step", { title }, says));
  const place = element("span.place", `No. ${record}`);
  return element(
    "li",
    element("button.step", { title, "data-record": record, onclick: () => choose(record) }, says, place),
  );
}

function chosen(record, words, choose) {
  const said = { "data-record": record, title: `Select record ${record}`, onclick: () => choose(record) };
  return element("button.record", said, quote(words));
}

const small = (...words) => element("span.small", ...words);

/** A sentence with what stands before its colon in bold. */
function said(words) {
  const colon = words.indexOf(":") + 1;
  return [element("b", words.slice(0, colon)), words.slice(colon)];
}

/** What is said of both ends, one row each. */
const ROWS = [
  {
    name: "Close frame it sent",
    cell: ({ close, first }, choose) =>
      close
        ? [
            chosen(close.record, close.summary, choose),
            first ? element("span.italic", " first") : null,
            close.broken ? element("b.broken", " ! breaks a rule") : null,
            small(harmless(close.meaning), " ", section(close.section)),
          ]
        : ["none"],
  },
  {
    name: "Its program reports",
    cell: ({ report, never }) =>
      report
        ? [quote(report), never ? small(...said(harmless(never)), " ", section("RFC 6455 7.4.1")) : null]
        : ["nothing yet"],
  },
  {
    name: "End of its stream",
    cell: ({ tcp, tcp_first: first, untold }, choose) =>
      tcp ? [chosen(tcp.record, tcp.word, choose), first ? element("span.italic", " first") : null] : [untold],
  },
];

function table(ends, choose) {
  const head = ends.map(({ sender }) => element("th", { scope: "col" }, mark(sender), ` ${sender}`));
  const rows = ROWS.map(({ name, cell }) => {
    const cells = ends.map((end) => element("td", cell(end, choose)));
    return element("tr", element("th", { scope: "row" }, name), cells);
  });
  const heads = element("thead", element("tr", element("td"), head));
  return element("table.ends", { "aria-label": "What each end sent and reports" }, heads, element("tbody", rows));
}

function sentences({ began, clean, tcp }) {
  return [
    element("p.clean", element("b", `${SIGNS[clean.word]} ${clean.word}.`), ` ${clean.words} `, section(clean.section)),
    began ? element("p", began) : null,
    tcp.words ? element("p", `${tcp.words} `, section(tcp.section)) : null,
  ].filter(Boolean);
}

// The panel -----------------------------------------------------------------------------------------------------------

const NOTHING = { connections: [], closing: null };

function chooser(context) {
  const select = element("select.input", { "aria-label": "Connection" });
  select.addEventListener("change", () => context.set("connection", select.value === "" ? null : Number(select.value)));
  const choices = () => {
    const { connections, closing } = context.shared.closing ?? NOTHING;
    const wanted = context.model.get("connection");
    const numbers = wanted === null || connections.includes(wanted) ? connections : [wanted, ...connections];
    const newest = `the newest that ends${closing && wanted === null ? ` (${closing.connection})` : ""}`;
    return [["", newest], ...numbers.map((number) => [number, `number ${number}`])];
  };
  const drawChoices = whenChanged(
    () => String(choices()),
    () => select.replaceChildren(...options(choices())),
  );
  const draw = () => {
    drawChoices();
    select.value = String(context.model.get("connection") ?? "");
  };
  return { element: element("label.aside", "Connection", select), draw };
}

function build(context) {
  const { model, shared } = context;
  const choose = (record) => context.set("selected", model.get("selected") === record ? null : record);
  const choice = chooser(context);
  const bar = element("div.toolbar", choice.element);
  const hint = element("p.hint.pad", "Nothing recorded yet: connect, and the panel follows.");
  const summary = element("div.summary.pad", { role: "status" });
  const lanes = element("div.pair");
  const drawing = fold("The two state machines, drawn", [lanes, saving(context, ["picture", "Save the picture"])]);
  const steps = element("ol.steps", { "aria-label": "The way through the states" });
  const ends = element("div.pad");
  const heading = element("h3.heading", "The way through the states");
  const body = element("div", summary, ends, heading, steps, element("div.pad.ruled", drawing.element));
  let drawn;
  let edges = [];

  /** Redraw, and leave the focus on what stands for the same record. */
  const redraw = (closing) => {
    const active = body.contains(document.activeElement) ? document.activeElement : null;
    const place = active && [...body.querySelectorAll("button")].indexOf(active);
    const made = closing.layout.lanes.map((lane) => drawnLane(lane, closing.steps, choose));
    edges = made.flatMap((lane) => lane.edges);
    lanes.replaceChildren(...made.map(({ node }) => node));
    summary.replaceChildren(...sentences(closing));
    const items = closing.steps.map((step) => stepItem(step, choose));
    steps.replaceChildren(...(items.length ? items : [element("li", "Both ends are CONNECTING.")]));
    ends.replaceChildren(table(closing.ends, choose));
    if (place !== null) body.querySelectorAll("button")[place]?.focus({ preventScroll: true });
  };

  const draw = () => {
    const { closing, connections } = shared.closing ?? NOTHING;
    hint.hidden = closing !== null;
    body.hidden = closing === null;
    bar.hidden = connections.length < 2;
    choice.draw();
    if (closing !== drawn && closing !== null) redraw(closing);
    drawn = closing;
    const selected = model.get("selected");
    for (const { node, records } of edges)
      node.classList.toggle("wslab-lit", selected !== null && records.includes(selected));
    for (const button of body.querySelectorAll("[data-record]")) {
      say(button, "pressed", Number(button.dataset.record) === selected);
    }
  };
  return { element: element("div", bar, hint, body), draw };
}

export default panel("closing", "Closing panel", build);
