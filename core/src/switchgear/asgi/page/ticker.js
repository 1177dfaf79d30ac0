// What counts down between two documents: ten times a second, against the page's own clock.

import { text } from "./dom.js";
import { span } from "./words.js";

const clocks = new Set();
let known = true;

setInterval(() => clocks.forEach((clock) => clock.tick()), 100);

/** While the connection is lost, nobody knows what is left of any wait. */
export function trust(link) {
  known = link !== "lost";
}

/** A node that shows the seconds left, and a bar (0..1) that shrinks with them. */
export function countdown(node, bar) {
  let due = 0;
  let whole = 1;
  const clock = {
    tick() {
      const left = Math.max(0, (due - performance.now()) / 1000);
      text(node, known ? (left > 0 ? span(left) : "now") : "unknown");
      bar.style.setProperty("--part", (known ? left / whole : 0).toFixed(3));
    },
  };
  return {
    /** `seconds` are left, of a wait that has lasted `since` seconds. */
    start(seconds, since) {
      due = performance.now() + seconds * 1000;
      whole = Math.max(seconds + since, 0.001);
      clocks.add(clock);
      clock.tick();
    },
    stop: () => clocks.delete(clock),
  };
}
