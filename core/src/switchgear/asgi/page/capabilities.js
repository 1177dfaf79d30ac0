// What the application offers its users: how much of each capability, and what is lost now.

import { sparkline } from "./chart.js";
import { attr, el, keyed, show, text } from "./dom.js";
import { levelGlyph, statusGlyph } from "./glyphs.js";
import { anchor, percent, plain, path, score, span } from "./words.js";

/** `panel` is hidden while the application has declared none. Returns the function that shows a document's. */
export function capabilities(panel, list, history, actions) {
  const rows = keyed(list, ({ name }) => name, ({ name }) => capability(name, history, actions(name)));
  return (document, now) => {
    show(panel, document.capabilities.length > 0);
    rows(document.capabilities.map((one) => ({ ...one, now })));
  };
}

function capability(name, history, actions) {
  const glyph = statusGlyph();
  const points = el("span", { class: "score" });
  const status = el("span", { class: "hidden" });
  const bars = levelGlyph();
  const level = el("span", { class: "level-word" });
  const spark = sparkline();
  const matters = el("span", { class: "aside" });
  const loses = el("p", { class: "loses" });
  const because = el("p", { class: "quiet because" });
  const needs = el("p", { class: "quiet needs" });
  const override = el("p", { class: "override" });
  const root = el("li", {},
    el("div", { class: "capability-head" },
      el("h3", { id: anchor("capability", name), tabindex: -1 }, name, " ", matters),
      spark.root,
      el("p", { class: "verdict" }, glyph.root, status, points),
      el("p", { class: "level" }, bars.root, level)),
    loses, el("div", { class: "why-slot" }, because, needs), override, actions.root);
  return {
    root,
    update(one) {
      attr(root, "data-level", one.level);
      glyph.update(one.status);
      text(status, `${plain(one.status)}, score `);
      text(points, score(one.score));
      bars.update(one.level);
      text(level, one.level);
      spark.update(history.of(name), one.now);
      text(matters, plain(one.criticality).toLowerCase());
      text(loses, one.loses || "Users lose nothing.");
      attr(loses, "data-lost", one.loses ? "" : null);
      text(because, one.path.length > 1 ? `${path(one.path)}: ${one.reason}.` : "");
      text(needs, takes(one));
      needs.classList.toggle("hidden", one.path.length > 1); // the graph shows it too, to those who see
      show(override, one.override != null);
      if (one.override) {
        const { level: forced, reason, ends_in: left } = one.override;
        text(override, `An operator holds it at ${forced} for another ${span(left)}: ${reason}`);
      }
      actions.update(one);
    },
  };
}

/** The edges of the graph, in words. */
function takes({ requires, prefers, any_of: groups }) {
  const preferred = Object.entries(prefers).map(([name, weight]) => `${name} (${percent(weight)})`);
  const said = [
    requires.length && `requires ${requires.join(", ")}`,
    preferred.length && `prefers ${preferred.join(", ")}`,
    ...groups.map((group) => `any one of ${group.join(", ")}`),
  ].filter(Boolean);
  return said.join(" · ");
}
