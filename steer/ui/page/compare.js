// Two pictures side by side, chosen anywhere on the page.
import { button, fill, h, number, when, who } from "./dom.js";
import { get, picturePath, runPath } from "./api.js";

let chosen = []; // [run, index], at most two

export const isChosen = (name, index) => chosen.some(([run, i]) => run === name && i === index);

export function toggle(name, index) {
  chosen = isChosen(name, index) ? chosen.filter(([run, i]) => run !== name || i !== index) : [...chosen, [name, index]].slice(-2);
  showTray();
}

export function showTray() {
  const tray = document.getElementById("tray");
  tray.hidden = chosen.length === 0 || location.hash.startsWith("#/compare");
  if (tray.hidden) return;
  fill(tray,
    chosen.map(([run, i]) => h("img", { src: picturePath(run, i, 256), alt: `Picture ${i} of ${run}`, width: 48, height: 48 })),
    chosen.length === 2
      ? h("a", { class: "button primary", href: `#/compare/${chosen.flat().map(encodeURIComponent).join("/")}` }, "Compare")
      : h("span", {}, "Choose a second picture to compare"),
    button("Clear", () => { chosen = []; showTray(); window.dispatchEvent(new Event("compared")); }, { class: "quiet" }));
}

export async function comparePage(root, { args }) {
  const [a, i, b, j] = args;
  const runs = await Promise.all([a, b].map((name) => get(runPath(name))));
  const both = [i, j].map((index, k) => ({ run: runs[k], picture: runs[k].pictures.find((p) => p.index === Number(index)) }));
  if (both.some(({ picture }) => !picture)) throw new Error("One of the two pictures is not there any more.");
  const better = (both[0].picture.liking ?? 0) === (both[1].picture.liking ?? 0) ? -1 : Number((both[1].picture.liking ?? 0) > (both[0].picture.liking ?? 0));
  root.append(
    h("h1", {}, "Compare"),
    h("div", { class: "compare" }, both.map(({ run, picture }, k) => h("figure", {},
      h("img", { src: picturePath(run.name, picture.index, 768), alt: picture.text, width: 768, height: 768 }),
      h("figcaption", {},
        h("p", { class: "text" }, picture.text),
        h("dl", {},
          [["liking", number(picture.liking) + (k === better ? " · more" : "")], ["shows the prompt", number(picture.fidelity)], ["prompt", run.prompt],
            ["for", who(run.user)], ["seed", String(picture.seed)], ["when", when(run.created)]]
            .map(([term, value]) => [h("dt", {}, term), h("dd", {}, value)])),
        h("div", { class: "actions" }, h("a", { class: "button", href: `#/run/${encodeURIComponent(run.name)}` }, "Open the run")))))),
    h("div", { class: "actions" },
      h("a", { class: "button", href: `ui/export?${both.map(({ run, picture }) => `picture=${encodeURIComponent(`${run.name}/${picture.index}`)}`).join("&")}`, download: true }, "Export both"),
      button("Choose two others", () => { chosen = []; history.back(); })));
}
