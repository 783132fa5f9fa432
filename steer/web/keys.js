// The key K presses the button with the id "key-K" (key-1, key-s, key-ArrowLeft), but only while no control has the
// focus: there a key means what it means everywhere, and Enter on "Skip" is no rating.
const CONTROLS = "a, button, input, select, textarea";

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  const focused = document.activeElement;
  if (event.key === "Enter" && focused?.closest("#slider")) return press("use-slider", event);
  if (!focused?.matches(CONTROLS)) press("key-" + event.key, event);
});

// A mouse or a finger leaves no focus behind, so that the keys go on working. A press by keyboard has a detail of 0.
document.addEventListener("click", (event) => {
  if (event.detail > 0) event.target.closest("button")?.blur();
});

function press(id, event) {
  const button = document.getElementById(id);
  if (!button || button.disabled) return;
  event.preventDefault();
  button.click();
}
