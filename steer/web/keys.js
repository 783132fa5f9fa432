// Keyboard first: a key presses the button that carries it as its id, key-1 ... key-5, key-s, key-u, key-Enter, key-ArrowLeft.
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  const typing = event.target.matches("textarea, input[type=text], input[type=number]");
  if (typing) return;
  const button = document.getElementById("key-" + event.key);
  if (!button || button.disabled) return;
  event.preventDefault();
  button.click();
});
