// Which page is shown: the part of the address behind #, so that Back and bookmarks work.
import { fill, h } from "./dom.js";
import { get, say } from "./api.js";
import { createPage } from "./create.js";
import { historyPage } from "./history.js";
import { comparePage, showTray } from "./compare.js";
import { runPage } from "./run.js";
import { peoplePage, personPage } from "./people.js";
import { batchesPage, batchPage } from "./batches.js";

const PAGES = {
  "": ["create", "Create", createPage],
  history: ["history", "History", historyPage],
  run: ["history", "Run", runPage],
  compare: ["history", "Compare", comparePage],
  people: ["people", "People", peoplePage],
  person: ["people", "Person", personPage],
  batches: ["batches", "Batches", batchesPage],
  batch: ["batches", "Batch", batchPage],
};
const main = document.getElementById("main");
let leave = () => {};
let turn = 0;

// A page gets a scope: what it starts ends when another page is shown.
function scope() {
  const ends = [];
  return { signal: { left: false }, onLeave: (end) => ends.push(end), end() { this.signal.left = true; ends.forEach((end) => end()); } };
}

async function show() {
  const [path, query] = location.hash.replace(/^#\/?/, "").split("?");
  const [first, ...rest] = path.split("/").map(decodeURIComponent);
  const [page, title, build] = PAGES[first] ?? PAGES[""];
  const mine = ++turn, here = scope();
  leave();
  leave = () => here.end();
  document.title = `${title} · steer`;
  for (const link of document.querySelectorAll("nav a")) {
    if (link.dataset.page === page) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  fill(main, h("p", { class: "loading" }, "Loading …"));
  showTray();
  const root = h("div", { class: `page ${page}` });
  try {
    await build(root, { args: rest, query: new URLSearchParams(query ?? ""), start, scope: here });
    if (mine === turn) fill(main, root);
  } catch (error) {
    if (mine !== turn) return;
    fill(main, h("div", { class: "empty" }, h("h1", {}, "This cannot be shown"), h("p", {}, error.message),
      h("p", {}, h("a", { href: "#/history" }, "To the history"))));
  }
  if (mine === turn && moved) { main.focus({ preventScroll: true }); window.scrollTo(0, 0); }
}

let moved = false;
let start;
window.addEventListener("hashchange", () => { moved = true; show(); });
document.getElementById("skip").addEventListener("click", () => main.focus());
try {
  start = await get("ui/start");
  await show();
} catch (error) {
  fill(main, h("div", { class: "empty" }, h("h1", {}, "steer does not answer"), h("p", {}, error.message)));
  say(error.message, "bad");
}
