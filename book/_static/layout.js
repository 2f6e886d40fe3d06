// What is too wide for its place scrolls within its box, and there the keyboard must reach the box. A wide equation is
// set smaller first, down to four fifths, where that makes it fit. Nothing is measured that the browser has not laid out
// already, and all is measured before anything is changed: each change in between would make it lay out the page anew.
const EQUATION = ".katex-display", BOXES = `${EQUATION}, pre, .cell_output > .output, .pst-scrollable-table-container`;

/** The size at which an equation fits its place, 1 where it fits as it is or would become too small. */
function sizeOf(equation) {
  const content = document.createRange();
  content.selectNodeContents(equation.querySelector(".katex-html") ?? equation);
  const full = content.getBoundingClientRect().width / (+equation.dataset.size || 1) + 8;
  const share = equation.clientWidth / full;
  return share < 0.8 ? 1 : Math.min(1, share);
}

const fit = new ResizeObserver((entries) => {
  const boxes = entries.map((entry) => entry.target), equations = boxes.filter((box) => box.matches(EQUATION));
  const sizes = equations.map(sizeOf);
  equations.forEach((equation, i) => {
    if (Math.abs(sizes[i] - (+equation.dataset.size || 1)) <= 0.005) return;
    equation.dataset.size = sizes[i].toFixed(3);
    equation.style.fontSize = sizes[i] < 1 ? `${100 * sizes[i]}%` : "";
  });
  const scrolls = boxes.map((box) => box.scrollWidth > box.clientWidth + 1
    || (!box.matches(EQUATION) && box.scrollHeight > box.clientHeight + 1));
  boxes.forEach((box, i) => {
    const about = { tabindex: 0, ...(box.matches(EQUATION) && { role: "group", "aria-label": "Equation, scrolls sideways" }) };
    for (const [name, value] of Object.entries(about))
      scrolls[i] ? box.setAttribute(name, value) : box.removeAttribute(name);
  });
});
const look = (box) => { fit.unobserve(box); fit.observe(box); };

addEventListener("DOMContentLoaded", () => {
  const every = (root, boxes) => root.querySelectorAll(boxes).forEach(look);
  every(document, BOXES);
  document.fonts.addEventListener("loadingdone", () => every(document, EQUATION)); // letters have other widths before
  new MutationObserver((changes) => { // outputs of the exercises in the page come and change
    for (const { target } of changes) {
      if (target.closest(BOXES)) look(target.closest(BOXES));
      every(target, BOXES);
    }
  }).observe(document.getElementById("main-content") ?? document.body, { subtree: true, childList: true });
});

// On a phone what lies below the first section is laid out after the first paint (custom.css), one section at a time so
// that a finger never has to wait, and all of it soon, so that a jump into the page arrives at the right place.
addEventListener("load", () => {
  const later = [...document.querySelectorAll(".bd-article > section > section ~ section")];
  const when = window.requestIdleCallback ?? setTimeout;
  when(function next() {
    const section = later.shift();
    if (!section) return;
    section.style.contentVisibility = "visible";
    section.getBoundingClientRect(); // now, alone, not all at once before the next frame
    when(next);
  });
});

// Paper is white, whatever the screen is.
addEventListener("beforeprint", () => {
  const { dataset } = document.documentElement, shown = dataset.theme;
  dataset.theme = "light";
  addEventListener("afterprint", () => { dataset.theme = shown; }, { once: true });
});
