// The dependency graph: nodes are links to what they stand for, edges are drawn behind them. It is laid out anew only
// when its shape or its width changes.

import { attr, el, keyed, svg, text } from "./dom.js";
import { levelGlyph, statusGlyph, switchGlyph } from "./glyphs.js";
import { graphOf, layout, NODE } from "./layout.js";
import { foremost } from "./states.js";
import { percent, plain, score } from "./words.js";

const FRAME = 4; // px round the drawing, for focus rings
const PORTS = 0.6; // the part of a node's side that its edges share
const JUNCTION = { share: 0.4, most: 26 }; // of the gap, and px: so far left of its capability alternatives meet

export function graph(canvas) {
  const edges = svg("svg", { class: "edges", "aria-hidden": "true" });
  const list = el("ol", { class: "nodes" });
  const scroll = canvas.parentElement;
  canvas.append(edges, list);
  const nodes = keyed(list, ({ name }) => name, node);
  let shape = "";
  let latest;
  let lines = [];

  function update(document) {
    latest = document;
    const width = scroll.clientWidth - 2 * FRAME;
    const given = graphOf(document);
    const now = JSON.stringify([width, given]);
    if (now !== shape && width > 0) {
      shape = now;
      draw(layout(given, width));
    }
    const reports = new Map([...document.services, ...document.capabilities].map((report) => [report.name, report]));
    nodes([...document.services.map((service) => ({ ...service, places })), ...document.capabilities.map((one) => ({ ...one, places }))]);
    for (const { line, from, to } of lines) {
      const target = reports.get(to);
      const troubled = reports.get(from).score < 90 && target.score < 90;
      attr(line, "data-trouble", troubled ? (target.path[1] === from ? "limits" : "adds") : null);
    }
  }

  let places;
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

/** All that is drawn for the edges; `lines` gets those whose looks depend on the present trouble. */
function strokes(placed, lines) {
  const drawn = [];
  const labels = [];
  const ends = ports(placed.edges);
  const before = Math.min(JUNCTION.most, placed.gap * JUNCTION.share);
  const junctions = new Map();
  for (const edge of placed.edges) {
    const start = { x: edge.points[0].right, y: ends.get(edge).start };
    let end = { x: edge.points.at(-1).left - 5, y: ends.get(edge).end };
    if (edge.kind === "any_of") {
      const key = `${edge.to}\n${edge.group}`;
      const group = placed.edges.filter(({ to, group }) => to === edge.to && group === edge.group);
      if (!junctions.has(key)) {
        const y = group.reduce((sum, one) => sum + ends.get(one).end, 0) / group.length;
        junctions.set(key, { x: end.x - before, y, end });
      }
      end = { x: end.x - before - 5, y: junctions.get(key).y };
    }
    const line = svg("g", { class: `line ${edge.kind}` },
      svg("path", { class: "edge", d: curve(start, edge.points.slice(1, -1), end) }),
      edge.kind === "any_of" ? null : tip(end));
    lines.push({ line, from: edge.from, to: edge.to });
    drawn.push(line);
    if (edge.kind === "prefers") {
      labels.push(svg("text", { class: "weight", ...levelest(start, edge.points.slice(1, -1), end) }, percent(edge.weight)));
    }
  }
  for (const { x, y, end } of junctions.values()) {
    drawn.push(svg("g", { class: "line requires" },
      svg("path", { class: "edge", d: `M${x + 5} ${y}H${end.x}` }), tip({ x: end.x, y }),
      svg("path", { class: "tip", d: `m${x - 5} ${y} 5-5 5 5-5 5z` })));
  }
  return [...drawn, ...labels];
}

/** Where a label has most room: on the last level stretch, else half way. */
function levelest(start, between, end) {
  const level = between.at(-1);
  return level
    ? { x: (level.left + level.right) / 2, y: level.middle + 4 }
    : { x: (start.x + end.x) / 2, y: (start.y + end.y) / 2 + 4 };
}

const tip = ({ x, y }) => svg("path", { class: "tip", d: `m${x - 1} ${y - 3.5} 6 3.5-6 3.5z` });

/** Where each edge leaves and enters, spread along the sides of its nodes in the order of its other end. */
function ports(edges) {
  const found = new Map(edges.map((edge) => [edge, {}]));
  const spread = (side, end, other) => {
    for (const [, group] of Map.groupBy(edges, (edge) => edge[side])) {
      group.sort((a, b) => other(a).middle - other(b).middle);
      group.forEach((edge, i) => {
        const { middle } = end === "start" ? edge.points[0] : edge.points.at(-1);
        found.get(edge)[end] = middle + NODE.height * PORTS * ((i + 1) / (group.length + 1) - 0.5);
      });
    }
  };
  spread("from", "start", (edge) => edge.points[1]);
  spread("to", "end", (edge) => edge.points.at(-2));
  return found;
}

/** From one point to another by way of the columns between, level at each. */
function curve(start, between, end) {
  let d = `M${start.x} ${start.y}`;
  let at = start;
  const to = (x, y) => {
    const bend = (x - at.x) / 2;
    d += `C${at.x + bend} ${at.y} ${x - bend} ${y} ${x} ${y}`;
    at = { x, y };
  };
  for (const { left, right, middle } of between) {
    to(left, middle);
    d += `H${right}`;
    at = { x: right, y: middle };
  }
  to(end.x, end.y);
  return d;
}

function node({ name, breakers }) {
  const glyph = statusGlyph();
  const own = breakers ? switchGlyph() : levelGlyph();
  const points = el("span", { class: "score" });
  const status = el("span", { class: "hidden" });
  const word = el("span", { class: "node-word" });
  const note = el("span", { class: "node-note" });
  const kind = breakers ? "service" : "capability";
  const root = el("li", {},
    el("a", { class: `node ${kind}`, href: `#${kind}-${encodeURIComponent(name)}` },
      el("span", { class: "node-name" }, glyph.root, el("span", { class: "node-title", title: name }, name)),
      el("span", { class: "node-state" }, own.root, word, points, status), note));
  return {
    root,
    update({ places, ...one }) {
      const { x, y } = places.nodes.get(name);
      root.style.setProperty("transform", `translate(${x}px, ${y}px)`);
      root.style.setProperty("width", `${places.nodeWidth}px`);
      const state = breakers ? foremost(one.breakers).state : one.level;
      glyph.update(one.status);
      own.update(state);
      text(points, score(one.score));
      text(status, `, ${plain(one.status)}`);
      text(word, plain(state));
      text(note, said(one));
      attr(root, "data-part", one.root ? "root" : one.inhibited_by.length ? "inhibited" : null);
      attr(root, "data-status", one.status);
    },
  };
}

function said({ root, inhibited_by: causes, path, status, level, override }) {
  if (override) return "held by an operator";
  if (root) return "root cause";
  if (causes.length) return `because of ${causes.join(", ")}`;
  if (level && level !== "FULL") return "well again, recovering"; // levels rise slowly
  if (path.length > 1) return `limited by ${plain(path[1])}`;
  return status === "UNKNOWN" ? "no recent calls" : "";
}
