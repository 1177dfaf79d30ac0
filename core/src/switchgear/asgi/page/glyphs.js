// Shapes that say what colours say: statuses, breaker states, levels. Always beside the word, so hidden from readers.

import { attr, svg } from "./dom.js";

const STATUS = {
  HEALTHY: "M8 2.5a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11Z", // a disc
  DEGRADED: "M8 2 14.5 13.5h-13Z", // a triangle
  UNHEALTHY: "M8 .8 15.2 8 8 15.2.8 8ZM7 4.5v4.2h2V4.5Zm0 5.4v1.8h2V9.9Z", // a lozenge with a mark of exclamation
  UNKNOWN: "M8 2.5a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11Zm0 2a3.5 3.5 0 1 1 0 7 3.5 3.5 0 0 1 0-7Z", // a ring
};

/** The shape of a status. */
export function statusGlyph() {
  const shape = svg("path", { "fill-rule": "evenodd" });
  const root = svg("svg", { class: "glyph", viewBox: "0 0 16 16", "aria-hidden": "true" }, shape);
  return {
    root,
    update(status) {
      attr(root, "data-status", status);
      attr(shape, "d", STATUS[status] ?? STATUS.UNKNOWN);
    },
  };
}

/**
 * A breaker as an electrician draws one: two contacts and a lever, down when it conducts. What an operator holds has a
 * bar above; what is not in charge is dashed. The lever's angles are in the style sheet.
 */
export function switchGlyph() {
  const root = svg("svg", { class: "switch", viewBox: "0 0 32 20", "aria-hidden": "true" },
    svg("path", { class: "switch-wire", d: "M0 14h8M24 14h8" }),
    svg("path", { class: "switch-lever", d: "M8 14h15" }),
    svg("circle", { class: "switch-contact", cx: 8, cy: 14, r: 2.2 }),
    svg("circle", { class: "switch-contact", cx: 24, cy: 14, r: 2.2 }),
    svg("path", { class: "switch-held", d: "M8 2.5h16" }),
  );
  return { root, update: (state) => attr(root, "data-state", state) };
}

export const LEVELS = ["OFF", "MINIMAL", "FALLBACK", "REDUCED", "FULL"];

/** Four bars, as many filled as the level is above OFF. */
export function levelGlyph() {
  const bars = [0, 1, 2, 3].map((i) =>
    svg("rect", { x: 1 + i * 6, y: 10 - i * 3, width: 4.5, height: 5 + i * 3, rx: 1 }));
  const root = svg("svg", { class: "level-bars", viewBox: "0 0 26 16", "aria-hidden": "true" }, ...bars);
  return {
    root,
    update(level) {
      attr(root, "data-level", level);
      bars.forEach((bar, i) => attr(bar, "class", i < LEVELS.indexOf(level) ? "on" : "off"));
    },
  };
}
