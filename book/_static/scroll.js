// A wide equation is set smaller, down to four fifths, where that makes it fit; else it scrolls within its box, and there
// the keyboard must reach the box. Nothing is measured that the browser has not laid out already.
const fit = new ResizeObserver((entries) => {
  const content = document.createRange();
  for (const { target } of entries) {
    content.selectNodeContents(target.querySelector(".katex-html") ?? target);
    const now = +target.dataset.size || 1, full = content.getBoundingClientRect().width / now + 8;
    const share = target.clientWidth / full, size = share < 0.8 ? 1 : Math.min(1, share);
    if (Math.abs(size - now) > 0.005) {
      target.dataset.size = size.toFixed(3);
      target.style.fontSize = size < 1 ? `${100 * size}%` : "";
    }
    if (share < 0.8 || target.scrollWidth > target.clientWidth + 1) {
      target.tabIndex = 0;
      target.setAttribute("role", "group");
      target.setAttribute("aria-label", "Equation, scrolls sideways");
    } else {
      for (const name of ["tabindex", "role", "aria-label"]) target.removeAttribute(name);
    }
  }
});
addEventListener("DOMContentLoaded", () => {
  const boxes = document.querySelectorAll(".katex-display"), look = (box) => { fit.unobserve(box); fit.observe(box); };
  boxes.forEach(look);
  document.fonts.ready.then(() => boxes.forEach(look)); // letters have other widths before their font is there
});

// Paper is white, whatever the screen is.
addEventListener("beforeprint", () => {
  const { dataset } = document.documentElement, shown = dataset.theme;
  dataset.theme = "light";
  addEventListener("afterprint", () => { dataset.theme = shown; }, { once: true });
});
