/** The figure of RFC 6455 section 5.2 with a frame's own bits: 32 in a row as there, or 16 or 8 where room is short. */

import { element } from "./dom.js";
import { brokenFrom, brokenOn, bytesOf, part } from "./places.js";
import { harmless, visible } from "./words.js";

const HEADER = new Set(["Extended payload length", "Masking-key"]); // beside the fields that are less than a byte
const inHeader = (field) => field.start % 8 || field.width % 8 || HEADER.has(field.name);

/** How many bits are drawn: the header, to the end of its last row, and one row more of what follows. */
function drawn({ fields }, shown, row) {
  const header = Math.max(...fields.filter(inHeader).map(({ start, width }) => start + width));
  return Math.min(8 * shown, row * (Math.ceil(header / row) + 1));
}

/** Whether there is something to draw: a head of HTTP has no field smaller than a byte. */
export const hasFigure = ({ fields }) => fields.some((field) => field.width % 8);

/** The figure, `row` bits across, and its parts. */
export function bitFigure(explanation, row) {
  const bytes = bytesOf(explanation);
  const end = drawn(explanation, bytes.length, row);
  const parts = [];
  const marked = (start, stop, text) => {
    const node = element(brokenOn(explanation, start, stop).length ? "span.wrong" : "span", text);
    parts.push(part(node, explanation, start, stop, stop - start === 8 ? { byte: start / 8 } : {}));
    return node;
  };

  /** What crossed, between two bits: bytes where they are whole, bits where not. */
  const crossed = (start, stop) => {
    const unit = start % 8 === 0 && stop % 8 === 0 ? 8 : 1;
    return Array.from({ length: (stop - start) / unit }, (_, index) => {
      const bit = start + unit * index;
      const pair = bytes[Math.floor(bit / 8)];
      return marked(bit, bit + unit, unit === 8 ? pair : String((parseInt(pair, 16) >> (7 - (bit % 8))) & 1));
    });
  };

  const cell = (field, start, stop) => {
    const goesOn = stop === end && stop < field.start + field.width;
    const name = visible(field.name) + (start > field.start ? " (continued)" : "");
    const number = field.width > 1 && start === field.start && field.is_number ? `= ${field.value}` : "";
    const node = element(
      `span.bitfield${field.width === 1 ? ".onebit" : ""}${goesOn ? ".goeson" : ""}`,
      { style: `grid-column: span ${stop - start}` },
      element("span.bitname", name),
      element("span.digits", ...crossed(start, stop)),
      element("span.bitvalue", number),
      brokenFrom(explanation, start, stop) ? element("span.bang", "!") : null,
    );
    parts.push(part(node, explanation, start, stop, { coarse: true }));
    return node;
  };

  const rows = [];
  for (let from = 0; from < end; from += row) {
    const cells = explanation.fields.flatMap((field) => {
      const [start, stop] = [Math.max(field.start, from), Math.min(field.start + field.width, from + row, end)];
      return start < stop ? [cell(field, start, stop)] : [];
    });
    rows.push(element("div.bitrow", element("span.at", `byte ${from / 8}`), ...cells));
  }
  const numbers = Array.from({ length: row }, (_, bit) => element("span.bitnumber", String(bit)));
  const more = explanation.length - end / 8;
  const figure = element(
    "div.figure",
    { role: "img", "aria-label": figureLabel(explanation), style: `--wslab-bits: ${row}` },
    element("div.bitrow", element("span.at", "bit"), ...numbers),
    ...rows,
    more > 0 ? element("div.note", `… and ${more.toLocaleString("en-US")} more byte${more === 1 ? "" : "s"}`) : null,
  );
  return { element: figure, parts };
}

function figureLabel({ fields }) {
  const said = fields.map(
    (field) => `${harmless(field.name)} ${field.width <= 64 && field.bits ? field.bits : `${field.width / 8} bytes`}`,
  );
  return `The bits as RFC 6455 section 5.2 draws them: ${said.join(", ")}. The list of fields tells each.`;
}
