// The dependency graph: nodes are links to what they stand for, edges are drawn behind them. It is laid out anew only
// when its shape or its width changes.

import { attr, el, keyed, svg } from "./dom.js";
import { strokes } from "./edges.js";
import { graphOf, layout } from "./layout.js";
import { node } from "./node.js";

const FRAME = 4; // px round the drawing, for focus rings

export function graph(canvas) {
  const edges = svg("svg", { class: "edges", "aria-hidden": "true" });
  const list = el("ol", { class: "nodes" });
  const scroll = canvas.parentElement;
  canvas.append(edges, list);
  const nodes = keyed(list, ({ name }) => name, node);
  let shape = "";
  let latest; // the document
  let places; // its layout
  let lines = []; // its edges

  function update(document) {
    latest = document;
    const width = scroll.clientWidth - 2 * FRAME;
    const given = graphOf(document);
    const now = JSON.stringify([width, given]);
    if (now !== shape && width > 0) {
      shape = now;
      draw(layout(given, width));
    }
    const all = [...document.services, ...document.capabilities];
    const reports = new Map(all.map((report) => [report.name, report]));
    nodes(all.map((one) => ({ ...one, places })));
    for (const { line, from, to } of lines) {
      const target = reports.get(to);
      const troubled = reports.get(from).score < 90 && target.score < 90;
      attr(line, "data-trouble", troubled ? (target.path[1] === from ? "limits" : "adds") : null);
    }
  }

  function draw(placed) {
    places = placed;
    canvas.style.setProperty("width", `${placed.width}px`);
    canvas.style.setProperty("height", `${placed.height}px`);
    attr(scroll, "tabindex", placed.width > scroll.clientWidth ? 0 : null); // the keyboard scrolls what has the focus
    attr(edges, "viewBox", `0 0 ${placed.width} ${placed.height}`);
    lines = [];
    edges.replaceChildren(...strokes(placed, lines));
  }

  new ResizeObserver(() => latest && update(latest)).observe(scroll);
  return update;
}
