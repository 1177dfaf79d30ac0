// Small pictures of the last minutes. They share one time axis: the right edge is now, the left LENGTH seconds ago.

import { attr, svg } from "./dom.js";
import { LENGTH } from "./history.js";

const WIDTH = 240; // of the drawing; the page stretches it
const GAP = 5; // s without a sample break a line: nobody knows what was there

const across = (at, now) => (WIDTH * (1 - (now - at) / LENGTH)).toFixed(1);

function frame(height, name, ...content) {
  return svg("svg", {
    class: name, viewBox: `0 0 ${WIDTH} ${height}`, preserveAspectRatio: "none", role: "img",
  }, ...content);
}

/** The samples in stretches without gaps. */
function stretches(samples) {
  const found = [];
  samples.forEach((sample, i) => {
    if (i === 0 || sample.at - samples[i - 1].at > GAP) found.push([]);
    found.at(-1).push(sample);
  });
  return found;
}

function line(samples, now, y) {
  return stretches(samples)
    .map((stretch) => stretch.map((s, i) => `${i ? "L" : "M"}${across(s.at, now)} ${y(s).toFixed(1)}`).join(""))
    .join("");
}

function area(samples, now, bottom, top) {
  return stretches(samples).map((stretch) => {
    const there = stretch.map((s) => `${across(s.at, now)} ${top(s).toFixed(1)}`);
    const back = stretch.map((s) => `${across(s.at, now)} ${bottom(s).toFixed(1)}`).reverse();
    return `M${[...there, ...back].join("L")}Z`;
  }).join("");
}

/** The next of 1, 2, 5, 10, 20, 50 ...: scales that change seldom. */
function ceiling(value, least) {
  let step = least;
  for (let i = 0; step < value; i += 1) step *= i % 3 === 1 ? 2.5 : 2;
  return step;
}

/** A score's last minutes, with a hairline where HEALTHY begins. */
export function sparkline() {
  const HEIGHT = 24;
  const y = ({ score }) => HEIGHT - 1.5 - (score / 100) * (HEIGHT - 3);
  const path = svg("path", { class: "spark-line" });
  const healthy = y({ score: 90 });
  const root = frame(HEIGHT, "spark", svg("path", { class: "spark-healthy", d: `M0 ${healthy}H${WIDTH}` }), path);
  return {
    root,
    update(samples, now) {
      attr(path, "d", line(samples, now, y));
      const least = Math.min(...samples.map((s) => s.score));
      attr(root, "aria-label", `Score over the last minutes, at least ${Math.floor(least)}`);
    },
  };
}

/** Calls per second by what became of them, stacked: served below, failed on it, refused on top. */
export function outcomes() {
  const HEIGHT = 48;
  const layers = ["served", "failed", "refused"].map((kind) => svg("path", { class: `area ${kind}` }));
  const edge = svg("path", { class: "served-edge" });
  const root = frame(HEIGHT, "chart", ...layers, edge);
  return {
    root,
    update(samples, now, latest) {
      const total = Math.max(0, ...samples.map((s) => s.served + s.failed + s.refused));
      const top = ceiling(total, 1);
      const y = (value) => HEIGHT - (value / top) * HEIGHT;
      attr(layers[0], "d", area(samples, now, () => HEIGHT, (s) => y(s.served)));
      attr(edge, "d", line(samples, now, (s) => y(s.served)));
      attr(layers[1], "d", area(samples, now, (s) => y(s.served), (s) => y(s.served + s.failed)));
      attr(layers[2], "d", area(samples, now, (s) => y(s.served + s.failed), (s) => y(s.served + s.failed + s.refused)));
      attr(root, "aria-label", `Calls per second over the last minutes, at most ${Math.ceil(total)}; now ${latest}`);
      return top;
    },
  };
}

/** Latencies on a logarithmic scale, a hairline at each power of ten. */
export function latencies() {
  const HEIGHT = 48;
  const grid = svg("path", { class: "grid" });
  const lines = ["p50", "p95", "p99"].map((name) => [name, svg("path", { class: `latency ${name}` })]);
  const root = frame(HEIGHT, "chart", grid, ...lines.map(([, path]) => path));
  return {
    root,
    /** Returns the ends of the scale in seconds, or null where there is nothing to draw. */
    update(samples, now, latest) {
      attr(root, "aria-label", `Latency over the last minutes; now ${latest}`);
      const known = samples.filter((s) => s.p50 != null);
      if (!known.length) {
        for (const [, path] of lines) attr(path, "d", null);
        attr(grid, "d", null);
        return null;
      }
      const low = Math.floor(Math.log10(Math.max(1e-5, Math.min(...known.map((s) => s.p50)))));
      const high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(...known.map((s) => s.p99)))));
      const y = (seconds) => HEIGHT * (1 - (Math.log10(Math.max(seconds, 1e-5)) - low) / (high - low));
      for (const [name, path] of lines) attr(path, "d", line(known, now, (s) => y(s[name])));
      let decades = "";
      for (let power = low + 1; power < high; power += 1) decades += `M0 ${y(10 ** power).toFixed(1)}H${WIDTH}`;
      attr(grid, "d", decades || null);
      return [10 ** low, 10 ** high];
    },
  };
}

/** The states that a service was in, of its breakers the worst: the worse, the higher the block. */
export function band() {
  const HEIGHT = 8;
  const root = frame(HEIGHT, "band");
  const heights = { closed: 2, ramp: 4, probing: 5, refusing: 8, unwatched: 4 };
  return {
    root,
    update(stretches, now) {
      const blocks = stretches.map(({ from, until, kind }) => {
        const left = Math.max(0, across(from, now));
        const height = heights[kind];
        return { left, width: Math.max(1, across(until, now) - left), height, kind };
      });
      while (root.childElementCount > blocks.length) root.lastElementChild.remove();
      blocks.forEach(({ left, width, height, kind }, i) => {
        const rect = root.children[i] ?? root.appendChild(svg("rect"));
        attr(rect, "class", kind);
        attr(rect, "x", left);
        attr(rect, "width", width);
        attr(rect, "y", HEIGHT - height);
        attr(rect, "height", height);
      });
      const bad = stretches.filter(({ kind }) => kind === "refusing").length;
      attr(root, "aria-label", bad ? `Refused calls ${bad} times in the last minutes` : "Refused no calls by state in the last minutes");
    },
  };
}
