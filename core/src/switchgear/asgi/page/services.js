// A tile for each service: its state first, then why, then the traffic that shows it.

import { breakerTable } from "./breakers.js";
import { band, latencies, outcomes, sparkline } from "./chart.js";
import { details } from "./details.js";
import { attr, el, keyed, show, text } from "./dom.js";
import { statusGlyph } from "./glyphs.js";
import { MINUTES, traffic } from "./history.js";
import { stateLine } from "./stateline.js";
import { foremost, past } from "./states.js";
import { anchor, latency, path, percent, plain, rate, score, span } from "./words.js";

const OUTCOMES = ["served", "failed", "refused"];
const LATENCIES = ["p50", "p95", "p99"];

/** Returns the function that shows a document's services. `actions(name)` makes the operator's buttons of one. */
export function services(parent, empty, history, entries, actions) {
  const tiles = keyed(parent, ({ name }) => name, ({ name }) => tile(name, history, entries, actions(name)));
  return (document, now) => {
    show(empty, document.services.length === 0);
    tiles(document.services.map((service) => ({ ...service, now })));
  };
}

function tile(name, history, entries, actions) {
  const glyph = statusGlyph();
  const status = el("span");
  const points = el("span", { class: "score" });
  const backend = el("span", { class: "aside" });
  const spark = sparkline();
  const role = el("p", { class: "role" });
  const state = stateLine();
  const why = el("p", { class: "why" });
  const limit = el("p", { class: "quiet limit" });
  const calls = figure(outcomes(), "Calls per second", OUTCOMES);
  const times = figure(latencies(), "Latency", LATENCIES);
  const states = band();
  const full = saturations();
  const table = breakerTable(name);
  const more = details(name);
  const title = el("h3", { id: anchor("service", name), tabindex: -1 }, name, " ", backend);
  const root = el("article", { class: "tile", "aria-labelledby": anchor("service", name) },
    el("header", { class: "tile-head" }, title, spark.root,
      el("p", { class: "verdict" }, glyph.root, status, " ", points)),
    role, state.root, why, limit,
    el("div", { class: "charts" }, calls.root, times.root),
    el("div", { class: "band-row" }, states.root,
      el("p", { class: "axis", "aria-hidden": "true" }, el("span", {}, `${MINUTES} min ago`), el("span", {}, "state"), el("span", {}, "now"))),
    full.root, table.root, more.root, actions.root);

  let latest;
  function update(service) {
    latest = service;
    const { breakers, now } = service;
    const breaker = foremost(breakers);
    const samples = history.of(name);
    const sums = traffic(breakers);
    attr(root, "data-status", service.status);
    glyph.update(service.status);
    text(status, plain(service.status));
    text(points, score(service.score));
    text(backend, service.backend);
    spark.update(samples, now);
    text(role, part(service));
    attr(root, "data-part", service.root ? "root" : service.inhibited_by.length ? "inhibited" : null);
    state.update(breaker);
    text(why, breaker.explain);
    text(limit, limits(service));
    calls.update(samples, now, OUTCOMES.map((outcome) => [rate(sums[outcome]), outcome]), (top) => `${top}/s`);
    times.update(samples, now, LATENCIES.map((name) => [latency(sums[name]), name]),
      (ends) => (ends ? `${latency(ends[0])} – ${latency(ends[1])}` : ""));
    states.update(past(breakers, entries.of(name), now), now);
    full.update(service.saturations);
    table.update(breakers);
    more.update(service, breaker);
    actions.update(service);
  }
  more.root.addEventListener("toggle", () => update(latest));
  return { root, update, end: state.end };
}

/** The part that it plays in the present trouble, and what of that is made on purpose. */
function part({ root, inhibited_by: causes, suspected, chaos }) {
  const parts = chaos.map(experiment);
  if (root) parts.unshift(suspected ? "Root cause, unless the fault is ours" : "Root cause");
  else if (causes.length) parts.unshift(`Suffers from ${causes.join(", ")}`);
  return parts.join(". ");
}

function experiment({ injection, rate: share, operations, domains, reason, ends_in: left }) {
  const calls = [operations.join(", "), domains.length ? `domains ${domains.join(", ")}` : ""].filter(Boolean).join(" in ");
  return `Chaos on purpose: ${plain(injection)} into ${percent(share)} of the calls${calls && ` of ${calls}`}, for another ${span(left)} (${reason})`;
}

function limits({ path: way, reason, confidence }) {
  const sure = `confidence ${percent(confidence)}`;
  return way.length > 1 ? `Score: ${path(way)}, ${reason}; ${sure}.` : `Score: ${reason}; ${sure}.`;
}

/** A chart with its present values below, which are its legend too. */
function figure(chart, title, names) {
  const scale = el("span", { class: "scale" });
  const values = names.map(() => el("b"));
  const root = el("figure", {},
    el("p", { class: "figure-title" }, title, scale),
    chart.root,
    el("figcaption", {}, ...names.map((name, i) =>
      el("span", {}, el("i", { class: `key ${name}`, "aria-hidden": "true" }), `${name} `, values[i]))));
  return {
    root,
    update(samples, now, latest, says) {
      text(scale, says(chart.update(samples, now, latest.map((pair) => pair.join(" ")).join(", "))));
      latest.forEach(([value], i) => text(values[i], value));
    },
  };
}

/** How full the client is: a bar for each thing that can fill up, with the mark from where it costs score. */
function saturations() {
  const root = el("ul", { class: "saturations" });
  const bars = keyed(root, ([name]) => name, ([name]) => {
    const value = el("b");
    const bar = el("span", { class: "bar", "aria-hidden": "true" }, el("span", { class: "bar-part" }), el("span", { class: "bar-mark" }));
    const item = el("li", {}, el("span", {}, plain(name)), bar, value);
    return {
      root: item,
      update([, used]) {
        text(value, percent(used));
        attr(item, "data-full", used >= 0.8 ? "" : null);
        bar.style.setProperty("--part", Math.min(1, used).toFixed(3));
      },
    };
  });
  return {
    root,
    update(used) {
      const pairs = Object.entries(used);
      bars(pairs);
      show(root, pairs.length > 0);
    },
  };
}
