// A run: as it goes on, or as it is stored. The same view for both.
import { button, clock, counted, fill, h, marked, number, who } from "./dom.js";
import { get, picturePath, post, runPath, say, trying } from "./api.js";
import { askedBox, keys, scale } from "./rate.js";
import { toggle as toggleCompare, isChosen } from "./compare.js";

const ENDED = { done: "Finished", stopped: "Stopped", failed: "Failed", cancelled: "Cancelled", unfinished: "Not finished" };

export async function runPage(root, { args, start, scope }) {
  const stored = await get(runPath(args[0]));
  const view = new RunView({
    start, live: stored.live, stored, heading: "h1",
    again: (prompt, user) => { location.hash = `#/?${new URLSearchParams({ prompt, user, go: 1 })}`; },
  });
  scope.onLeave(() => view.close());
  root.append(h("p", {}, h("a", { href: "#/history" }, "← History")), view.root);
}

export class RunView {
  // live: the id of a run that goes on; run: what the server says of it; stored: what lies in its folder.
  constructor({ start, live = null, run = null, stored = null, again, heading = "h2" }) {
    Object.assign(this, { start, live, again, heading, pictures: new Map(), favourites: new Set(), scores: new Map() });
    this.facts = stored ?? { ...run, pictures: undefined };
    this.name = stored?.name ?? run?.name ?? null;
    this.state = live ? (run?.state ?? "running") : stored.state;
    this.picked = null;
    this.ends = [];
    this.tiles = new Map();
    this.begun = live ? Date.now() : null;
    this.build();
    if (stored) this.take(stored);
    if (live) this.listen();
    this.draw();
    keys({ onLeave: (end) => this.ends.push(end) }, {
      ...Object.fromEntries(Object.keys(start.anchors).map((score) => [score, () => this.rate(Number(score))])),
      f: () => this.favourite(), m: () => this.more(),
    });
  }

  close() {
    this.source?.close();
    clearInterval(this.ticking);
    this.ends.forEach((end) => end());
  }

  get over() { return !this.live; }

  build() {
    this.title = h(this.heading, {}, `“${this.facts.prompt}”`);
    this.sub = h("p", { class: "hint" });
    this.progress = h("progress", { "aria-label": "Pictures drawn", max: 1, value: 0 });
    this.status = h("p", { class: "status", role: "status" });
    this.actions = h("div", { class: "actions" });
    this.pair = h("div", { class: "pair" });
    this.sides = ["Original", "Best so far"].map((title) => side(title));
    this.pair.append(...this.sides.map((each) => each.root));
    this.ask = h("section", { class: "ask", hidden: true, "aria-label": "A question" });
    this.detail = h("aside", { class: "detail", "aria-label": "The chosen picture" });
    this.grid = h("div", { class: "grid", role: "group", "aria-label": "All pictures" });
    this.notes = h("div", { class: "notes" });
    this.root = h("section", { class: "run", "aria-label": "A run", tabindex: -1 },
      h("header", { class: "run-head" }, h("div", {}, this.title, this.sub), this.actions),
      this.progress, this.status, this.notes,
      h("div", { class: "board" }, h("div", { class: "top" }, this.pair, this.ask), this.detail,
        h("div", { class: "all" }, h("p", {}, h("b", {}, "All pictures")), this.grid)));
  }

  // what happens

  listen() {
    this.source = new EventSource(`v1/runs/${this.live}/events`);
    const on = (name, act) => this.source.addEventListener(name, (event) => act(JSON.parse(event.data)));
    on("start", async (event) => {
      this.name = event.at;
      this.state = "running";
      const stored = await get(runPath(this.name)).catch(() => null);
      if (stored) { this.facts = { ...this.facts, ...stored, pictures: undefined }; this.favourites = new Set(stored.favourites); }
      this.draw();
    });
    on("question", (event) => this.asksWhich(event));
    on("answer", (event) => { if (this.asking === event.question) this.answered(); });
    on("round", () => this.question());
    on("picture", (event) => { this.pictures.set(event.index, event); this.draw(); });
    on("end", (event) => this.ended(event));
    this.source.onerror = () => { if (this.source.readyState === EventSource.CLOSED) say("The server does not answer any more.", "bad"); };
    this.ticking = setInterval(() => { this.drawHead(); if (this.state === "waiting") this.place(); }, 1000);
  }

  async place() {
    const told = await get(`v1/runs/${this.live}`).catch(() => null);
    if (told) this.facts.before = told.before;
  }

  async ended(event) {
    this.source.close();
    clearInterval(this.ticking);
    this.state = event.state;
    this.live = null;
    this.ask.hidden = true;
    if (event.error) this.facts.error = event.error;
    if (this.name) {
      const stored = await get(runPath(this.name)).catch(() => null);
      if (stored) this.take(stored, event.state);
    }
    this.draw();
  }

  take(stored, state = null) {
    this.facts = { ...this.facts, ...stored, pictures: undefined };
    this.name = stored.name;
    if (!this.live) this.state = state && state !== "done" ? state : stored.state;
    this.favourites = new Set(stored.favourites);
    for (const picture of stored.pictures) this.pictures.set(picture.index, picture);
  }

  // A question of the run: how much one picture is liked, or which of two or three is liked best.
  asksWhich(question) {
    if (!this.live || !this.facts.rater) return;
    this.asking = question.number;
    const answer = async (value) => {
      if (await trying(() => post(`v1/runs/${this.live}/answer`, { question: question.number, value }))) {
        if (value !== null) say(`Saved for ${question.user}. The next round takes it into account.`);
        this.answered();
      }
    };
    this.ask.hidden = false;
    fill(this.ask, askedBox(question, (index) => picturePath(this.name, index, 256), this.start.anchors, answer));
  }

  answered() {
    this.asking = undefined;
    this.ask.hidden = true;
  }

  async question() {
    if (!this.live || !this.facts.rater || !this.facts.learn || this.facts.ask || this.asked !== undefined) return; // one stays until it is answered
    const told = await get(`v1/runs/${this.live}/questions`).catch(() => null);
    const asked = told?.data.map((each) => each.picture).find((picture) => !this.scores.has(picture.index));
    if (!asked || this.over || this.asked !== undefined) return;
    this.ask.hidden = false;
    this.asked = asked.index;
    fill(this.ask,
      h("img", { src: picturePath(this.name, asked.index, 256), alt: `The picture asked about: ${asked.text}` }),
      h("div", {}, h("p", {}, h("b", {}, "How much do you like this one?")), h("p", { class: "hint" }, "Of all pictures so far your answer would tell most here. It steers the rest of this run."),
        scale(this.start.anchors, async (score) => { await this.rate(score, asked.index); this.asked = undefined; this.ask.hidden = true; this.question(); }, "Your answer")));
  }

  // what a person does

  async rate(score, index = this.shown()?.index) {
    if (index === undefined || !this.facts.rater) return;
    const going = this.live;
    const path = going ? `v1/runs/${going}/rate` : `${runPath(this.name)}/rate`;
    const kept = await trying(() => post(path, { picture: index, score }));
    if (!kept) return;
    this.scores.set(index, score);
    say(`Saved for ${kept.user}: ${score} of 5. ${kept.counts_now ? "The next round takes it into account." : "The next run takes it into account."}`);
    this.draw();
  }

  async favourite(index = this.shown()?.index) {
    if (index === undefined) return;
    const kept = await trying(() => post(`${runPath(this.name)}/favourite`, { picture: index, favourite: !this.favourites.has(index) }));
    if (kept) { this.favourites = new Set(kept.favourites); this.draw(); }
  }

  more() {
    const picture = this.shown();
    if (picture) this.again(picture.text, this.facts.user);
  }

  async stop() {
    this.stopping = true;
    await trying(() => post(`v1/runs/${this.live}/stop`));
    this.drawHead();
  }

  async goOn() {
    const run = await trying(() => post(`${runPath(this.name)}/resume`));
    if (!run) return;
    Object.assign(this, { live: run.id, state: run.state, begun: Date.now(), stopping: false });
    this.facts = { ...this.facts, ...run, best: null, error: null };
    this.listen();
    this.draw();
  }

  pick(index) {
    this.picked = index;
    this.draw();
    if (matchMedia("(max-width: 900px)").matches) this.detail.scrollIntoView({ behavior: "smooth", block: "nearest" });
  }

  // what is shown

  drawn() { return [...this.pictures.values()].filter((picture) => picture.drawn); }

  ranked() {
    const worth = (picture) => picture.objective ?? picture.liking ?? -1;
    const best = this.over ? this.facts.best : null;
    return this.drawn().sort((a, b) => (b.index === best) - (a.index === best) || worth(b) - worth(a));
  }

  original() {
    const own = this.drawn().filter((picture) => picture.text === this.facts.prompt);
    if (this.over && this.pictures.has(this.facts.original)) return this.pictures.get(this.facts.original);
    const best = this.ranked()[0];
    return own.find((picture) => picture.seed === best?.seed) ?? own[0];
  }

  shown() { return this.pictures.get(this.picked) ?? this.ranked()[0]; }

  draw() {
    this.drawHead();
    const best = this.ranked()[0];
    this.sides[0].show(this, this.original());
    this.sides[1].title.textContent = this.over ? "Best" : "Best so far";
    this.sides[1].show(this, best);
    this.drawDetail();
    this.drawGrid(best);
  }

  drawHead() {
    const n = this.pictures.size, facts = this.facts, budget = facts.budget;
    this.sub.textContent = `for ${who(facts.user)}${this.name ? ` · ${this.name}` : ""}`;
    this.progress.max = this.over ? Math.max(n, 1) : budget;
    this.progress.value = n;
    this.progress.hidden = this.over;
    let said;
    if (this.over) {
      const gain = facts.gain_words ? ` Gain in liking: ${facts.gain_words}.` : "";
      const why = facts.error ? `: ${facts.error}` : facts.why ? `: ${facts.why}` : "";
      said = `${ENDED[this.state] ?? this.state}${why}. ${counted(n, "picture")}.${gain}`;
    } else if (this.state === "waiting") {
      const before = facts.before ?? 0;
      said = before ? `Waiting: ${counted(before, "run")} first.` : "Waiting for its turn …";
    } else if (this.stopping) said = "Stopping after this picture; everything so far is kept.";
    else {
      this.first ??= n ? Date.now() : null;
      const spent = (Date.now() - this.begun) / 1000;
      const left = n > 1 ? (spent / n) * (budget - n) : null;
      said = n ? `${n} of ${budget} pictures · ${clock(spent)}${left === null ? "" : `, about ${clock(left)} to go`}` : `Writing and drawing the first of ${counted(budget, "picture")} …`;
    }
    if (this.status.textContent !== said) this.status.textContent = said;
    const state = `${this.over}${this.stopping}${this.state}${n > 0}`;
    if (state !== this.actionsFor) {
      this.actionsFor = state;
      fill(this.actions,
        this.over ? null : button("Stop", () => this.stop(), { id: "stop", disabled: this.stopping }),
        this.over && ["stopped", "unfinished", "failed"].includes(this.state) && this.name ? button("Continue", () => this.goOn(), { id: "continue" }) : null,
        this.over && n ? button("Run again", () => this.again(facts.prompt, facts.user), { id: "again" }) : null,
        this.over && n ? h("a", { class: "button", href: `ui/export?run=${encodeURIComponent(this.name)}`, download: true }, "Export pictures") : null);
    }
    const notes = [...(facts.warnings ?? []), ...(this.over ? (facts.tastes ?? []).map((words) => `Taste: ${words}.`) : [])];
    if (this.notes.childElementCount !== notes.length) fill(this.notes, notes.map((note) => h("p", { class: "hint" }, note)));
  }

  drawDetail() {
    const picture = this.shown();
    const state = JSON.stringify([picture, this.favourites.has(picture?.index), this.scores.get(picture?.index), this.facts.rater, isChosen(this.name, picture?.index)]);
    if (state === this.detailFor) return;
    const focus = this.detail.contains(document.activeElement) ? document.activeElement.dataset.focus : null;
    this.detailFor = state;
    if (!picture || !this.name) {
      fill(this.detail, h("div", { class: "none big-none" }, h("span", {}, this.over ? "No picture was drawn" : "Pictures appear here, one by one")));
      return;
    }
    const loved = this.favourites.has(picture.index), compared = isChosen(this.name, picture.index);
    fill(this.detail,
      h("img", { src: picturePath(this.name, picture.index, 768), alt: picture.text, width: 768, height: 768 }),
      h("p", { class: "text" }, marked(this.facts.prompt, picture.text)),
      h("p", { class: "hint" }, `liking ${number(picture.liking)} · shows the prompt ${number(picture.fidelity)} · seed ${picture.seed}`),
      this.facts.rater
        ? [h("p", { class: "rate-title" }, `Rate it as ${this.facts.rater}`), scale(this.start.anchors, (score) => this.rate(score, picture.index), `Rate it as ${this.facts.rater}`, this.scores.get(picture.index))]
        : h("p", { class: "hint" }, "Choose one of your own people to rate what you see."),
      h("div", { class: "actions" },
        button(loved ? "★ Favourite" : "☆ Favourite", () => this.favourite(picture.index), { "aria-pressed": String(loved), "data-focus": "favourite", title: "Key: f" }),
        button("More like this", () => this.again(picture.text, this.facts.user), { "data-focus": "more", title: "Key: m" }),
        button(compared ? "✓ Compare" : "Compare", () => { toggleCompare(this.name, picture.index); this.drawDetail(); }, { "aria-pressed": String(compared), "data-focus": "compare" }),
        h("a", { class: "button", href: picturePath(this.name, picture.index), target: "_blank", rel: "noopener" }, "Open")));
    if (focus) this.detail.querySelector(`[data-focus=${focus}]`)?.focus();
  }

  drawGrid(best) {
    const order = this.over ? this.ranked() : this.drawn();
    const failed = [...this.pictures.values()].filter((picture) => !picture.drawn);
    const shown = this.shown()?.index;
    for (const picture of [...order, ...failed]) {
      if (!this.tiles.has(picture.index)) this.tiles.set(picture.index, this.tile(picture));
      this.tiles.get(picture.index).show(picture, { best: picture.index === best?.index, picked: picture.index === shown });
    }
    const wanted = [...order, ...failed].map((picture) => this.tiles.get(picture.index).root);
    wanted.forEach((tile, i) => { if (this.grid.children[i] !== tile) this.grid.insertBefore(tile, this.grid.children[i] ?? null); });
    this.grid.previousSibling.hidden = wanted.length === 0;
  }

  tile(picture) {
    const label = h("b"), text = h("span", {}, picture.drawn ? picture.text : `${picture.text}: ${picture.reason}`);
    const image = picture.drawn && this.name
      ? h("img", { src: picturePath(this.name, picture.index, 256), alt: "", loading: "lazy", width: 256, height: 256 })
      : h("div", { class: "none" }, h("span", {}, "not drawn"));
    const root = button([image, label, text], () => this.pick(picture.index), { class: "tile", disabled: !picture.drawn });
    return {
      root,
      show: (now, { best, picked }) => {
        const star = this.favourites.has(now.index) ? " ★" : "", score = this.scores.get(now.index);
        label.textContent = `${number(now.liking)}${best ? " · best" : ""}${star}${score ? ` · you: ${score}` : ""}`;
        root.setAttribute("aria-pressed", String(picked));
      },
    };
  }
}

// The original or the best, large.
function side(title) {
  const name = h("b", {}, title), liking = h("span", { class: "liking" }), text = h("span", { class: "text" });
  const frame = h("div", { class: "none" });
  const root = h("figure", {}, frame, h("figcaption", {}, h("span", { class: "line" }, name, liking), text));
  let now = null;
  return {
    root, title: name,
    show: (view, picture) => {
      const key = picture && view.name ? `${picture.index}` : null;
      liking.textContent = picture ? `liking ${number(picture.liking)}` : "";
      if (key === now) return;
      now = key;
      if (!key) { frame.className = "none"; fill(frame); fill(text); return; }
      frame.className = "framed";
      fill(frame, h("img", { src: picturePath(view.name, picture.index, 768), alt: `${title}: ${picture.text}`, width: 768, height: 768 }));
      fill(text, marked(view.facts.prompt, picture.text));
    },
  };
}
