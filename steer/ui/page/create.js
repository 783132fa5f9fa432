// The prompt box, and the run that it starts below it.
import { button, fill, h } from "./dom.js";
import { get, post, trying } from "./api.js";
import { personChoice } from "./people-choice.js";
import { RunView } from "./run.js";
import { card } from "./history.js";

const EXAMPLES = ["a fox in the snow", "a lighthouse by the sea", "a castle"];
const remembered = {
  read(name) { try { return localStorage.getItem(`steer-${name}`); } catch { return null; } },
  write(name, value) { try { localStorage.setItem(`steer-${name}`, value); } catch { /* a private window */ } },
};

export async function createPage(root, { start, scope, query }) {
  const chosen = query.get("user") ?? remembered.read("user");
  const who = await personChoice("for", chosen, (value) => remembered.write("user", value));
  const prompt = h("textarea", {
    id: "prompt", rows: 1, maxlength: 2000, placeholder: "a fox in the snow", enterkeyhint: "go", required: true,
  });
  prompt.value = query.get("prompt") ?? "";
  const strength = query.get("strength") ?? remembered.read("strength") ?? start.strength;
  const said = h("p", { class: "hint", id: "strength-hint" }, start.strengths[strength] ?? "");
  const dials = Object.keys(start.strengths).map((name) => h("label", {},
    h("input", {
      type: "radio", name: "strength", value: name, checked: name === strength,
      change: () => { said.textContent = start.strengths[name]; remembered.write("strength", name); },
    }), h("span", {}, name)));
  const step = start.most >= 24 ? 4 : 1;
  const amount = Math.min(start.most, Number(remembered.read("budget")) || start.budget);
  const budget = h("input", { id: "budget", type: "range", min: step, max: start.most, step, value: amount });
  const shown = h("output", { for: "budget" });
  const tell = () => { shown.textContent = `${budget.value} pictures`; remembered.write("budget", budget.value); };
  budget.addEventListener("input", tell);
  tell();
  const go = h("button", { type: "submit", class: "primary", id: "run" }, "Run");
  const below = h("div", { class: "below" });

  async function begin() {
    const body = { prompt: prompt.value, user: who.value(), budget: Number(budget.value), learn: who.own(), ask: who.own() ? 3 : 0 };
    const dial = root.querySelector("input[name=strength]:checked");
    if (dial) body.strength = dial.value;
    const begun = await trying(() => post("v1/runs", body), go);
    if (!begun) return;
    watch(begun);
    view.root.focus({ preventScroll: true }); // so that the keys 1 to 5 rate, and are not typed into the prompt
  }
  let view = null;
  function watch(run) {
    view?.close();
    view = new RunView({ start, live: run.id, run, again: prefill });
    fill(below, view.root);
  }
  scope.onLeave(() => view?.close());
  function prefill(text, user) {
    prompt.value = text;
    if (user) location.hash = `#/?${new URLSearchParams({ prompt: text, user })}`;
    begin();
  }

  const form = h("form", { class: "composer", submit: (event) => { event.preventDefault(); begin(); } },
    h("label", { for: "prompt", class: "big" }, "What should be drawn?"),
    prompt,
    h("div", { class: "dials" },
      h("div", {}, h("label", { for: "for" }, "Draw for"), who.nodes),
      h("fieldset", { "aria-describedby": "strength-hint" }, h("legend", {}, "Strength"), h("div", { class: "segments" }, dials), said),
      h("div", {}, h("label", { for: "budget" }, "Budget ", shown), budget, h("p", { class: "hint" }, "more pictures, better odds")),
      h("div", { class: "go" }, go)));
  prompt.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey) { event.preventDefault(); form.requestSubmit(); }
  });
  root.append(h("h1", { class: "unseen" }, "Create"), form, below);

  const runs = (await get("v1/runs")).data;
  const going = runs.find((run) => run.state === "running" || run.state === "waiting");
  if (query.get("go")) {
    history.replaceState(null, "", "#/");
    await begin();
  } else if (going) watch(going);
  else fill(below, await nothingYet(who.people, prompt));
}

async function nothingYet(people, prompt) {
  const recent = await get("ui/runs?most=4");
  const welcome = people.own.length
    ? null
    : h("section", { class: "welcome" },
      h("h2", {}, "Pictures for one person"),
      h("p", {}, "steer tries many ways to say what you ask for, draws them, and keeps what this person likes best. It can only please somebody whose taste it knows."),
      h("p", {}, h("a", { class: "button primary", href: "#/people" }, "Teach it your taste"), " ", h("span", { class: "hint" }, "one sentence, or two minutes of ratings")));
  const ideas = h("section", { class: "ideas" }, h("h2", {}, "Try one"),
    h("div", { class: "chips" }, EXAMPLES.map((text) => button(text, () => { prompt.value = text; prompt.focus(); }, { class: "chip" }))));
  const last = recent.runs.length
    ? h("section", {}, h("h2", {}, "Lately"), h("div", { class: "cards" }, recent.runs.map((run) => card(run))))
    : null;
  return [welcome, last ?? ideas];
}
