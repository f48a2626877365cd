/** Predictions for a projector, one a screen: the form left, the votes of a class and the outcome right. */

import { button, copying } from "../panels/kit/controls.js";
import { element, fill, tell, whenChanged } from "../panels/kit/dom.js";
import { isLoopback, jupyterServer } from "../panels/kit/page_source.js";
import { panel } from "../panels/kit/panel.js";
import { harmless, plural } from "../panels/kit/words.js";
import { form, table } from "../panels/question_panel/asking.js";

const TURNS = { PageDown: 1, ArrowRight: 1, PageUp: -1, ArrowLeft: -1 };

/** How a class joins: the address, the code, who may come, and how many have voted. */
function door({ model, ask }) {
  const warning = element("p.warning", { role: "alert" });
  const address = element("p.address");
  const code = element("p.code");
  const count = element("p.quiet.tabular");
  const copy = copying("Copy the address", "Copy the address of the vote", () => address.textContent, address);
  const end = button("End the vote", () => ask({ ask: "end" }));
  const join = element(
    "div",
    element("p", "Open"),
    address,
    element("p", "and give the join code"),
    code,
    copy.element,
  );
  const root = element("div.door", join, count, end);
  const draw = () => {
    const { question, hands } = model.get("state");
    root.hidden = !hands;
    tell(warning, hands && !hands.ended ? hands.warning : "");
    if (!hands) return;
    warning.classList.toggle("wslab-quiet", !hands.beyond);
    tell(address, hands.address);
    tell(code, hands.code);
    join.hidden = end.hidden = hands.ended;
    const votes = plural(hands.voters, "vote");
    tell(count, hands.ended ? `The vote has ended with ${votes}.` : `${votes}, ${hands.present} connected`);
    root.setAttribute("aria-label", `How to vote on: ${harmless(question)}`);
  };
  return { root, warning, draw, remove: copy.remove };
}

/** What the class says: for each case a bar and a number for each answer. */
function bars({ model }) {
  const root = element("div.bars");
  const line =
    (most) =>
    ([answer, votes, right]) => {
      const bar = element("div.bar");
      bar.style.width = `${(100 * votes) / most}%`;
      return element(
        "tr",
        { "data-right": right ? "yes" : null },
        element("th", { scope: "row" }, right ? `✓ ${harmless(answer)}` : harmless(answer)),
        element("td", { "aria-hidden": "true" }, bar),
        element("td.tabular", String(votes)),
      );
    };
  const chart = ([name, told]) =>
    element(
      "table",
      element("caption", harmless(name)),
      element("tbody", ...told.map(line(Math.max(1, ...told.map(([, votes]) => votes))))),
    );
  const draw = whenChanged(
    () => JSON.stringify(model.get("state").hands?.bars),
    () => fill(root, (model.get("state").hands?.bars ?? []).map(chart)),
  );
  return { root, draw };
}

function build(context) {
  const { model, ask } = context;
  const status = element("p.status", { role: "status", tabindex: "-1", hidden: true });
  const [asked, told] = [form, table].map((part) => part({ ...context, status }));
  const [way, votes] = [door(context), bars(context)];
  const question = element("h3.question");
  const place = element("span.quiet.tabular");
  const turn = (by) => ask({ ask: "turn", by });
  const reveal = () => ask({ ask: "reveal" });
  const full = () => (document.fullscreenElement ? document.exitFullscreen() : root.requestFullscreen());
  const [back, next] = [button("◂ Previous", () => turn(-1)), button("Next ▸", () => turn(1))];
  const open = button("Reveal (R)", reveal);
  const bar = element("div.toolbar", place, back, next, open, button("Fill the screen (F)", full));
  const left = element("div.left", question, way.root, asked.root);
  const right = element("div.right", votes.root, status, told.root);
  const keys = ({ key, target, ctrlKey, metaKey, altKey }) => {
    const typing = target.closest("input");
    if (ctrlKey || metaKey || altKey || (typing && !key.startsWith("Page"))) return null;
    return key in TURNS ? () => turn(TURNS[key]) : { r: reveal, f: full }[key.toLowerCase()];
  };
  const onkeydown = (event) => {
    const act = keys(event);
    if (!act) return;
    event.preventDefault();
    event.stopPropagation();
    act();
  };
  const root = element(
    "div.asking",
    { tabindex: "-1", onkeydown },
    bar,
    way.warning,
    element("div.sides", left, right),
  );
  ask({ ask: "where", origin: location.origin, root: jupyterServer().root, loopback: isLoopback(location.hostname) });

  const draw = () => {
    const { question: words, place: at, places, open: seen, hands } = model.get("state");
    told.draw();
    asked.draw();
    way.draw();
    votes.draw();
    asked.root.hidden ||= Boolean(hands);
    tell(question, hands || !places ? harmless(words) : "");
    tell(place, places > 1 ? `${at} of ${places}` : "");
    back.hidden = next.hidden = places < 2;
    back.disabled = at <= 1;
    next.disabled = at >= places;
    open.disabled = !places || seen;
  };
  return { element: root, draw, remove: way.remove };
}

export default panel("projector", "For the projector", build);
