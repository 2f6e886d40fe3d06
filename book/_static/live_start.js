// The bar of an exercise page: nothing is fetched before its button is pressed, or answers wait in this browser; Python
// itself comes only when a cell is run.
addEventListener("DOMContentLoaded", () => {
  const bar = document.querySelector(".live-bar[data-notebook]");
  if (!bar) return;
  const { notebook, live } = bar.dataset;
  const button = bar.querySelector("button");
  const say = (words) => { bar.querySelector("p").textContent = words; };
  if (location.protocol === "file:")
    return say("Opened from a file, this page cannot run Python: use the published page, or run “make serve”.");
  if (!window.WebAssembly || !window.Worker || !Array.prototype.at)
    return say("This browser is too old to run Python in the page: use a newer one, or Colab, with the rocket above.");

  async function open(start) {
    button.style.visibility = "hidden";
    try {
      const program = new URL(`${live}live.js`, location.href);
      await fetch(program); // a browser may never ask again for a module that once failed to come
      const { open } = await import(program);
      const page = await open(bar);
      if (start) {
        page.cells[0].go.focus({ preventScroll: true }); // the button that had it is gone
        page.python.start().catch(() => {});
      }
      else say("Your answers are here, as you left them. Python comes when you run a cell.");
    } catch (error) {
      button.style.visibility = "visible";
      say(`The exercise could not be opened: are you offline? (${error.message})`);
    }
  }

  button.onclick = () => open(true);
  let kept = false;
  try {
    kept = Object.keys(localStorage).some((key) => key.startsWith(`live/${notebook}/`));
  } catch {} // a browser that keeps nothing
  if (kept) open(false);
  else button.style.visibility = "visible";
});
