// A wide equation scrolls within its box: where that is so, the keyboard must reach the box. Nothing is measured that the
// browser has not laid out already.
const fit = new ResizeObserver((entries) => {
  for (const { target } of entries) {
    if (target.scrollWidth > target.clientWidth + 1) {
      target.tabIndex = 0;
      target.setAttribute("role", "group");
      target.setAttribute("aria-label", "Equation, scrolls sideways");
    } else {
      for (const name of ["tabindex", "role", "aria-label"]) target.removeAttribute(name);
    }
  }
});
addEventListener("DOMContentLoaded", () => {
  for (const box of document.querySelectorAll(".katex-display")) fit.observe(box);
});
