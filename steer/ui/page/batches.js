// Files of prompts: upload, watch, download.
import { button, counted, fill, h, number, signed, when, who } from "./dom.js";
import { get, post, say, send, trying } from "./api.js";
import { personChoice } from "./people-choice.js";
import { askedBox } from "./rate.js";

const EVERY_MS = 1500;
const path = (name) => `ui/batches/${encodeURIComponent(name)}`;
const address = (name) => `#/batch/${encodeURIComponent(name)}`;
const MOST_BYTES = 2 ** 20;

export async function batchesPage(root, { start }) {
  if (!start.everybody) {
    root.append(h("h1", {}, "Batches"), h("div", { class: "empty" }, h("p", {}, "Batches need a token for everybody, as a file of prompts may name anybody.")));
    return;
  }
  const [{ batches }, person] = await Promise.all([get("ui/batches"), personChoice("batch-for", null)]);
  const file = h("input", { id: "file", type: "file", accept: ".txt,.csv,.jsonl,.parquet", required: true, "aria-describedby": "file-hint" });
  const budget = h("input", { id: "batch-budget", type: "number", min: 1, max: 100000, value: Math.min(24, start.budget), required: true });
  const asks = h("input", { id: "batch-ask", type: "number", min: 0, max: 20, value: 0, required: true, "aria-describedby": "ask-hint" });
  const go = h("button", { type: "submit", class: "primary" }, "Start");
  const wrong = h("pre", { class: "wrong", role: "alert", hidden: true });
  const form = h("form", {
    class: "panel",
    submit: async (event) => {
      event.preventDefault();
      const chosen = file.files[0];
      wrong.hidden = true;
      if (chosen.size > MOST_BYTES) { say("The file has more than 1 MB; “steer batch” in a terminal takes larger ones.", "bad"); return; }
      go.setAttribute("aria-busy", "true");
      try {
        const told = new URLSearchParams({ file: chosen.name, user: person.value(), budget: budget.value, ask: asks.value });
        const made = await send(`ui/batches?${told}`, await chosen.arrayBuffer());
        location.hash = address(made.name);
      } catch (error) {
        wrong.textContent = error.message;
        wrong.hidden = false;
      } finally { go.removeAttribute("aria-busy"); }
    },
  },
  h("h2", {}, "Draw a file of prompts"),
  h("label", { for: "file" }, "Prompts"), file,
  h("p", { class: "hint", id: "file-hint" }, "a text file with one prompt a line, or csv, jsonl or parquet with the column prompt; user, seed and budget if you like"),
  h("label", { for: "batch-for" }, "User for rows that name none"), person.nodes,
  h("label", { for: "batch-budget" }, "Pictures for each prompt"), budget,
  h("label", { for: "batch-ask" }, "Questions that each prompt may ask"), asks,
  h("p", { class: "hint", id: "ask-hint" }, "they stand on the batch's page; only for your own people"), wrong,
  h("div", { class: "actions" }, go));
  root.append(h("h1", {}, "Batches"), h("div", { class: "columns" },
    h("section", {}, batches.length
      ? h("ul", { class: "list" }, batches.map((batch) => h("li", {}, h("a", { href: address(batch.name) },
        h("b", {}, batch.name), h("span", { class: "hint" }, batch.error || `${stateOf(batch)} · ${when(batch.created)}`)))))
      : h("div", { class: "empty" }, h("h2", {}, "No batches yet"), h("p", {}, "Give a file with a prompt on each line, and look at the pictures later."))),
    form));
}

export async function batchPage(root, { args, scope, start }) {
  const name = args[0];
  const head = h("div"), bar = h("progress", { "aria-label": "Rows done" }), said = h("p", { class: "status", role: "status" });
  const asked = h("ul", { class: "questions", "aria-label": "Questions of the rows" });
  const rows = h("ul", { class: "rows" }), more = button("Load more", () => load(shown), { class: "more", hidden: true });
  let shown = 0, known = new Map(), working = null;
  async function load(after) {
    const told = await get(after ? `${path(name)}?after=${after}` : path(name));
    if (scope.signal.left) return told;
    for (const row of told.rows) {
      const key = JSON.stringify(row), old = known.get(row.id);
      if (old?.key === key) continue;
      const root = rowOf(name, row);
      if (old) old.root.replaceWith(root);
      else rows.append(root);
      known.set(row.id, { key, root });
    }
    shown = Math.max(shown, told.after + told.rows.length);
    bar.max = Math.max(1, told.rows_total);
    bar.value = (told.states.done ?? 0) + (told.states.failed ?? 0);
    const text = stateOf(told) + (told.working && told.row ? ` · ${counted(told.pictures, "picture")} of the present row` : "") + (told.error ? ` · ${told.error}` : "");
    if (said.textContent !== text) said.textContent = text;
    more.hidden = shown >= told.rows_total;
    showQuestions(told.questions ?? []);
    const state = `${told.working}${told.stopping}`;
    if (state !== working) { working = state; fill(head, h("header", { class: "run-head" }, h("h1", {}, name), actions(told))); }
    return told;
  }
  let open = "";
  function showQuestions(questions) {
    const key = JSON.stringify(questions.map((each) => [each.row, each.number]));
    if (key === open) return;
    open = key;
    fill(asked, questions.map((question) => h("li", {}, askedBox(question,
      (index) => `${path(name)}/rows/${encodeURIComponent(question.row)}/pictures/${index}`, start.anchors,
      async (value) => {
        const kept = await trying(() => post(`${path(name)}/answer`, { row: question.row, question: question.number, value }));
        if (kept) { if (value !== null) say(`Saved for ${question.user}.`); load(0); }
      }))));
  }
  function actions(told) {
    const left = (told.states.waiting ?? 0) + (told.states.begun ?? 0) + (told.states.failed ?? 0);
    return h("div", { class: "actions" },
      told.working ? button("Stop", async () => { await trying(() => post(`${path(name)}/stop`)); load(0); }, { disabled: told.stopping })
        : left ? button("Continue", async () => { if (await trying(() => post(`${path(name)}/resume`))) watch(); }) : null,
      told.working || !told.states.done ? null : h("a", { class: "button primary", href: `${path(name)}/result`, download: true }, "Download the result"));
  }
  let timer;
  async function watch() {
    clearTimeout(timer);
    const told = await trying(() => load(0));
    if (told?.working && !scope.signal.left) timer = setTimeout(watch, EVERY_MS);
  }
  scope.onLeave(() => clearTimeout(timer));
  root.append(h("p", {}, h("a", { href: "#/batches" }, "← Batches")), head, bar, said, asked, rows, more);
  const told = await load(0);
  if (told.working) timer = setTimeout(watch, EVERY_MS);
}

function stateOf(batch) {
  const { done = 0, failed = 0 } = batch.states;
  return `${done} of ${counted(batch.rows_total, "row")} done${failed ? `, ${failed} failed` : ""}${batch.stopping ? " · stopping" : !batch.working ? "" : done + failed === batch.rows_total ? " · writing the table" : " · drawing"}`;
}

function rowOf(name, row) {
  const image = row.picture
    ? h("img", { src: `${path(name)}/rows/${encodeURIComponent(row.id)}/picture`, alt: row.text, loading: "lazy", width: 96, height: 96 })
    : h("div", { class: "none" }, h("span", {}, row.state));
  const liking = row.liking === null ? "" : ` · liking ${number(row.liking)}${row.gain === null ? "" : ` (${signed(row.gain)})`}`;
  return h("li", {}, image, h("div", {}, h("b", {}, row.prompt), h("span", { class: "hint" }, `${who(row.user)}${liking}`),
    row.text && row.text !== row.prompt ? h("span", { class: "text" }, row.text) : null, row.state === "failed" ? h("span", { class: "bad" }, row.reason) : null));
}
