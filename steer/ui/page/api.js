// What the server answers; an error is one line to show.

export async function ask(path, options = {}) {
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw new Error("The server does not answer. Is “steer ui” still running in its terminal?");
  }
  const body = await answer.json().catch(() => null);
  if (answer.ok) return body;
  throw new Error(body?.error?.message ?? `The server answered ${answer.status}.`);
}

export const get = (path) => ask(path);
export const remove = (path) => ask(path, { method: "DELETE" });
export const post = (path, body = {}) =>
  ask(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
export const send = (path, content) => ask(path, { method: "POST", body: content });

export const runPath = (name) => `ui/runs/${encodeURIComponent(name)}`;
export const picturePath = (name, index, side) => `${runPath(name)}/pictures/${index}${side ? `?side=${side}` : ""}`;

let timer;
export function say(text, kind = "") {
  const toast = document.getElementById("toast");
  toast.textContent = text;
  toast.className = `toast shown ${kind}`;
  clearTimeout(timer);
  timer = setTimeout(() => toast.classList.remove("shown"), kind === "bad" ? 9000 : 3500);
}

// Does something, and says why it could not be done.
export async function trying(work, element = null) {
  if (element) element.setAttribute("aria-busy", "true");
  try {
    return await work();
  } catch (error) {
    say(error.message, "bad");
    return undefined;
  } finally {
    if (element) element.removeAttribute("aria-busy");
  }
}
