// What an operator may do, once a token is given. The token lives in this closure and nowhere else: it is in no
// storage, no URL and no element's value, and goes with the page.

import { attr, el, show, text } from "./dom.js";
import { LEVELS } from "./glyphs.js";

const ACTIONS = {
  isolate: { title: "Isolate", of: "services", method: "POST", timed: true,
    effect: "All calls to it are refused until the time is over." },
  close: { title: "Close", of: "services", method: "POST",
    effect: "Its breakers admit calls again at once, whatever they have seen." },
  disable: { title: "Disable", of: "services", method: "POST", timed: true,
    effect: "All calls to it are admitted and none is watched, until the time is over." },
  override: { title: "Override level", of: "capabilities", method: "POST", timed: true, levelled: true,
    effect: "The level stays as you say, whatever the health, until the time is over." },
  end: { title: "End override", of: "capabilities", method: "DELETE",
    effect: "The level follows the health again." },
};

/** `done(sentence)` hears of what was carried out. */
export function operator(button, dialog, done) {
  let token = "";
  const groups = new Set();

  function enter(given) {
    token = given;
    attr(button, "aria-pressed", String(token !== ""));
    for (const group of groups) show(group, token !== "");
  }

  async function send(method, url, body) {
    const headers = { Authorization: `Bearer ${token}` };
    if (body) headers["Content-Type"] = "application/json";
    const response = await fetch(url, { method, headers, body: body && JSON.stringify(body) });
    if (response.status === 401) enter("");
    if (!response.ok) throw new Error(await problem(response));
  }

  /** Opens the dialog with a form; `submit` gets its fields, and may throw what is to be said to the operator. */
  function ask(title, content, verb, submit) {
    const said = el("p", { class: "problem", role: "alert" });
    const go = el("button", { class: "primary" }, verb);
    const cancel = el("button", { type: "button", on: { click: () => dialog.close() } }, "Cancel");
    const form = el("form", { class: "form", method: "dialog", autocomplete: "off" },
      el("h2", { id: "operator-title" }, title), ...content, said, el("div", { class: "buttons" }, cancel, go));
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      go.disabled = true;
      text(said, "");
      try {
        await submit(new FormData(form));
        dialog.close();
      } catch (error) {
        text(said, error.message);
      } finally {
        go.disabled = false;
      }
    });
    dialog.replaceChildren(form);
    dialog.showModal();
    form.querySelector("input, select, button.primary").focus();
  }

  async function signIn() {
    if (token) {
      ask("Operator", [el("p", {}, "You can act on services and capabilities. The token is kept by this page only.")],
        "Forget the token", () => enter(""));
      return;
    }
    const on = await fetch("api/session").then((response) => response.json()).catch(() => null);
    if (on?.actions === false) {
      ask("Operator", [el("p", {}, "Operator actions are off: this application was started without a token for them.")],
        "Understood", () => {});
      return;
    }
    ask("Operator", [
      el("p", {}, "With the operators' token you can isolate services and override levels. It is kept by this page only, until you reload it."),
      field("Token", el("input", { name: "token", type: "password", required: "", autocomplete: "off" })),
    ], "Use token", async (fields) => {
      enter(fields.get("token").trim());
      try {
        await send("GET", "api/session");
      } catch (error) {
        enter("");
        throw error;
      }
    });
  }

  function act(action, name) {
    const { title, of, method, timed, levelled, effect } = ACTIONS[action];
    const content = [el("p", {}, effect)];
    if (levelled) {
      const levels = LEVELS.toReversed().map((level) => el("option", { value: level }, level));
      content.push(field("Level", el("select", { name: "level" }, ...levels)));
    }
    if (method === "POST") {
      content.push(field("Reason", el("input", { name: "reason", required: "", maxlength: 200, placeholder: "for those who will wonder about it" })));
    }
    if (timed) content.push(field("For how many minutes", el("input", { name: "minutes", type: "number", required: "", min: 1, max: 1440, value: 10 })));
    ask(`${title}: ${name}`, content, title, async (fields) => {
      const body = method === "POST" ? { reason: fields.get("reason") } : null;
      if (timed) body.for = Number(fields.get("minutes")) * 60;
      if (levelled) body.level = fields.get("level");
      await send(method, `api/${of}/${encodeURIComponent(name)}/${action === "end" ? "override" : action}`, body);
      done(`${title}: ${name}, done`);
    });
  }

  /** The buttons for one service or capability, there only while a token is. `offered(item)` names its actions. */
  function actions(names, offered = () => names) {
    return (name) => {
      const buttons = names.map((action) => [action, el("button", {
        type: "button", "aria-label": `${ACTIONS[action].title} ${name}`, on: { click: () => act(action, name) },
      }, ACTIONS[action].title)]);
      const root = el("div", { class: "actions" }, ...buttons.map(([, one]) => one));
      groups.add(root);
      show(root, token !== "");
      return {
        root,
        update(item) {
          const now = offered(item);
          for (const [action, one] of buttons) show(one, now.includes(action));
        },
      };
    };
  }

  button.addEventListener("click", signIn);
  return {
    ofService: actions(["isolate", "close", "disable"]),
    ofCapability: actions(["override", "end"], ({ override }) => (override ? ["override", "end"] : ["override"])),
  };
}

const field = (label, input) => el("label", { class: "field" }, el("span", {}, label), input);

/** What the application says is wrong, else what the status means. */
async function problem(response) {
  if (response.status === 401) return "The application does not accept this token.";
  const body = await response.json().catch(() => null);
  return body?.detail ?? `The application answered ${response.status} ${response.statusText}.`;
}
