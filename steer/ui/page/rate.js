// Five answers, as buttons and as the keys 1 to 5.
import { button, h } from "./dom.js";

export function scale(anchors, rate, label, chosen = null) {
  return h("div", { class: "scale", role: "group", "aria-label": label },
    Object.entries(anchors).map(([score, word]) => button([h("b", {}, score), h("span", {}, word)], () => rate(Number(score)),
      { "aria-pressed": String(chosen === Number(score)) })));
}

// A question of a run: each picture is a button, or one picture has a scale; Skip answers nothing.
export function askedBox(question, path, anchors, answer) {
  const rates = question.kind === "rate";
  const image = (picture) => h("img", { src: path(picture.index), alt: picture.text, width: 256, height: 256 });
  return h("div", { class: "asked", role: "group", "aria-label": question.words },
    h("p", {}, h("b", {}, question.words)),
    h("div", { class: "choices" }, question.pictures.map((picture) => rates ? image(picture)
      : button([image(picture), h("span", {}, "This one")], () => answer(picture.index), { class: "choice", "aria-label": `This one: ${picture.text}` }))),
    rates ? scale(anchors, answer, "Your answer") : null,
    h("p", { class: "hint" }, "Your answer steers the rest of this run, which goes on meanwhile. ", button("Skip", () => answer(null), { class: "skip" })));
}

// Keys for a page; not while somebody types.
export function keys(scope, bound) {
  const heard = (event) => {
    const typing = event.target.closest?.("input:not([type=radio]):not([type=range]), textarea, select");
    if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
    const act = bound[event.key];
    if (act) { event.preventDefault(); act(); }
  };
  document.addEventListener("keydown", heard);
  scope.onLeave(() => document.removeEventListener("keydown", heard));
}
