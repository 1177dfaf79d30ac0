// A breaker's state in one line: the switch, the word, and what comes next, with a bar for how far it is.

import { attr, el, text } from "./dom.js";
import { switchGlyph } from "./glyphs.js";
import { kind } from "./states.js";
import { countdown } from "./ticker.js";
import { age, percent, plain } from "./words.js";

export function stateLine() {
  const glyph = switchGlyph();
  const word = el("span", { class: "state-word" });
  const note = el("span");
  const left = el("span", { class: "countdown" });
  const bar = el("span", { class: "bar", "aria-hidden": "true" }, el("span", { class: "bar-part" }));
  const clock = countdown(left, bar);
  const root = el("div", { class: "state" }, glyph.root, word,
    el("span", { class: "state-next" }, note, " ", left), bar);

  function still(part = 0) {
    clock.stop();
    text(left, "");
    bar.style.setProperty("--part", part.toFixed(3));
  }

  return {
    root,
    update(breaker) {
      const { state, since, retry_after: wait, share, probes } = breaker;
      const ramping = state === "CLOSED" && share < 1;
      glyph.update(state);
      attr(root, "data-state", state);
      attr(root, "data-kind", ramping ? "ramp" : kind(state));
      text(word, plain(state));
      if (wait != null && (state === "OPEN" || state === "FORCED_OPEN")) {
        text(note, state === "OPEN" ? "probes in" : "held by an operator for another");
        clock.start(wait, since);
      } else if (state === "HALF_OPEN") {
        text(note, `${probes.done} of ${probes.of} probes decided, ${probes.under_way} under way`);
        still(probes.of ? probes.done / probes.of : 0);
      } else {
        text(note, ramping ? `ramping up, admits ${percent(share)}` : `${AS_IT_IS[state]} for ${age(since)}`);
        still(ramping ? share : 0);
      }
    },
    end: clock.stop,
  };
}

const AS_IT_IS = {
  CLOSED: "admits all calls",
  OPEN: "until an operator closes it; so",
  FORCED_OPEN: "held by an operator",
  DISABLED: "unwatched by an operator's order",
  METRICS_ONLY: "only reports, by an operator's order,",
};
