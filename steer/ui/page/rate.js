// Five answers, as buttons and as the keys 1 to 5.
import { button, h } from "./dom.js";

export function scale(anchors, rate, label, chosen = null) {
  return h("div", { class: "scale", role: "group", "aria-label": label },
    Object.entries(anchors).map(([score, word]) => button([h("b", {}, score), h("span", {}, word)], () => rate(Number(score)),
      { "aria-pressed": String(chosen === Number(score)) })));
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
