// Elements without markup: whatever people typed becomes text, never HTML.

// A value that is a function is a listener, true an attribute without value; null, undefined and false leave it out.
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") element.addEventListener(name, value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

export function fill(element, ...children) {
  element.replaceChildren(...children.flat(Infinity).filter((child) => child));
  return element;
}

export function button(label, click, props = {}) {
  return h("button", { type: "button", click, ...props }, label);
}

// The text with what it adds to the prompt marked: the longest common words stay as they are.
export function marked(prompt, text) {
  const words = (line) => line.split(/\s+/).filter(Boolean);
  const plain = (word) => word.toLowerCase().replace(/[^\p{L}\p{N}]/gu, "");
  const a = words(prompt), b = words(text);
  if (a.length * b.length > 40000) return [text];
  const longest = Array.from({ length: a.length + 1 }, () => new Array(b.length + 1).fill(0));
  for (let i = a.length - 1; i >= 0; i--)
    for (let j = b.length - 1; j >= 0; j--)
      longest[i][j] = plain(a[i]) === plain(b[j]) ? longest[i + 1][j + 1] + 1 : Math.max(longest[i + 1][j], longest[i][j + 1]);
  const runs = [];
  for (let i = 0, j = 0; j < b.length; j++) {
    while (i < a.length && plain(a[i]) !== plain(b[j]) && longest[i + 1][j] >= longest[i][j + 1]) i++;
    const same = i < a.length && plain(a[i]) === plain(b[j]);
    if (same) i++;
    const last = runs.at(-1);
    if (last && last.same === same) last.words.push(b[j]);
    else runs.push({ same, words: [b[j]] });
  }
  return runs.flatMap((run, i) => [i ? " " : "", run.same ? run.words.join(" ") : h("ins", {}, run.words.join(" "))]);
}

export const number = (value) => (value === null || value === undefined ? "–" : value.toFixed(2));
export const signed = (value) => (value === null || value === undefined ? "" : (value < 0 ? "−" : "+") + Math.abs(value).toFixed(2));
export const counted = (n, noun, nouns = `${noun}s`) => `${n} ${n === 1 ? noun : nouns}`;

export function clock(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  return whole < 3600
    ? `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")} min`
    : `${Math.floor(whole / 3600)}:${String(Math.floor((whole % 3600) / 60)).padStart(2, "0")} h`;
}

export function when(iso) {
  const date = new Date(iso.replace(/([+-]\d\d)(\d\d)$/, "$1:$2"));
  if (Number.isNaN(date.getTime())) return "";
  return date.toLocaleString("en", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", hour12: false });
}

export function who(user) {
  return user === "average" ? "nobody in particular" : user;
}
