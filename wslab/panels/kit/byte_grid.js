/** The bytes as hex and as ASCII, in rows; arrow keys go from byte to byte. */

import { rove } from "./controls.js";
import { element } from "./dom.js";
import { brokenFrom, brokenOn, byteLabel, bytesOf, character, fieldsAt, part } from "./places.js";
import { hex } from "./words.js";

/** Every second field is shaded, so that one sees where the next begins. */
function shades(explanation, bytes) {
  let shade = 1;
  let before = null;
  return bytes.map((_, at) => {
    const first = fieldsAt(explanation)[at][0];
    if (first !== before) [shade, before] = [1 - shade, first];
    return `.shade${shade}`;
  });
}

/** The grid, its parts, and `lay(columns)`, which puts that many bytes in a row. */
export function byteGrid(explanation) {
  const bytes = bytesOf(explanation);
  const shade = shades(explanation, bytes);
  const parts = [];
  const look = (at) => shade[at] + (brokenOn(explanation, 8 * at, 8 * at + 8).length ? ".wrong" : "");
  const made = (at, node) => {
    parts.push(part(node, explanation, 8 * at, 8 * at + 8, { byte: at }));
    return node;
  };
  const cells = bytes.map((pair, at) => {
    const said = { "data-key": `byte ${at}`, "aria-label": byteLabel(explanation, at, pair), "aria-selected": "false" };
    const bang = brokenFrom(explanation, 8 * at, 8 * at + 8) ? element("span.bang", "!") : null;
    return made(
      at,
      element(`span.byte${look(at)}`, { role: "gridcell", tabindex: at ? "-1" : "0", ...said }, pair, bang),
    );
  });
  const characters = bytes.map((pair, at) =>
    made(at, element(`span.character${look(at)}`, character(parseInt(pair, 16)) ?? "·")),
  );

  const grid = element("div.hex", { role: "grid", "aria-label": "Bytes: the arrow keys go from byte to byte" });
  const steps = { ArrowRight: 1, ArrowLeft: -1, Home: -Infinity, End: Infinity };
  rove(grid, cells, steps);
  let laid = 0;
  const lay = (columns) => {
    if (columns === laid) return;
    laid = columns;
    [steps.ArrowDown, steps.ArrowUp] = [columns, -columns];
    const focused = cells.includes(document.activeElement) ? document.activeElement : null;
    const rows = [];
    for (let at = 0; at < bytes.length; at += columns) {
      const fill = Math.max(0, at + columns - bytes.length);
      const place = element("span.at", { role: "rowheader" }, hex(at, 4));
      const empty = Array.from({ length: fill }, () => element("span.byte", { "aria-hidden": "true" }));
      const said = element("span.characters", { "aria-hidden": "true" }, characters.slice(at, at + columns));
      rows.push(element("div.byterow", { role: "row" }, place, cells.slice(at, at + columns), empty, said));
    }
    grid.replaceChildren(...rows);
    focused?.focus({ preventScroll: true });
  };
  return { element: grid, parts, cells, lay };
}
