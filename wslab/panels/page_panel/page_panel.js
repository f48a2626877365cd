/** The page panel: the link by which a page that the lab serves is opened in a tab of its own, and the page's text. */

import { element, freshId, region } from "../kit/dom.js";
import { isLoopback, jupyterServer } from "../kit/page_source.js";
import { panel } from "../kit/panel.js";
import { harmless, plural } from "../kit/words.js";

function build({ model, ask, hear }) {
  const view = freshId();
  const { root } = jupyterServer();
  const link = element(
    "a.button",
    { target: "_blank", rel: "noopener", "aria-disabled": "true" },
    "Open the page in a tab of its own",
  );
  const size = element("span.counts.quiet.tabular");
  const source = region("pre.source.scrolls", "The page as HTML");

  hear((message) => {
    if (message.tell !== "address" || message.view !== view) return;
    link.href = root && !message.address.startsWith("http") ? new URL(message.address, root).href : message.address;
    link.removeAttribute("aria-disabled");
  });
  const loopback = isLoopback(location.hostname);
  ask({ ask: "address", view, origin: location.origin, loopback, jupyter: root !== null });

  const draw = () => {
    const html = model.get("html");
    const lines = html.replace(/\n$/, "").split("\n");
    const count = plural(lines.length, "line");
    size.textContent = `${count} of HTML, served by the lab with its own port in place of ${model.get("port")}`;
    source.textContent = lines.map(harmless).join("\n");
    if (model.get("closed")) {
      link.removeAttribute("href");
      link.setAttribute("aria-disabled", "true");
    }
  };
  return { element: element("div", element("div.toolbar", link, size), source), draw };
}

export default panel("page", "A page that the lab serves", build);
