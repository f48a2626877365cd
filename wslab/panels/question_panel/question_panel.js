/** The question panel: a form that is answered once, and the table of outcomes that waits for it. */

import { element } from "../kit/dom.js";
import { panel } from "../kit/panel.js";
import { form, table } from "./asking.js";

function build(context) {
  const status = element("p.status", { role: "status", tabindex: "-1", hidden: true });
  const [above, below] = [form, table].map((part) => part({ ...context, status }));
  const draw = () => {
    below.draw(); // first, since the form gives the focus to the status line
    above.draw();
  };
  return { element: element("div.asking", above.root, status, below.root), draw };
}

export default panel("question", "Prediction", build);
