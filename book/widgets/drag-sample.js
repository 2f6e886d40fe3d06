// Drag one sample and watch the whole batch move: the mean and the width belong to all of them.
import { Plot, button, controls, make, show, slider, widget } from "./lib.js";

/** Mean, biased variance and outputs gamma * x_hat + beta of a batch with one feature. */
export function normalize(x, gamma = 1, beta = 0, eps = 1e-5) {
  const mu = x.reduce((sum, v) => sum + v, 0) / x.length;
  const variance = x.reduce((sum, v) => sum + (v - mu) ** 2, 0) / x.length;
  return { mu, variance, y: x.map((v) => gamma * (v - mu) / Math.sqrt(variance + eps) + beta) };
}

const START = [-1.6, -0.7, 0.2, 0.9, 2.2];

widget("drag-sample", "Drag one sample, and the whole batch moves", (host, say) => {
  let x = [...START], gamma = 1, beta = 0;
  const plot = new Plot({ height: 250, x: [-8, 8], y: [0, 1], xticks: [-8, -6, -4, -2, 0, 2, 4, 6, 8], yticks: [], xlabel: "value", left: 14 });
  const IN = 0.74, OUT = 0.2, names = "ABCDE";
  const handles = x.map((v, i) => plot.handle({ label: `sample ${names[i]}, input`, x: v, y: IN, step: 0.1, min: -6, max: 6, change: (next) => { x[i] = next; draw(i); } }));
  const labels = x.map((_, i) => { const node = make("text", { y: plot.py(IN) - 18, "text-anchor": "middle", class: "word" }, names[i]); plot.svg.append(node); return node; });
  function draw(moved) {
    const before = normalize(START, gamma, beta).y, { mu, variance, y } = normalize(x, gamma, beta);
    plot.clear();
    plot.word(-8, 1, "inputs x: drag them, or use the arrow keys", "", "start", 0, -4);
    plot.word(-8, OUT, "outputs y", "", "start", 0, 5);
    const sigma = Math.sqrt(variance), left = Math.max(mu - sigma, -8), right = Math.min(mu + sigma, 8);
    plot.add("line", { x1: plot.px(left), x2: plot.px(right), y1: plot.py(0.54), y2: plot.py(0.54), class: "line other" });
    plot.dot(mu, 0.54, "other", 4);
    x.forEach((v, i) => {
      plot.add("line", { x1: plot.px(v), x2: plot.px(y[i]), y1: plot.py(IN) + 10, y2: plot.py(OUT) - 7, class: "grid" });
      if (Math.abs(y[i] - before[i]) > 0.05) plot.add("circle", { cx: plot.px(before[i]), cy: plot.py(OUT), r: 6, fill: "none", class: "line theory" });
      plot.dot(y[i], OUT, "gradient", 6);
      if (gamma > 0.3) plot.word(y[i], OUT, names[i], "gradient", "middle", 0, 26);
      labels[i].setAttribute("x", plot.px(v));
    });
    plot.word(mu, 0.54, "mean ± standard deviation", "other", "middle", 0, 21);
    if (gamma <= 0.3) plot.word(beta, OUT, "A to E", "gradient", "middle", 0, 26);
    const others = y.filter((v, i) => i !== moved && Math.abs(v - before[i]) > 0.005).length;
    say(`Mean ${show(mu)}, standard deviation ${show(sigma)}; outputs ${y.map((v, i) => `${names[i]} ${show(v)}`).join(", ")}.`
      + (moved === undefined ? " Dotted rings will show the outputs at the start." : ` You moved ${names[moved]}; the outputs of ${others} others moved too.`));
  }
  const sliders = [
    slider({ label: "gamma", min: 0, max: 2.5, step: 0.1, value: 1, change: (v) => { gamma = v; draw(); } }),
    slider({ label: "beta", min: -3, max: 3, step: 0.1, value: 0, change: (v) => { beta = v; draw(); } }),
  ];
  const again = button("Start again", () => { x = [...START]; gamma = 1; beta = 0; handles.forEach((h, i) => h.set(x[i])); sliders[0].set(1); sliders[1].set(0); draw(); });
  host.append(controls(...sliders, again), plot.svg);
  draw();
});
