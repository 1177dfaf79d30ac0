// The breakers of one service, a row each: the main, then the domains, those in trouble first.

import { attr, el, keyed, show, text } from "./dom.js";
import { switchGlyph } from "./glyphs.js";
import { rank } from "./states.js";
import { countdown } from "./ticker.js";
import { domain, latency, percent, plain, rate } from "./words.js";

const FEW = 6; // rows, until somebody wants to see all

// The main watches no calls while it is closed.
const COLUMNS = [
  ["calls", "Calls/s", ({ main, state, traffic }) => (main && state === "CLOSED" ? "–" : rate(traffic.per_second))],
  ["failed", "Failed", ({ failure_rate: ratio, calls }) => (calls ? percent(ratio) : "–")],
  ["slow", "Slow", ({ slow_call_rate: ratio, calls }) => (calls ? percent(ratio) : "–")],
  ["p95", "p95", ({ traffic }) => latency(traffic.p95)],
  ["flight", "In flight", ({ main, state, in_flight: n }) => (main && state === "CLOSED" ? "–" : String(n))],
];

export function breakerTable(service) {
  const body = el("tbody");
  const rows = keyed(body, ({ main, domain }) => `${main} ${domain}`, row);
  const more = el("button", { type: "button", class: "more", on: { click: toggle } });
  const root = el("div", { class: "breakers" },
    el("table", {},
      el("caption", { class: "hidden" }, `Breakers of ${service}`),
      el("thead", {}, el("tr", {},
        el("th", { scope: "col" }, "Breaker"), el("th", { scope: "col" }, "State"),
        ...COLUMNS.map(([name, title]) => el("th", { scope: "col", class: `number ${name}` }, title)))),
      body),
    more);
  let all = false;
  let latest = [];

  function toggle() {
    all = !all;
    update(latest);
  }

  function update(breakers) {
    latest = breakers;
    const [main, ...domains] = breakers.map((one, i) => ({ ...one, main: i === 0, title: domain(breakers, one) }));
    const parts = domains.some(({ domain }) => domain !== "") || main.state !== "CLOSED";
    domains.sort((a, b) => rank(a) - rank(b) || (a.domain < b.domain ? -1 : 1));
    rows([main, ...(all ? domains : domains.slice(0, FEW))]);
    show(root, parts); // one closed breaker is what the tile is about already
    show(more, domains.length > FEW);
    text(more, all ? "Show fewer" : `Show all ${domains.length} domains`);
    attr(more, "aria-expanded", String(all));
  }

  return { root, update };
}

function row() {
  const glyph = switchGlyph();
  const word = el("span", { class: "state-word" });
  const left = el("span", { class: "countdown" });
  const clock = countdown(left, left);
  const cells = COLUMNS.map(([name]) => el("td", { class: `number ${name}` }));
  const name = el("th", { scope: "row" });
  const root = el("tr", {}, name,
    el("td", { class: "state-cell" }, glyph.root, word, " ", left),
    ...cells);
  return {
    root,
    update(breaker) {
      const { title, state, since, share, retry_after: wait } = breaker;
      text(name, title);
      attr(name, "title", title);
      glyph.update(state);
      attr(root, "data-state", state);
      text(word, state === "CLOSED" && share < 1 ? `CLOSED ${percent(share)}` : plain(state));
      if (wait != null && state === "OPEN") clock.start(wait, since);
      else {
        clock.stop();
        text(left, "");
      }
      COLUMNS.forEach(([, , of], i) => text(cells[i], of(breaker)));
    },
    end: clock.stop,
  };
}
