/**
 * The ladder's arrows: one drawing over the drawn rows. Each record's arrow leaves its sender's lane in its row, and
 * reaches the other lane where it was received. A screen reader gets the rows' text instead.
 *
 * All arrows of one look are one path, so that there are few nodes however many arrows there are.
 */

import { svg } from "./dom.js";

const MARK = 5; // px from the edge of the column to the middle of a lane
const GAP = 22; // px that lack to the other lane where the reception was not seen
const DOUBLE = 1.8; // px between the middle of a double line and each of its two
const HEAD = { long: 10, wide: 5 };

const at = (x, y) => `${x.toFixed(1)} ${y.toFixed(1)}`;
const line = (x1, y1, x2, y2) => `M${at(x1, y1)}L${at(x2, y2)}`;

/** What ends an arrow, and with what it is drawn: filled, or as strokes. `u` is the arrow's direction. */
const HEADS = {
  head: (x, y, [ux, uy]) => {
    const [bx, by] = [x - HEAD.long * ux, y - HEAD.long * uy];
    const [wx, wy] = [HEAD.wide * uy, HEAD.wide * ux];
    return `M${at(x, y)}L${at(bx - wx, by + wy)}L${at(bx + wx, by - wy)}Z`;
  },
  bar: (x, y) => line(x, y - 7, x, y + 7),
  cross: (x, y) => line(x - 5, y - 5, x + 5, y + 5) + line(x - 5, y + 5, x + 5, y - 5),
};

/** By shape: how many px before the other lane the shaft ends, and what stands there. */
const SHAPES = {
  handshake: { short: HEAD.long - 1, end: "head", double: true },
  data: { short: HEAD.long - 1, end: "head" },
  control: { short: HEAD.long - 1, end: "head" },
  tcp: { short: 2, end: "bar" },
  reset: { short: 7, end: "cross", back: 5 },
  unread: { short: 0 },
  bend: { short: 0, jagged: true },
};

/** The paths of one arrow as [look, path data] pairs. `from` and `to` are px from the top; `to` is null if not seen. */
function paths({ sender, shape, from, to, faded }, width) {
  const { short, end, double, jagged, back = 0 } = SHAPES[shape];
  const way = sender === "client" ? 1 : -1;
  const [x1, lane] = way > 0 ? [MARK, width - MARK - 1] : [width - MARK, MARK + 1];
  const x2 = lane - way * ((to === null ? GAP : 0) + back);
  const y2 = to ?? from;
  const look = (part) => `${sender} ${shape} ${part}${faded ? " faded" : ""}`;
  if (jagged) {
    const teeth = `l${3 * way} -4l${6 * way} 8l${3 * way} -4`.repeat(Math.max(1, Math.abs(x2 - x1) / 12));
    return [[look("shaft"), `M${at(x1, from)}${teeth}`]];
  }
  const length = Math.hypot(x2 - x1, y2 - from) || 1;
  const u = [(x2 - x1) / length, (y2 - from) / length];
  const [sx, sy] = [x2 - short * u[0], y2 - short * u[1]];
  const [ox, oy] = double ? [-DOUBLE * u[1], DOUBLE * u[0]] : [0, 0];
  const shaft = double
    ? line(x1 + ox, from + oy, sx + ox, sy + oy) + line(x1 - ox, from - oy, sx - ox, sy - oy)
    : line(x1, from, sx, sy);
  const made = [[look("shaft"), shaft]];
  if (end) made.push([look(end), HEADS[end](x2, y2, u)]);
  return made;
}

/** The drawing and `draw(arrows, box)`; `box` has `left`, `top`, `width` and `height` in px. */
export function arrowDrawing() {
  const root = svg("svg.arrows", { "aria-hidden": "true", focusable: "false" });
  const parts = new Map(); // look: path element

  const part = (look) => {
    if (!parts.has(look)) {
      const [sender, shape, name, faded] = look.split(" ");
      const kind = `path.arrow-${name}${faded ? ".arrow-faded" : ""}`;
      parts.set(look, svg(kind, { "data-sender": sender, "data-line": shape }));
      root.append(parts.get(look));
    }
    return parts.get(look);
  };

  const draw = (arrows, { left, top, width, height }) => {
    root.style.cssText = `left:${left}px;top:${top}px;width:${width}px;height:${height}px`;
    const lines = new Map();
    for (const arrow of arrows) {
      for (const [look, path] of paths(arrow, width)) lines.set(look, (lines.get(look) ?? "") + path);
    }
    for (const [look, path] of parts) if (!lines.has(look)) path.setAttribute("d", "");
    for (const [look, path] of lines) part(look).setAttribute("d", path);
  };
  return { element: root, draw };
}
