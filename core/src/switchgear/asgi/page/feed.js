// Where the data comes from: pushed over /events; where that is silent (a proxy that buffers, too many subscribers),
// asked for at /api/state; and where neither answers, the page says how old its data is.

const SILENT = 2500; // ms without a pushed document, after which we ask ourselves
const ASK_EVERY = 1000; // ms
const REOPEN = 5000; // ms between attempts to be pushed to again, where the browser has given up
const LOST = 4000; // ms without any document
const KINDS = ["transition", "level", "suspicion", "operator"];

/**
 * Calls `onDocument(document)` about once a second, `onEntries(entries)` for what is new in the timeline (some may be
 * told again), and `onLink(kind, age)` four times a second: "live", "polling" or "lost", and the data's age in ms.
 */
export function follow({ onDocument, onEntries, onLink }) {
  let source;
  let pushed = -Infinity; // when a document was pushed
  let asked = -Infinity; // when we asked for one
  let had = performance.now(); // when we had one
  let asking = false;

  function listen() {
    source = new EventSource("events");
    source.addEventListener("open", catchUp);
    source.addEventListener("state", (event) => {
      pushed = performance.now();
      deliver(JSON.parse(event.data));
    });
    for (const kind of KINDS) source.addEventListener(kind, (event) => onEntries([JSON.parse(event.data)]));
    source.addEventListener("error", () => {
      if (source.readyState === EventSource.CLOSED) setTimeout(listen, REOPEN);
    });
  }

  function deliver(document) {
    had = performance.now();
    onDocument(document);
  }

  async function catchUp() {
    const timeline = await answer("api/timeline");
    if (timeline) onEntries(timeline);
  }

  async function ask() {
    asking = true;
    asked = performance.now();
    const document = await answer("api/state");
    asking = false;
    if (!document) return;
    deliver(document);
    await catchUp();
  }

  function watch() {
    const now = performance.now();
    const silent = now - pushed > SILENT;
    if (silent && !asking && now - asked > ASK_EVERY) ask();
    const age = now - had;
    onLink(age > LOST ? "lost" : silent ? "polling" : "live", age);
  }

  listen();
  setInterval(watch, 250);
  addEventListener("online", watch);
  document.addEventListener("visibilitychange", watch);
}

/** What a URL of this application answers, or null. */
async function answer(url) {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(4000), cache: "no-store" });
    return response.ok ? await response.json() : null;
  } catch {
    return null; // no connection, or no JSON: `onLink` says so
  }
}
