/** The bytes of one explanation and its fields, each lighting the other. */

import { harmless, hex, visible } from "./words.js";
import { NUMBER, bring, cut, element, plural, rove, spaced } from "./dom.js";

const BYTES_A_ROW = 8;
const MOST_BYTES = 1024; // that are shown of a record

/** Where a field lies, in words: "bit 0", "bits 4 to 7", "byte 2", "bytes 2 to 5". */
function place({ start, width }) {
  const [unit, first, count] = start % 8 || width % 8 ? ["bit", start, width] : ["byte", start / 8, width / 8];
  const number = (value) => NUMBER.format(value);
  return count === 1 ? `${unit} ${number(first)}` : `${unit}s ${number(first)} to ${number(first + count - 1)}`;
}

/** Which fields lie on a byte. */
function fieldsOn(fields, byte) {
  const found = [];
  fields.forEach((field, index) => {
    if (field.start < 8 * byte + 8 && field.start + field.width > 8 * byte) found.push(index);
  });
  return found;
}

const touches = (violation, start, width) => violation.width > 0 && violation.start < start + width && violation.start + violation.width > start;

/** The RFC's figure of bits, for the bytes that several fields share. */
function bitFigure(explanation, bytes) {
  const figure = element("div", { class: "wslab-bits", role: "presentation" });
  const { violations } = explanation;
  for (let byte = 0; byte < bytes.length; byte++) {
    const on = fieldsOn(explanation.fields, byte);
    if (on.every((index) => explanation.fields[index].width % 8 === 0)) continue;
    const cells = on.map((index) => {
      const field = explanation.fields[index];
      const from = Math.max(field.start, 8 * byte);
      const width = Math.min(field.start + field.width, 8 * byte + 8) - from;
      const digits = [...field.bits.slice(from - field.start, from - field.start + width)].map((bit, at) =>
        element("span", { class: violations.some((violation) => touches(violation, from + at, 1)) ? "wslab-wrong" : "" }, bit),
      );
      return element(
        "span",
        { class: "wslab-bitfield", "data-field": index, style: `grid-column: span ${width}` },
        element("span", { class: "wslab-digits" }, ...digits),
        element("span", { class: "wslab-bitname" }, visible(field.name)),
      );
    });
    const numbers = Array.from({ length: 8 }, (_, bit) => element("span", { class: "wslab-bitnumber" }, String(8 * byte + bit)));
    figure.append(element("div", { class: "wslab-bitrow" }, ...numbers, ...cells));
  }
  return figure;
}

/** The bytes as hex and as ASCII; arrow keys go from byte to byte. */
function byteGrid(explanation, bytes) {
  const cells = [];
  const rows = [];
  let shade = -1;
  let shaded = null;
  for (let at = 0; at < bytes.length; at += BYTES_A_ROW) {
    const row = element("div", { role: "row", class: "wslab-byterow" }, element("span", { role: "rowheader", class: "wslab-at" }, hex(at, 4)));
    const characters = element("span", { class: "wslab-characters", "aria-hidden": "true" });
    bytes.slice(at, at + BYTES_A_ROW).forEach((byte, index) => {
      const on = fieldsOn(explanation.fields, at + index);
      if (on[0] !== shaded) [shade, shaded] = [shade + 1, on[0]];
      const wrong = explanation.violations.some((violation) => touches(violation, 8 * (at + index), 8));
      const names = on.map((field) => harmless(explanation.fields[field].name)).join(", ");
      const classes = `wslab-shade${shade % 2}${wrong ? " wslab-wrong" : ""}`;
      const cell = element(
        "span",
        { role: "gridcell", class: `wslab-byte ${classes}`, "data-field": on.join(" "), tabindex: cells.length ? "-1" : "0", "aria-label": `byte ${at + index}: ${byte}, ${names}` },
        byte,
      );
      cells.push(cell);
      row.append(cell);
      const code = parseInt(byte, 16);
      characters.append(element("span", { class: `wslab-character ${classes}`, "data-field": on.join(" ") }, code >= 0x20 && code < 0x7f ? String.fromCharCode(code) : "·"));
    });
    for (let fill = row.childElementCount; fill <= BYTES_A_ROW; fill++) row.append(element("span", { class: "wslab-byte", "aria-hidden": "true" }));
    row.append(characters);
    rows.push(row);
  }
  const grid = element("div", { role: "grid", class: "wslab-hex", "aria-label": "Bytes: the arrow keys go from byte to byte" }, ...rows);
  const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: BYTES_A_ROW, ArrowUp: -BYTES_A_ROW, Home: -Infinity, End: Infinity };
  rove(grid, cells, steps);
  return grid;
}

/** The fields, each with its place, value, meaning and section. */
function fieldList(explanation) {
  const items = explanation.fields.map((field, index) =>
    element(
      "li",
      { role: "option", class: "wslab-field", "data-field": index, tabindex: index ? "-1" : "0", "aria-selected": "false" },
      element("span", { class: "wslab-name" }, element("b", {}, harmless(field.name)), " ", element("span", { class: "wslab-place" }, place(field)), " ", element("span", { class: "wslab-section" }, harmless(field.section))),
      element(
        "span",
        { class: "wslab-says" },
        element("bdi", { class: "wslab-value", dir: "ltr" }, cut(harmless(field.value ?? ""))),
        " ",
        element("span", {}, field.meaning === field.value ? "" : harmless(field.meaning)),
        field.plain ? element("span", { class: "wslab-plain" }, "unmasked ", element("code", {}, cut(spaced(field.plain)))) : null,
      ),
    ),
  );
  const list = element("ol", { role: "listbox", class: "wslab-fields", "aria-label": "Fields: the arrow keys go from field to field" }, ...items);
  rove(list, items, { ArrowDown: 1, ArrowUp: -1, Home: -Infinity, End: Infinity });
  return list;
}

/** Hovering or focusing anything that stands for a field lights everything that does. */
function lightEachOther(root, scrollers) {
  const light = (event) => {
    const source = event.target.closest?.("[data-field]") ?? (root.contains(document.activeElement) && document.activeElement.closest("[data-field]"));
    const fields = source ? source.dataset.field.split(" ") : [];
    for (const part of root.querySelectorAll("[data-field]")) {
      const lit = part.dataset.field.split(" ").some((field) => fields.includes(field));
      part.classList.toggle("wslab-lit", lit);
      if (part.role === "option") part.setAttribute("aria-selected", String(lit));
    }
    for (const scroller of scrollers) {
      const first = scroller.querySelector(".wslab-lit");
      if (first && !scroller.contains(source)) bring(scroller, first);
    }
  };
  for (const event of ["pointerover", "pointerleave", "focusin"]) root.addEventListener(event, light);
}

function violationList(explanation) {
  return element(
    "ul",
    { class: "wslab-violations", "aria-label": "Broken rules" },
    ...explanation.violations.map((violation) =>
      element(
        "li",
        {},
        element("b", { class: "wslab-broken" }, `! ${harmless(violation.rule)}`),
        " ",
        element("span", { class: "wslab-section" }, harmless(violation.section)),
        element("q", {}, harmless(violation.sentence)),
        element("span", { class: "wslab-found" }, harmless(violation.found)),
      ),
    ),
  );
}

/** The parts of the page that explain `explanation`, the JSON of an `Explanation`. */
export function explained(explanation) {
  const bytes = (explanation.data.match(/../g) ?? []).slice(0, MOST_BYTES);
  const left = element("div", { class: "wslab-bytes" }, bitFigure(explanation, bytes), byteGrid(explanation, bytes));
  if (explanation.length > bytes.length) {
    left.append(element("p", { class: "wslab-note" }, `The first ${NUMBER.format(bytes.length)} of ${plural(explanation.length, "byte")}.`));
  }
  const right = fieldList(explanation);
  const both = element("div", { class: "wslab-explained" }, left, right);
  lightEachOther(both, [left, right]);
  const facts = explanation.facts.flatMap(([name, text]) => [element("dt", {}, harmless(name)), element("dd", {}, cut(harmless(text)))]);
  return [
    explanation.violations.length ? violationList(explanation) : null,
    bytes.length ? both : null,
    facts.length ? element("dl", { class: "wslab-facts" }, ...facts) : null,
  ].filter(Boolean);
}
