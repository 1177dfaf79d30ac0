// What has changed, newest first, and why.

import { el, keyed, show, text } from "./dom.js";
import { clock, plain } from "./words.js";

const MOST = 300; // entries kept
const SHOWN = 100;

/** The entries that were heard, each once, newest first. */
export class Entries {
  #all = [];
  #known = new Set();

  /** Returns those that are new, oldest first. */
  add(entries) {
    const fresh = entries.filter(({ seq }) => !this.#known.has(seq)).sort((a, b) => a.seq - b.seq);
    for (const entry of fresh) this.#known.add(entry.seq);
    this.#all = [...this.#all, ...fresh].sort((a, b) => b.seq - a.seq);
    for (const { seq } of this.#all.splice(MOST)) this.#known.delete(seq);
    return fresh;
  }

  /** After a restart of the application its numbers begin anew. */
  clear() {
    this.#all = [];
    this.#known.clear();
  }

  get all() {
    return this.#all;
  }

  /** The transitions of one service's breakers. */
  of(service) {
    return this.#all.filter(({ kind, name }) => kind === "transition" && name === service);
  }
}

export function timeline(list, empty, filter, entries) {
  const rows = keyed(list, ({ seq }) => seq, row);
  const options = keyed(filter, ({ name }) => name, ({ name, label }) => {
    const root = el("option", { value: name }, label);
    return { root, update: () => {} };
  });

  function update(document) {
    if (document) {
      const names = [...document.services, ...document.capabilities].map(({ name }) => ({ name, label: name }));
      options([{ name: "", label: "everything" }, ...names]);
    }
    const wanted = filter.value;
    const chosen = entries.all.filter(({ name }) => !wanted || name === wanted).slice(0, SHOWN);
    rows(chosen);
    show(empty, chosen.length === 0);
    show(list, chosen.length > 0);
  }

  filter.replaceChildren();
  filter.addEventListener("change", () => update());
  return update;
}

const ORDERS = {
  isolate: "isolated", close: "closed", disable: "disabled", override: "held", end_override: "released",
  chaos: "put through chaos", end_chaos: "released from chaos",
};

/** What stands between an order and what it came to. */
const JOINED = { override: " at", chaos: ":" };

/** An entry's parts: of whom it is told, what happened, and what it came to. */
function told({ kind, name, domain, from, to, reason }) {
  if (kind === "suspicion") return { whom: "We ourselves", what: to ? "are suspected" : "are suspected no longer", to: "" };
  const whom = name;
  if (kind === "operator") return { whom, what: `${ORDERS[reason]} by an operator${JOINED[reason] ?? ""}`, to: reason in JOINED ? to : "" };
  return { whom, what: `${domain && `${domain} `}${plain(from)} →`, to };
}

/** An entry in a line of words. */
export function headline(entry) {
  const { whom, what, to } = told(entry);
  return [whom, what, plain(to)].filter(Boolean).join(" ");
}

function row(entry) {
  const { at, kind, reason, detail } = entry;
  const { whom, what, to } = told(entry);
  const why = kind === "operator" ? detail : `${plain(reason)}: ${detail}`;
  const root = el("li", { class: "entry" },
    el("time", { datetime: at, title: at }, clock(at)),
    el("div", {},
      el("p", {}, el("b", {}, whom), el("span", { class: "move" }, ` ${what} `, el("span", { class: "to", "data-to": to }, plain(to)))),
      el("p", { class: "quiet" }, why)));
  return { root, update: () => {} };
}
