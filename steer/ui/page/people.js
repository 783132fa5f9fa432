// People: who there is, what is believed of their taste, and how they are taught.
import { button, counted, fill, h, signed } from "./dom.js";
import { get, post, remove, say, send, trying } from "./api.js";
import { keys, scale } from "./rate.js";

const SIDE = 768; // pixels; larger pictures are made smaller before they are sent
const path = (user) => `ui/people/${encodeURIComponent(user)}`;
const address = (user) => `#/person/${encodeURIComponent(user)}`;

export async function peoplePage(root, { start }) {
  const people = await get("ui/people");
  const name = h("input", { id: "name", required: true, maxlength: 64, autocomplete: "off", autocapitalize: "none", placeholder: "me", "aria-describedby": "name-hint" });
  const profile = h("textarea", { id: "profile", rows: 2, maxlength: 2000, placeholder: "warm light, empty space, no neon", "aria-describedby": "profile-hint" });
  const liked = pictureInput("liked", null);
  const add = h("button", { type: "submit", class: "primary" }, "Add");
  const form = h("form", {
    class: "panel",
    submit: async (event) => {
      event.preventDefault();
      const made = await trying(() => post("ui/people", { name: name.value, profile: profile.value }), add);
      if (!made) return;
      await liked.send(made.id);
      say(`${made.id} is added.`);
      location.hash = address(made.id);
    },
  },
  h("h2", {}, "Add somebody"),
  h("label", { for: "name" }, "A short name"), name, h("p", { class: "hint", id: "name-hint" }, "letters, digits, - and _"),
  h("label", { for: "profile" }, "Their taste in words, if you like"), profile,
  h("p", { class: "hint", id: "profile-hint" }, "what they like, and what they do not: “no neon”"),
  liked.root, h("div", { class: "actions" }, add));
  const find = h("input", { id: "find", list: "others", placeholder: "u17", autocomplete: "off", "aria-label": "Id of a person of the data set" });
  root.append(h("h1", {}, "People"),
    h("div", { class: "columns" },
      h("section", {}, people.own.length
        ? h("ul", { class: "list" }, people.own.map((p) => h("li", {}, h("a", { href: address(p.id) },
          h("b", {}, p.id), h("span", { class: "hint" }, [counted(p.ratings, "rating"), p.choices ? `, ${counted(p.choices, "choice")}` : "", p.read_only ? " · read-only" : ""]),
          p.profile ? h("span", { class: "quote" }, `“${p.profile}”`) : null))))
        : h("div", { class: "empty" }, h("h2", {}, "Nobody yet"), h("p", {}, "Add yourself: a sentence about what you like is enough to begin with; ratings make it better.")),
      people.others.length
        ? h("form", { class: "tools", submit: (event) => { event.preventDefault(); if (find.value.trim()) location.hash = address(find.value.trim()); } },
          h("p", { class: "hint" }, `${counted(people.others.length + people.more, "person", "people")} of the data set that the reward of “${start.preset}” learned from can be looked at too:`),
          find, h("datalist", { id: "others" }, people.others.map((id) => h("option", { value: id }))), h("button", { type: "submit" }, "Look"))
        : null),
      start.everybody || people.own.length === 0 ? form : null));
}

export async function personPage(root, { args, start, scope }) {
  const person = await get(path(args[0]));
  const user = person.id;
  const told = h("div");
  const interview = h("section", { class: "interview", "aria-label": "Rating", hidden: true });
  const show = (now) => fill(told, beliefs(now));
  show(person);
  let asking = null;
  const actions = h("div", { class: "actions" },
    h("a", { class: "button primary", href: `#/?${new URLSearchParams({ user })}` }, `Draw for ${user}`),
    person.read_only || !start.teaches ? null : button("Rate pictures", async () => {
      asking ??= interviewOf(user, interview, scope, async () => { const now = await trying(() => get(path(user))); if (now) show(now); });
      interview.hidden = false;
      await asking.begin();
      interview.scrollIntoView({ behavior: "smooth", block: "start" });
    }, { id: "rate" }));
  root.append(h("p", {}, h("a", { href: "#/people" }, "← People")),
    h("header", { class: "run-head" }, h("div", {}, h("h1", {}, user), h("p", { class: "hint" }, about(person))), actions),
    interview, told);
  if (person.read_only) return;
  const profile = h("textarea", { id: "profile", rows: 2, maxlength: 2000 });
  profile.value = person.profile;
  const save = h("button", { type: "submit" }, "Save");
  const liked = pictureInput("liked", async () => {
    if (!(await liked.send(user))) return;
    const now = await trying(() => get(path(user)));
    if (now) show(now);
  });
  const sure = h("dialog", { "aria-labelledby": "sure" },
    h("h2", { id: "sure" }, `Delete ${user}?`),
    h("p", {}, `${counted(person.ratings, "rating")}, ${counted(person.choices, "choice")} and everything learned from them go for good. Pictures that were drawn stay in their folders.`),
    h("div", { class: "actions" }, button("Keep", () => sure.close(), { autofocus: true }), button("Delete", async () => {
      const gone = await trying(() => remove(path(user)));
      sure.close();
      if (!gone) return;
      say(`${user} is deleted.${gone.runs ? ` ${counted(gone.runs, "run")} in the history still ${gone.runs === 1 ? "names" : "name"} them.` : ""} ${gone.note}`);
      location.hash = "#/people";
    }, { class: "danger" })));
  root.append(h("div", { class: "columns" },
    h("form", {
      class: "panel",
      submit: async (event) => {
        event.preventDefault();
        const now = await trying(() => post(`${path(user)}/describe`, { profile: profile.value }), save);
        if (now) { show(now); say("Saved."); }
      },
    }, h("h2", {}, "In words"), h("label", { for: "profile" }, "What they like, and what they do not"), profile, h("div", { class: "actions" }, save)),
    h("section", { class: "panel" }, h("h2", {}, "By pictures"), liked.root)),
  h("p", {}, button("Delete this person …", () => sure.showModal(), { class: "quiet danger" })), sure);
}

function about(person) {
  if (person.ratings === undefined) return "a person of the reward's data set";
  return `${counted(person.ratings, "rating")}, ${counted(person.choices, "choice")}${person.read_only ? " · imported, read-only" : ""}`;
}

// What is believed, as `steer user show` says it.
function beliefs(person) {
  if (person.note) return h("p", { class: "panel" }, person.note);
  const all = [...person.likes, ...person.dislikes, ...person.perhaps];
  const reach = Math.max(0.1, ...all.map((x) => Math.max(Math.abs(x.low), Math.abs(x.high))));
  const bars = (title, some) => some.length ? h("div", {}, h("h3", {}, title), h("ul", { class: "bars" }, some.map((x) => bar(x, reach)))) : null;
  const understood = person.phrases.filter((phrase) => phrase.like === null).map((phrase) => phrase.text);
  return h("section", { class: "panel beliefs" },
    h("h2", {}, "What steer believes"),
    h("p", {}, `${Math.round(100 * person.known)} % of what sets this taste apart is known.`),
    h("progress", { max: 1, value: person.known, "aria-label": "How much of this taste is known" }),
    all.length ? null : h("p", { class: "hint" }, "Nothing certain yet; ratings and words make it so."),
    h("div", { class: "columns" }, bars("Likes", person.likes), bars("Dislikes", person.dislikes), bars("Perhaps", person.perhaps)),
    understood.length ? h("p", { class: "hint" }, `Not understood of the description: ${understood.join(", ")}`) : null,
    person.surprises.map((s) => h("p", { class: "hint" }, `A surprising rating: ${s.said} for “${s.prompt || "a picture"}”, where ${s.expected.toFixed(1)} was expected.`)),
    person.similar.length ? h("p", { class: "hint" }, `Most similar: ${person.similar.map(([id, value]) => `${id} (${value.toFixed(2)})`).join(", ")}`) : null);
}

function bar(x, reach) {
  const fillBar = h("i");
  fillBar.style.width = `${Math.min(100, (100 * Math.abs(x.mean)) / reach)}%`;
  return h("li", { class: x.mean < 0 ? "less" : "" },
    h("span", {}, x.phrase), h("span", { class: "track" }, fillBar), h("span", { class: "hint" }, `${signed(x.mean)}`, h("span", { class: "unseen" }, `, 95 % interval ${signed(x.low)} to ${signed(x.high)}`)));
}

function interviewOf(user, root, scope, changed) {
  let shown = null;
  let busy = false;
  async function answer(body) {
    if (busy || (!shown && !body.undo)) return;
    busy = true;
    const next = await trying(() => post(`${path(user)}/answer`, { picture: shown?.picture ?? "", ...body }), root);
    busy = false;
    if (next) { draw(next); if (body.score || body.undo) changed(); }
  }
  function draw(told) {
    shown = told.question;
    const done = told.enough ? 1 : told.answers / Math.max(1, told.answers + told.more);
    fill(root,
      h("h2", {}, shown ? "How much do you like this picture?" : "You have seen all of them"),
      h("progress", { max: 1, value: done, "aria-label": "Ratings" }),
      h("p", { class: "hint", role: "status" }, `${counted(told.answers, "answer")} · ${told.enough ? "that is enough; more would change little" : `about ${told.more} more`}`),
      shown ? [h("img", { src: `${path(user)}/pictures/${shown.picture}`, alt: "The picture to rate", width: 768, height: 768 }),
        shown.prompt ? h("p", { class: "hint" }, `Prompt: ${shown.prompt}`) : null,
        scale(told.anchors, (score) => answer({ score }), "Your answer")] : null,
      h("div", { class: "actions" }, shown ? button("Skip", () => answer({}), { title: "Key: s" }) : null, button("Undo", () => answer({ undo: true }), { title: "Key: u" }),
        button("Done", () => { root.hidden = true; changed(); })));
  }
  keys(scope, { ...Object.fromEntries([1, 2, 3, 4, 5].map((score) => [String(score), () => { if (!root.hidden) answer({ score }); }])),
    s: () => { if (!root.hidden) answer({}); }, u: () => { if (!root.hidden) answer({ undo: true }); } });
  return {
    begin: async () => {
      if (!shown) fill(root, h("p", { class: "loading" }, "Choosing the most telling picture …"));
      const told = await trying(() => get(`${path(user)}/question`));
      if (told) draw(told);
      else root.hidden = true;
    },
  };
}

// Pictures that somebody likes, made small here: a phone's photograph has more pixels than any reward looks at.
function pictureInput(id, chosen) {
  const input = h("input", { id, type: "file", accept: "image/*", multiple: true });
  const said = h("p", { class: "hint", role: "status" });
  const small = h("div", { class: "thumbs" });
  let addresses = [];
  input.addEventListener("change", () => {
    addresses.forEach((url) => URL.revokeObjectURL(url));
    addresses = [...input.files].slice(0, 12).map((file) => URL.createObjectURL(file));
    fill(small, addresses.map((url) => h("img", { src: url, alt: "", width: 56, height: 56 })));
    chosen?.();
  });
  return {
    root: h("div", {}, h("label", { for: id }, "Five pictures they like, of any kind"), input, small, said),
    send: async (user) => {
      const files = [...input.files];
      let kept = 0;
      for (const [i, file] of files.entries()) {
        said.textContent = `Looking at picture ${i + 1} of ${files.length} …`;
        const told = await trying(async () => send(`${path(user)}/liked`, await smaller(file)));
        kept += told ? 1 : 0;
      }
      said.textContent = files.length ? `${counted(kept, "picture")} kept as liked${kept < 5 ? "; five are a start" : ""}.` : "";
      input.value = "";
      return kept;
    },
  };
}

async function smaller(file) {
  let image;
  try {
    image = await createImageBitmap(file);
  } catch {
    throw new Error(`“${file.name}” is not a picture that this browser can read.`);
  }
  const scale = Math.min(1, SIDE / Math.max(image.width, image.height));
  const canvas = h("canvas", { width: Math.max(1, Math.round(image.width * scale)), height: Math.max(1, Math.round(image.height * scale)) });
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  return new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.92));
}
