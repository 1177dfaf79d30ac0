// A node of the graph: a link to what it stands for, with its state or level, its score, and its part in the trouble.

import { attr, el, text } from "./dom.js";
import { levelGlyph, statusGlyph, switchGlyph } from "./glyphs.js";
import { foremost } from "./states.js";
import { anchor, plain, score } from "./words.js";

export function node({ name, breakers }) {
  const glyph = statusGlyph();
  const own = breakers ? switchGlyph() : levelGlyph();
  const points = el("span", { class: "score" });
  const status = el("span", { class: "hidden" });
  const word = el("span", { class: "node-word" });
  const note = el("span", { class: "node-note" });
  const kind = breakers ? "service" : "capability";
  const root = el("li", {},
    el("a", { class: `node ${kind}`, href: `#${anchor(kind, name)}` },
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
