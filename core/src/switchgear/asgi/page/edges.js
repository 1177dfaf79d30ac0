// How the edges of the graph are drawn: where each leaves and enters its nodes, and the way between.

import { svg } from "./dom.js";
import { NODE } from "./layout.js";
import { percent } from "./words.js";

const PORTS = 0.6; // the part of a node's side that its edges share
const JUNCTION = { share: 0.4, most: 26 }; // of the gap, and px: so far left of its capability alternatives meet

/** All that is drawn for the edges; `lines` gets those whose looks depend on the present trouble. */
export function strokes(placed, lines) {
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
