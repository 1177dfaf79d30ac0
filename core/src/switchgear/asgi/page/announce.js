// What a screen reader says unasked: changes of state and of the connection, gathered for a moment and said once.

import { text } from "./dom.js";
import { headline } from "./timeline.js";
import { plain } from "./words.js";

const GATHER = 700; // ms
const MOST = 4;

export function announcer(node) {
  let waiting = [];
  let timer;

  function say(sentence) {
    waiting.push(sentence);
    timer ??= setTimeout(() => {
      const more = waiting.length - MOST;
      text(node, [...waiting.slice(0, MOST), ...(more > 0 ? [`and ${more} more changes`] : [])].join(". "));
      waiting = [];
      timer = undefined;
    }, GATHER);
  }

  return {
    say,
    entry: (entry) => say(`${headline(entry)}${entry.reason ? `, ${plain(entry.reason)}` : ""}`),
  };
}
