/** The Node panel: what a script in Node prints, as it prints it, and a button that ends it. */

import { button } from "../kit/controls.js";
import { element } from "../kit/dom.js";
import { panel } from "../kit/panel.js";
import { harmless } from "../kit/words.js";

const SHOWN = 60; // lines, as in the script's text

const line = ([text, isError]) => element(isError ? "div.strong" : "div", `${isError ? "! " : ""}${harmless(text)}`);

function build({ ask, hear, shared, redraw }) {
  const end = button("End the script", () => ask({ ask: "end" }));
  const summary = element("span.counts.quiet.tabular", { role: "status" });
  const output = element("div.output.scrolls", { tabindex: "0", role: "log", "aria-label": "What the script prints" });

  const draw = () => {
    const { lines = [], summary: said = "", running = false } = shared;
    if (summary.textContent !== said) summary.textContent = said;
    end.disabled = !running;
    const followed = output.scrollTop + output.clientHeight >= output.scrollHeight - 4;
    // What was there stays the very same element, so that a screen reader reads what is new and nothing else.
    const there = output.wslabLines ?? [];
    const kept = lines.filter((each) => there.includes(each));
    while (output.childElementCount > kept.length) output.firstElementChild.remove();
    for (const each of lines.slice(kept.length)) output.append(line(each));
    output.wslabLines = lines;
    output.hidden = !lines.length;
    if (followed) output.scrollTop = output.scrollHeight;
  };
  hear(redraw);
  return { element: element("div", element("div.toolbar", end, summary), output), draw };
}

function begin({ ask, hear, shared }) {
  hear((message) => {
    if (message.tell !== "all" && message.tell !== "output") return;
    const before = message.tell === "all" ? [] : (shared.lines ?? []);
    shared.lines = [...before, ...message.lines].slice(-SHOWN);
    shared.summary = harmless(message.summary);
    shared.running = message.running;
  });
  ask({ ask: "hello" });
}

export default panel("node", "A script in Node", build, begin);
