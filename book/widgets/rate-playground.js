// Training curves that were computed before: a deep ReLU network at many learning rates and batch sizes, seeds in a band.
import { Plot, controls, show, slider, widget } from "./lib.js";

/** The middle of the curves of one setting; null stands for a loss that is not finite. */
export const last = (curve) => curve.at(-1);

widget("rate-playground", "Learning rate and batch size, with and without batch norm", async (host, say) => {
  const data = await (await fetch(new URL("rate-playground.json", import.meta.url))).json();
  const state = { rate: data.rates.indexOf(0.1), batch: data.batches.indexOf(64) };
  const plot = new Plot({ x: [0, data.steps.at(-1)], y: [1e-3, 10], logy: true, xticks: data.steps.filter((s) => s % 100 === 0), yticks: [1e-3, 1e-2, 1e-1, 1, 10], xlabel: "step", ylabel: `training loss, median of ${data.seeds} seeds` });
  function draw() {
    plot.clear();
    const found = {}, of = (norm) => data.curves[norm][state.rate][state.batch], end = (norm) => last(of(norm)) ?? Infinity;
    const upper = end("none") >= end("batch") ? "none" : "batch";
    for (const [norm, kind, name] of [["none", "plain", "without"], ["batch", "batchnorm", "with batch norm"]]) {
      const curve = of(norm);
      plot.line(curve.map((loss, i) => [data.steps[i], loss ?? NaN]), kind);
      const alive = curve.findLastIndex((loss) => loss !== null);
      const above = norm === upper, late = alive > 12; // a late curve carries its name above or below its last steps
      const level = late ? Math[above ? "max" : "min"](...curve.slice(alive - (above ? 5 : 8), alive + 1)) : curve[alive];
      if (alive >= 0) plot.word(data.steps[alive], Math.min(Math.max(level, 1.3e-3), 8), name, kind, late ? "end" : "start", late ? -4 : 8, above ? -8 : 18);
      found[norm] = last(curve) === null ? "has diverged" : `ends at ${show(last(curve), 3)}`;
    }
    say(`Rate ${data.rates[state.rate]}, batches of ${data.batches[state.batch]}, ${data.steps.at(-1)} steps: the loss ${found.none} without batch norm and ${found.batch} with it.`);
  }
  host.append(controls(
    slider({ label: "learning rate", min: 0, max: data.rates.length - 1, step: 1, value: state.rate, name: (i) => `${data.rates[i]}`, change: (v) => { state.rate = v; draw(); } }),
    slider({ label: "batch size", min: 0, max: data.batches.length - 1, step: 1, value: state.batch, name: (i) => `${data.batches[i]}`, change: (v) => { state.batch = v; draw(); } }),
  ), plot.svg);
  draw();
});
