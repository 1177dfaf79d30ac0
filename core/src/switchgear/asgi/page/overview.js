// The application in one look: its score, what limits it, what to mend.

import { sparkline } from "./chart.js";
import { attr, el, keyed, show, text } from "./dom.js";
import { statusGlyph } from "./glyphs.js";
import { MINUTES } from "./history.js";
import { age, anchor, latency, path, percent, plain, score } from "./words.js";

const LATE = 0.1; // s; a loop that late makes every timeout look like a backend's

export function overview(parent, history) {
  const points = el("p", { class: "big-score" });
  const glyph = statusGlyph();
  const status = el("span");
  const why = el("p", { class: "headline-why" });
  const spark = sparkline();
  const roots = el("ul", { class: "roots" });
  const rows = keyed(roots, ({ name }) => name, root);
  const none = el("p", { class: "quiet" }, "Nothing to mend.");
  const suspicion = el("p", { class: "suspicion", role: "note" });
  const facts = new Map(["Uptime", "Event loop", "Confidence"].map((name) => [name, el("dd")]));
  parent.append(
    el("div", { class: "headline" }, points,
      el("div", { class: "headline-words" }, el("p", { class: "headline-status" }, glyph.root, status), why)),
    el("div", { class: "headline-spark" }, el("p", { class: "figure-title" }, `Score, last ${MINUTES} min`), spark.root,
      el("dl", {}, ...[...facts].map(([name, value]) => el("div", {}, el("dt", {}, name), value)))),
    el("div", { class: "mend" }, el("h3", {}, "To mend"), none, roots, suspicion));

  return (document, now) => {
    const { app, lag, uptime, suspects } = document;
    attr(parent, "data-status", app.status);
    text(points, score(app.score));
    glyph.update(app.status);
    text(status, plain(app.status));
    text(why, app.path.length > 1 ? `${path(app.path)}: ${app.reason}.` : `${sentence(app.reason)}.`);
    spark.update(history.of(""), now);
    text(facts.get("Uptime"), age(uptime));
    text(facts.get("Event loop"), lag < LATE ? "on time" : `${latency(lag)} late`);
    attr(facts.get("Event loop"), "data-late", lag < LATE ? null : "");
    text(facts.get("Confidence"), percent(app.confidence));
    rows(document.services.filter(({ name }) => document.roots.includes(name)));
    show(none, document.roots.length === 0);
    show(suspicion, suspects.length > 0);
    text(suspicion, suspects.length ? suspect(suspects, lag) : "");
  };
}

function root({ name }) {
  const glyph = statusGlyph();
  const reason = el("span");
  return {
    root: el("li", {}, glyph.root, el("a", { href: `#${anchor("service", name)}` }, name), " ", reason),
    update(service) {
      glyph.update(service.status);
      text(reason, service.reason);
    },
  };
}

const sentence = (said) => said[0].toUpperCase() + said.slice(1);

function suspect(services, lag) {
  const loop = lag < LATE ? "the event loop is on time, so look at the network" : `the event loop is ${latency(lag)} late`;
  return `Suspect ourselves first: ${services.join(", ")} broke at once with nothing in common; ${loop}.`;
}
