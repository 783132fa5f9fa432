// All runs of the output folder: the newest first, a page at a time.
import { button, fill, h, number, signed, when, who } from "./dom.js";
import { get, picturePath, trying } from "./api.js";
import { isChosen, toggle } from "./compare.js";

const PAUSE_MS = 250; // of somebody who types

export function card(run) {
  const address = `#/run/${encodeURIComponent(run.name)}`;
  const liking = run.liking === null ? (run.finished ? "" : "not finished") : `liking ${number(run.liking)}${run.gain === null ? "" : ` (${signed(run.gain)})`}`;
  return h("article", { class: "card" },
    h("a", { href: address },
      run.best === null ? h("div", { class: "none" }, h("span", {}, run.finished ? "no picture" : "not finished"))
        : h("img", { src: picturePath(run.name, run.best, 256), alt: "", loading: "lazy", width: 256, height: 256 }),
      h("b", {}, run.prompt || run.name)),
    h("span", { class: "hint" }, `${who(run.user)} · ${when(run.created)}`),
    h("span", { class: "hint" }, `${liking}${run.favourites.length ? ` · ${"★".repeat(Math.min(3, run.favourites.length))}` : ""}`),
    run.best === null ? null : comparer(run.name, run.best));
}

function comparer(name, index) {
  const box = button("", () => toggle(name, index), { class: "quiet small" });
  const tell = () => { const on = isChosen(name, index); box.textContent = on ? "✓ Compare" : "Compare"; box.setAttribute("aria-pressed", String(on)); };
  box.addEventListener("click", tell);
  tell();
  return box;
}

export async function historyPage(root, { query, scope }) {
  const search = h("input", { type: "search", id: "search", placeholder: "Search prompts and people", "aria-label": "Search the history", maxlength: 200, value: query.get("q") ?? "" });
  const only = h("input", { type: "checkbox", id: "favourites", checked: query.has("favourites") });
  const cards = h("div", { class: "cards" });
  const more = button("Load more", () => load(), { class: "more", hidden: true });
  const said = h("p", { class: "hint", role: "status" });
  const take = h("a", { class: "button", href: "ui/export?favourites=true", download: true, hidden: true }, "Export favourites");
  let last = "", asked = 0, busy = false;

  async function load(anew = false) {
    if (busy && !anew) return;
    busy = true;
    const mine = ++asked;
    const wanted = new URLSearchParams({ query: search.value, after: anew ? "" : last, favourites: only.checked });
    const page = await trying(() => get(`ui/runs?${wanted}`), cards);
    busy = false;
    if (!page || mine !== asked || scope.signal.left) return;
    if (anew) fill(cards);
    cards.append(...page.runs.flatMap((run) => (only.checked ? run.favourites.map((index) => favourite(run, index)) : [card(run)])));
    last = page.runs.at(-1)?.name ?? last;
    more.hidden = !page.more;
    take.hidden = !only.checked || cards.childElementCount === 0;
    said.textContent = cards.childElementCount ? `${cards.childElementCount}${page.more ? " shown, there are more" : " shown"}` : "";
    if (!cards.childElementCount) fill(cards, nothing(search.value, only.checked));
  }
  let timer;
  const anew = () => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      const told = new URLSearchParams();
      if (search.value) told.set("q", search.value);
      if (only.checked) told.set("favourites", 1);
      history.replaceState(null, "", `#/history${[...told].length ? `?${told}` : ""}`);
      load(true);
    }, PAUSE_MS);
  };
  search.addEventListener("input", anew);
  only.addEventListener("change", anew);
  const sight = new IntersectionObserver(([seen]) => { if (seen.isIntersecting && !more.hidden) load(); }, { rootMargin: "400px" });
  sight.observe(more);
  scope.onLeave(() => { sight.disconnect(); clearTimeout(timer); });
  root.append(h("h1", {}, "History"),
    h("div", { class: "tools" }, search, h("label", { class: "check", for: "favourites" }, only, " Favourites"), take), said, cards, more);
  await load(true);
}

function favourite(run, index) {
  return h("article", { class: "card" },
    h("a", { href: `#/run/${encodeURIComponent(run.name)}` },
      h("img", { src: picturePath(run.name, index, 256), alt: "", loading: "lazy", width: 256, height: 256 }), h("b", {}, `★ ${run.prompt}`)),
    h("span", { class: "hint" }, `${who(run.user)} · ${when(run.created)}`), comparer(run.name, index));
}

function nothing(query, favourites) {
  if (query) return h("div", { class: "empty" }, h("p", {}, `Nothing has “${query}” in its prompt or people.`));
  if (favourites) return h("div", { class: "empty" }, h("p", {}, "No favourites yet. Open a run and press ☆ Favourite below a picture."));
  return h("div", { class: "empty" }, h("h2", {}, "Nothing drawn yet"), h("p", {}, "What you draw is kept here."), h("p", {}, h("a", { class: "button primary", href: "#/" }, "Draw something")));
}
