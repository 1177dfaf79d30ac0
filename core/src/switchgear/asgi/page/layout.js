// Where the parts of the graph go. Columns by rank, what is needed left of what needs it, services left of
// capabilities; within a column, each near the middle of what it is tied to, so that few edges cross (Sugiyama's way).
// Pure: knows names and sizes, no document.

export const NODE = { height: 66, least: 132, most: 216 };
const ROW_GAP = 14;
const PASS = 10; // the height of a place where an edge passes a column
const COLUMN_GAP = { least: 36, most: 190 };
const SWEEPS = 6;

/** Nodes and edges of a document: [{name, kind}] and [{from, to, kind, weight, group}]. */
export function graphOf({ services, capabilities }) {
  const nodes = [
    ...services.map(({ name }) => ({ name, kind: "service" })),
    ...capabilities.map(({ name }) => ({ name, kind: "capability" })),
  ];
  const edges = [];
  for (const { name, requires } of [...services, ...capabilities]) {
    for (const from of requires) edges.push({ from, to: name, kind: "requires" });
  }
  for (const { name, prefers, any_of: groups } of capabilities) {
    for (const [from, weight] of Object.entries(prefers)) edges.push({ from, to: name, kind: "prefers", weight });
    groups.forEach((group, i) => {
      for (const from of group) edges.push({ from, to: name, kind: "any_of", group: i });
    });
  }
  return { nodes, edges };
}

/** name -> column: services from 0 on, each after what it requires; capabilities after all services. */
export function ranks({ nodes, edges }) {
  const found = new Map();
  const services = nodes.filter(({ kind }) => kind === "service").map(({ name }) => name);
  const rank = (name, least) => {
    if (!found.has(name)) {
      const inputs = edges.filter(({ to }) => to === name).map(({ from }) => rank(from, least) + 1);
      found.set(name, Math.max(least, ...inputs));
    }
    return found.get(name);
  };
  for (const name of services) rank(name, 0);
  const first = Math.max(-1, ...found.values()) + 1;
  for (const { name } of nodes) rank(name, first);
  return found;
}

/** Places for a width: { width, height, nodeWidth, gap, nodes: Map(name -> {x, y}), edges: [{...edge, points}] }. */
export function layout(graph, width) {
  const rankOf = ranks(graph);
  const columns = Array.from({ length: Math.max(0, ...rankOf.values()) + 1 }, () => []);
  for (const { name } of graph.nodes) columns[rankOf.get(name)].push({ name, height: NODE.height, ties: [] });
  const cells = new Map(columns.flat().map((cell) => [cell.name, cell]));
  const chains = graph.edges.map((edge) => chain(edge, rankOf, columns, cells));
  for (let sweep = 0; sweep < SWEEPS; sweep += 1) settle(sweep % 2 ? columns.toReversed() : columns);

  const gaps = columns.length - 1;
  const fit = (width - gaps * COLUMN_GAP.least) / columns.length;
  const nodeWidth = Math.round(Math.min(NODE.most, Math.max(NODE.least, fit * 0.86)));
  const spare = gaps ? (width - columns.length * nodeWidth) / gaps : 0;
  const gap = Math.min(COLUMN_GAP.most, Math.max(COLUMN_GAP.least, spare));
  const height = Math.max(0, ...columns.map(tall));
  columns.forEach((column, rank) => {
    const x = Math.round(rank * (nodeWidth + gap));
    let y = Math.round((height - tall(column)) / 2); // whole pixels, for sharp borders
    for (const cell of column) {
      Object.assign(cell, { x, y });
      y += cell.height + ROW_GAP;
    }
  });
  return {
    width: columns.length * nodeWidth + gaps * gap, height, nodeWidth, gap, nodes: cells, edges: chains.map((cellsOf, i) =>
      ({ ...graph.edges[i], points: cellsOf.map((cell) => points(cell, nodeWidth)) })),
  };
}

/** An edge's cells: its ends, and a place to pass through in each column between. */
function chain({ from, to }, rankOf, columns, cells) {
  const found = [cells.get(from)];
  for (let rank = rankOf.get(from) + 1; rank < rankOf.get(to); rank += 1) {
    const pass = { height: PASS, ties: [] };
    columns[rank].push(pass);
    found.push(pass);
  }
  found.push(cells.get(to));
  for (let i = 1; i < found.length; i += 1) {
    found[i - 1].ties.push(found[i]);
    found[i].ties.push(found[i - 1]);
  }
  return found;
}

/** One sweep: each column in the order of the middles of its ties in the column before. */
function settle(columns) {
  columns.forEach((column, i) => {
    const before = columns[i - 1];
    if (before) {
      const middle = (cell) => {
        const places = cell.ties.map((tie) => before.indexOf(tie)).filter((place) => place >= 0);
        return places.length ? places.reduce((a, b) => a + b) / places.length : column.indexOf(cell);
      };
      const middles = new Map(column.map((cell) => [cell, middle(cell)]));
      column.sort((a, b) => middles.get(a) - middles.get(b));
    }
  });
}

const tall = (column) => column.reduce((sum, { height }) => sum + height + ROW_GAP, -ROW_GAP);

const points = ({ name, x, y, height }, nodeWidth) => ({ name, left: x, right: x + nodeWidth, middle: y + height / 2 });
