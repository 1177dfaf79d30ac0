// The states of breakers, as the page ranks and draws them.

import { LENGTH } from "./history.js";

/** Worst first: what an operator should see of a service that has several. */
const RANK = ["FORCED_OPEN", "OPEN", "HALF_OPEN", "DISABLED", "METRICS_ONLY", "CLOSED"];

const KIND = {
  FORCED_OPEN: "refusing", OPEN: "refusing", HALF_OPEN: "probing", DISABLED: "unwatched", METRICS_ONLY: "unwatched",
};

export const kind = (state) => KIND[state] ?? "closed";

/** Of a breaker: lower is worse. One that is ramping up is not yet as good as closed. */
export const rank = ({ state, share }) => RANK.indexOf(state) - (state === "CLOSED" && share < 1 ? 0.5 : 0);

/** The breaker that a service's tile speaks of: the worst; of equal ones the main, else the one that has judged most
 * calls. A main that is closed watches none, and has nothing to tell but where there is no other.
 */
export function foremost(breakers) {
  const [main, ...branches] = breakers;
  const telling = main.state === "CLOSED" && branches.length ? branches : breakers;
  const compare = (one, other) => rank(one) - rank(other) || (other === main ? 0 : judged(other) - judged(one));
  return telling.reduce((worst, one) => (compare(one, worst) < 0 ? one : worst));
}

const judged = ({ verdicts }) => Object.values(verdicts).reduce((sum, calls) => sum + calls, 0);

/** What a service's breakers were in over the last minutes: [{from, until, kind}], told from its transitions alone. */
export function past(breakers, entries, now) {
  const moves = entries
    .map((entry) => ({ ...entry, at: Date.parse(entry.at) / 1000 }))
    .filter((move) => move.at > now - LENGTH)
    .sort((a, b) => a.at - b.at || a.seq - b.seq);
  const states = new Map(breakers.map(({ domain, state }) => [domain, state]));
  for (const move of moves.toReversed()) states.set(move.domain, move.from);

  const found = [];
  let since = now - LENGTH;
  const until = (end) => {
    const worst = [...states.values()].sort((a, b) => RANK.indexOf(a) - RANK.indexOf(b))[0];
    const last = found.at(-1);
    if (last?.kind === kind(worst)) last.until = end;
    else if (end > since) found.push({ from: since, until: end, kind: kind(worst) });
    since = end;
  };
  for (const move of moves) {
    until(move.at);
    states.set(move.domain, move.to);
  }
  until(now);
  return found;
}
