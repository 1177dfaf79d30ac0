// Numbers and names as people read them.

const THIN = "\u202f"; // the narrow space between a number and its unit

/** Rounded down: 89.9 is not shown as the 90 that would be healthy. */
export const score = (value) => String(Math.floor(value));

export const percent = (ratio) => `${Math.round(ratio * 100)}${THIN}%`;

export function rate(perSecond) {
  if (perSecond === 0) return "0";
  return perSecond < 9.95 ? perSecond.toFixed(1) : String(Math.round(perSecond));
}

/** A latency. */
export function latency(seconds) {
  if (seconds == null) return "–";
  if (seconds < 0.00995) return `${(seconds * 1000).toFixed(1)}${THIN}ms`;
  if (seconds < 0.9995) return `${Math.round(seconds * 1000)}${THIN}ms`;
  return `${seconds.toFixed(seconds < 9.95 ? 1 : 0)}${THIN}s`;
}

/** A span of time, for people who wait: 4.2 s, 38 s, 12 min, 3 h, 5 d. */
export function span(seconds) {
  if (seconds < 9.95) return `${Math.max(0, seconds).toFixed(1)}${THIN}s`;
  if (seconds < 120) return `${Math.round(seconds)}${THIN}s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)}${THIN}min`;
  if (seconds < 172800) return `${Math.round(seconds / 3600)}${THIN}h`;
  return `${Math.round(seconds / 86400)}${THIN}d`;
}

/** The same without tenths, for what has only whole seconds to say. */
export const age = (seconds) => (seconds < 120 ? `${Math.floor(seconds)}${THIN}s` : span(seconds));

/** A name from the machine: failure_rate, HALF_OPEN. */
export const plain = (name) => String(name).replaceAll("_", " ");

export const clock = (iso) => new Date(iso).toLocaleTimeString([], { hour12: false });

export const number = (value) => value.toLocaleString("en", { maximumFractionDigits: 2 }).replaceAll(",", THIN);

/** The id of what stands for a service or a capability: names may have spaces, ids may not. */
export const anchor = (kind, name) => `${kind}-${encodeURIComponent(name)}`;

export const path = (names) => names.map(plain).join(" ← ");

/** What one of a service's breakers is for. The main has no domain; nor have calls that belong to none. */
export function domain(breakers, breaker) {
  if (breaker === breakers[0]) return "whole service";
  return breaker.domain || (breakers.length > 2 ? "other calls" : "all calls");
}
