// Move the test inputs: a line fitted where the training inputs lie is wrong elsewhere, weighted or not it stays a line.
import { Plot, controls, range, show, slider, widget } from "./lib.js";

export const SOURCE = { mean: 0.5, std: 0.5 }, NOISE = 0.3;
export const truth = (x) => x ** 3 - x;

/** The best line for inputs from a normal distribution: slope E[f'(x)] = 3 (mean^2 + std^2) - 1 (Stein's lemma). */
export function bestLine({ mean, std }) {
  const slope = 3 * (mean ** 2 + std ** 2) - 1;
  return { slope, intercept: mean ** 3 + 3 * mean * std ** 2 - mean - slope * mean };
}

/** Expected squared error of a line against the noisy truth, inputs from a normal distribution; Simpson over 12 deviations. */
export function error({ slope, intercept }, { mean, std }) {
  const count = 401, u = range(-6, 6, count), h = 12 / (count - 1);
  let sum = 0;
  u.forEach((v, i) => {
    const x = mean + std * v, residual = truth(x) - slope * x - intercept;
    sum += (i === 0 || i === count - 1 ? 1 : i % 2 ? 4 : 2) * residual ** 2 * Math.exp(-v * v / 2);
  });
  return (sum * h) / 3 / Math.sqrt(2 * Math.PI) + NOISE ** 2;
}

widget("covariate-shift", "Move the test inputs away from the training inputs", (host, say) => {
  const test = { mean: 0, std: 0.3 };
  const plot = new Plot({ x: [-1.6, 1.8], y: [-1.4, 2], xticks: [-1.5, -1, -0.5, 0, 0.5, 1, 1.5], yticks: [-1, 0, 1, 2], xlabel: "input x", ylabel: "output y" });
  const bell = ({ mean, std }) => range(-1.6, 1.8, 120).map((x) => [x, -1.4 + 0.45 * Math.exp(-(((x - mean) / std) ** 2) / 2) * Math.min(1, 0.4 / std)]);
  function draw() {
    const plain = bestLine(SOURCE), weighted = bestLine(test), ends = [-1.6, 1.8];
    plot.clear();
    plot.line(range(-1.6, 1.8, 120).map((x) => [x, truth(x)]), "theory");
    plot.line(bell(SOURCE), "plain");
    plot.line(bell(test), "other");
    for (const [line, kind] of [[plain, "plain"], [weighted, "other"]]) plot.line(ends.map((x) => [x, line.slope * x + line.intercept]), kind);
    plot.word(1.3, truth(1.3), "truth", "theory", "end", -8, 0);
    const height = (line, x) => line.slope * x + line.intercept, falls = weighted.slope < 0;
    const seen = range(-1.5, 1.5, 31)[falls ? "find" : "findLast"]((x) => Math.abs(height(weighted, x) - 0.3) < 1.3);
    plot.word(1.8, height(plain, 1.8), "line", "plain", "end", 0, 24);
    plot.word(seen, height(weighted, seen), "weighted line", "other", falls ? "start" : "end", falls ? 8 : -10, falls ? -4 : 4);
    plot.word(SOURCE.mean + 0.45, -1.1, "training inputs", "plain", "start", 0, 0);
    const far = test.mean - test.std < -0.8; // no room for words on the left
    plot.word(test.mean + (far ? test.std : -test.std), far ? -0.85 : -1.1, "test inputs", "other", far ? "start" : "end", far ? 4 : -4, 0);
    const [a, b] = [error(plain, test), error(weighted, test)];
    say(`Expected squared error on the test inputs: ${show(a, 3)} for the line fitted to the training inputs (dashed), ${show(b, 3)} for the line fitted with importance weights. `
      + `The noise alone costs ${show(NOISE ** 2, 3)}. A cubic would be right everywhere and needs no weights.`);
  }
  host.append(controls(
    slider({ label: "mean of the test inputs", min: -1, max: 1.2, step: 0.05, value: test.mean, change: (v) => { test.mean = v; draw(); } }),
    slider({ label: "their standard deviation", min: 0.1, max: 0.8, step: 0.05, value: test.std, change: (v) => { test.std = v; draw(); } }),
  ), plot.svg);
  draw();
});
