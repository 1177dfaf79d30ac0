// The live page: what comes in goes to its views, and nothing here draws anything itself.

import { announcer } from "./announce.js";
import { capabilities } from "./capabilities.js";
import { el, keyed, show, text } from "./dom.js";
import { follow } from "./feed.js";
import { graph } from "./graph.js";
import { History, traffic } from "./history.js";
import { operator } from "./operator.js";
import { overview } from "./overview.js";
import { services } from "./services.js";
import { Entries, timeline } from "./timeline.js";
import { trust } from "./ticker.js";
import { age, plain, score } from "./words.js";

const $ = (id) => document.getElementById(id);

const history = new History();
const entries = new Entries();
const announce = announcer($("announcements"));
const acting = operator($("operator-open"), $("operator"), announce.say);

const views = [
  overview($("overview"), history),
  capabilities($("capabilities"), $("capability-list"), history, acting.ofCapability),
  graph($("graph-canvas")),
  services($("tiles"), $("tiles-empty"), history, entries, acting.ofService),
];
const showTimeline = timeline($("entries"), $("entries-empty"), $("timeline-filter"), entries);
const plugins = keyed($("plugin-list"), ({ name }) => name, () => {
  const root = el("li");
  return {
    root,
    update: ({ name, state, distribution, version, problem }) =>
      text(root, `${name}: ${plain(state)}, ${distribution} ${version}${problem ? `: ${problem}` : ""}`),
  };
});

let uptime = 0;
let opened = Infinity; // the application's time at the first document

function onDocument(state) {
  if (state.uptime < uptime) entries.clear(); // another run of the application: its timeline begins anew
  uptime = state.uptime;
  const now = Date.parse(state.at) / 1000;
  opened = Math.min(opened, now);
  history.add("", now, { score: state.app.score });
  for (const one of state.capabilities) history.add(one.name, now, { score: one.score });
  for (const one of state.services) history.add(one.name, now, { score: one.score, ...traffic(one.breakers) });
  for (const view of views) view(state, now);
  showTimeline(state);
  plugins(state.plugins);
  show($("plugins"), state.plugins.length > 0);
  text($("about"), `switchgear ${state.version}`);
  text($("title"), `Health of ${state.app.name}`);
  document.title = `${score(state.app.score)} ${plain(state.app.status)} · ${state.app.name}`;
  $("main").removeAttribute("aria-busy");
}

function onEntries(given) {
  const fresh = entries.add(given);
  if (fresh.length === 0) return;
  fresh.filter(({ at }) => Date.parse(at) / 1000 > opened).forEach(announce.entry); // older is no news
  showTimeline();
}

const SAID = {
  live: () => "Live",
  polling: () => "Live, by asking",
  lost: (ms) => (uptime ? `Connection lost, data is ${age(ms / 1000)} old` : "No answer yet"),
};
let linked = "";

function onLink(link, ms) {
  if (uptime === 0 && link !== "lost") return; // still connecting
  if (link !== linked && (link === "lost" || linked === "lost")) {
    announce.say(link === "lost" ? "Connection lost" : "Connected again");
  }
  linked = link;
  document.documentElement.dataset.link = link;
  $("link").dataset.link = link;
  text($("link-text"), SAID[link](ms));
  trust(link);
}

follow({ onDocument, onEntries, onLink });
