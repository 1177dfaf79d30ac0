// What a service's tile does not show at once: everything that is counted, and the last causes.

import { attr, el, keyed, show, text } from "./dom.js";
import { age, domain, number, percent, plain } from "./words.js";

/** A list of names and values. */
function facts(title) {
  const list = el("dl", { class: "facts" });
  const rows = keyed(list, ([name]) => name, ([name]) => {
    const value = el("dd");
    return { root: el("div", {}, el("dt", {}, name), value), update: ([, said]) => text(value, said) };
  });
  const root = el("div", {}, el("h4", {}, title), list);
  return {
    root,
    update(pairs) {
      rows(pairs);
      show(root, pairs.length > 0);
    },
  };
}

const total = (breakers, field) => {
  const sums = new Map();
  for (const breaker of breakers) {
    for (const [name, value] of Object.entries(breaker[field])) sums.set(name, (sums.get(name) ?? 0) + value);
  }
  return [...sums].map(([name, value]) => [plain(name), number(value)]);
};

const labelled = ({ name, labels, value }) => {
  const given = Object.entries(labels).map(([label, is]) => `${label} ${is}`).join(", ");
  return [given ? `${plain(name)} (${given})` : plain(name), number(value)];
};

export function details(service) {
  const causes = el("ul", { class: "causes" });
  const causeRows = keyed(causes, (cause) => `${cause.type}\n${cause.text}`, () => {
    const root = el("li");
    return { root, update: ({ type, text: said, times }) => text(root, `${times > 1 ? `${times} x ` : ""}${type}: ${said}`) };
  });
  const causeBlock = el("div", { class: "wide" }, el("h4", {}, "Last causes"), causes);
  const since = el("p", { class: "wide quiet" });
  const groups = ["In the window", "Outcomes since the start", "Refused in", "Gauges", "Counters"].map(facts);
  const [inWindow, verdicts, refused, gauges, counters] = groups;
  const root = el("details", { class: "details" },
    el("summary", {}, "Details", el("span", { class: "hidden" }, ` of ${service}`)),
    el("div", { class: "details-body" }, since, causeBlock, ...groups.map((group) => group.root)));
  return {
    root,
    update({ breakers, gauges: levels, counters: counts }, breaker) {
      if (!root.open) return; // nobody looks; `toggle` below catches up
      const { last } = breaker;
      text(since, last
        ? `${domain(breakers, breaker)}: ${plain(last.from)} → ${plain(last.to)} ${age(last.ago)} ago (${plain(last.reason)}): ${last.detail}.`
        : "No breaker has changed its state yet.");
      causeRows(breaker.causes);
      show(causeBlock, breaker.causes.length > 0);
      inWindow.update([
        ["calls", number(breaker.calls)], ["failed", percent(breaker.failure_rate)],
        ["slow", percent(breaker.slow_call_rate)], ["in flight", number(breaker.in_flight)],
        ["overdue", number(breaker.overdue)], ["late results", number(breaker.late)],
      ]);
      verdicts.update(total(breakers, "verdicts"));
      refused.update(total(breakers, "refused"));
      gauges.update(Object.entries(levels).map(([name, value]) => [plain(name), number(value)]));
      counters.update(counts.map(labelled));
      attr(root, "data-filled", "");
    },
  };
}
