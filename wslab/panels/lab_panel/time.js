/** Time: the controls that pause the panel and step through the recording, and both ends' states at that moment. */

import { element, mark, svg } from "../kit/dom.js";
import { SENDERS, STATES } from "../kit/facts.js";
import { harmless, NUMBER } from "../kit/words.js";

/** Outlines in a box of 12 by 12. */
const ICONS = {
  first: "M1 1h2v10h-2zM11 1v10l-7-5z",
  back: "M10 1v10l-8-5z",
  forward: "M2 1v10l8-5z",
  last: "M1 1v10l7-5zM9 1h2v10h-2z",
  pause: "M2 1h3v10h-3zM7 1h3v10h-3z",
  resume: "M2 1v10l9-5z",
};
const icon = (name) =>
  svg("svg.icon", { viewBox: "0 0 12 12", "aria-hidden": "true", focusable: "false" }, svg("path", { d: ICONS[name] }));

/** Where each step leads: from the row that is now to the row that will be, out of so many. */
const STEPS = {
  first: () => 0,
  back: (row, exact) => (exact ? row - 1 : row),
  forward: (row) => row + 1,
  last: (_row, _exact, count) => count - 1,
};
const NAMES = { first: "First record", back: "Step back ([)", forward: "Step forward (])", last: "Last record" };

/** The row of the last record shown that has happened, and whether it is the moment's own. */
function present({ rows, moment }) {
  const row = rows.row(moment + 1) - 1;
  return [row, row >= 0 && rows.number(row) === moment];
}

/** Go to another moment: the record there is selected, so that all that is said of it follows. */
export function step(view, where) {
  const { rows } = view;
  if (!rows.count) return;
  const [row, exact] = present(view);
  goTo(view, STEPS[where](row, exact, rows.count));
}

function goTo(view, row) {
  const number = view.rows.number(Math.min(Math.max(row, 0), view.rows.count - 1));
  view.change({ paused: true, position: number, selected: number });
}

export function timeControls(view) {
  const { recording, rows } = view;
  const name = element("span");
  const turn = () => view.change({ paused: !view.paused, position: view.paused ? null : view.moment });
  const pause = element("button.button.pause", { onclick: turn });
  const icons = { true: icon("resume"), false: icon("pause") };
  const buttons = Object.entries(NAMES).map(([where, title]) => {
    const onclick = () => button.ariaDisabled !== "true" && step(view, where);
    const button = element("button.button.step", { title, "aria-label": title, onclick }, icon(where));
    return [where, button];
  });
  const oninput = () => goTo(view, Number(slider.value) - 1);
  const slider = element("input.slider", { type: "range", min: "1", step: "1", "aria-label": "Moment", oninput });
  const said = element("span.moment");

  const draw = () => {
    const [row, exact] = present(view);
    const { count } = rows;
    const ends = { first: row <= 0 && exact, back: row <= 0, forward: row >= count - 1, last: row >= count - 1 };
    const word = view.paused ? "Go on" : "Pause";
    // A button gets no click if what was pressed in it is taken out before the release; traffic redraws all the time.
    if (name.textContent !== word) pause.replaceChildren(icons[view.paused], name);
    name.textContent = word;
    pause.title = view.paused ? "Show what happens, as it happens" : "Stand still: what comes is only counted";
    for (const [where, button] of buttons) button.ariaDisabled = String(count === 0 || ends[where]);
    slider.disabled = count === 0;
    slider.max = String(Math.max(1, count));
    if (Number(slider.value) !== row + 1) slider.value = String(row + 1);
    const record = row >= 0 ? recording.record(rows.number(row)) : null;
    const place = `record ${NUMBER.format(row + 1)} of ${NUMBER.format(count)}`;
    const where = record ? `${place}, ${record.time.toFixed(4)} s` : "before the first record";
    slider.setAttribute("aria-valuetext", view.paused ? where : `live, ${where}`);
    said.textContent = view.paused ? where : "live";
  };
  const steps = element("span.steps", ...buttons.map(([, button]) => button));
  return {
    element: element("div.toolbar.time", { role: "group", "aria-label": "Time" }, pause, steps, slider, said),
    draw,
  };
}

/** Both ends' state machines, each with the state at the moment marked, and what led to it just now. */
export function stateDiagrams(view) {
  const { recording } = view;
  const which = element("p.which");
  const lanes = SENDERS.map((end) => {
    const states = STATES.map((state) => element("li", state));
    const why = element("p.why");
    const list = element("ol.states", { "aria-label": `States of the ${end}` }, states);
    const root = element(`div.machine.${end}`, element("p.end", mark(end), element("b", end)), list, why);
    return { end, states, why, element: root };
  });

  const draw = () => {
    const number = view.moment;
    const chosen = view.selected !== null && view.selected <= number ? recording.record(view.selected) : null;
    const connection = view.model.get("connection") ?? (chosen ?? recording.record(number))?.connection ?? 0;
    const now = recording.states(connection, number);
    which.textContent = recording.connections > 1 ? `connection ${connection}` : "";
    for (const { end, states, why } of lanes) {
      const current = now[end]?.state ?? "CONNECTING";
      states.forEach((state) => {
        if (state.textContent === current) state.setAttribute("aria-current", "step");
        else state.removeAttribute("aria-current");
      });
      const news = now[end]?.record === number ? now[end] : null;
      why.textContent = news?.event ? `${harmless(news.event)}, ${harmless(news.section)}` : "";
    }
  };
  const [client, server] = lanes.map((lane) => lane.element);
  const said = { role: "group", "aria-label": "States of both ends" };
  return { element: element("div.machines", said, client, which, server), draw };
}
