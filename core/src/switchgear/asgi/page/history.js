// What the last minutes were like, kept by the page: the application itself remembers transitions, not samples.

export const MINUTES = 3;
export const LENGTH = MINUTES * 60; // s

/** Samples by name, each at the application's time in seconds; what is older than LENGTH is forgotten. */
export class History {
  #samples = new Map();

  add(name, at, sample) {
    const samples = this.#samples.get(name) ?? [];
    if (samples.length && samples.at(-1).at >= at) return; // told twice
    samples.push({ at, ...sample });
    while (samples[0].at < at - LENGTH - 5) samples.shift();
    this.#samples.set(name, samples);
  }

  of(name) {
    return this.#samples.get(name) ?? [];
  }
}

/** All breakers of a service taken together. */
export function traffic(breakers) {
  const sum = (name) => breakers.reduce((total, { traffic }) => total + traffic[name], 0);
  const worst = (name) => breakers.reduce((most, { traffic }) => Math.max(most ?? 0, traffic[name] ?? 0) || null, null);
  return {
    served: sum("served"), failed: sum("failed"), refused: sum("refused"),
    p50: worst("p50"), p95: worst("p95"), p99: worst("p99"),
  };
}
