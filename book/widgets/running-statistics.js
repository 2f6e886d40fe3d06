// How good is a running mean? Its error has two parts: noise of the batches, and lag behind weights that move.
import { Plot, controls, range, show, slider, widget } from "./lib.js";

/**
 * Root mean square error of an exponential moving average with weight `momentum` for the new batch, in units of the
 * population's standard deviation: batches of `batch` independent samples around a mean that moves by `drift` a step.
 */
export function error({ momentum, batch, drift }) {
  const noise = Math.sqrt((momentum / (2 - momentum)) / batch);
  const lag = (drift * (1 - momentum)) / momentum;
  return { noise, lag, total: Math.hypot(noise, lag) };
}

/** What is left of the first value, 0 against a mean of 1, after `steps` batches. */
export const left = (momentum, steps) => (1 - momentum) ** steps;

const power = (v) => 10 ** v;

widget("running-statistics", "Noise against lag: which momentum suits a running mean?", (host, say) => {
  const state = { momentum: -1, batch: 5, drift: -2 };
  const plot = new Plot({ x: [1e-3, 1], y: [1e-3, 10], logx: true, logy: true, xticks: [1e-3, 1e-2, 1e-1, 1], yticks: [1e-3, 1e-2, 1e-1, 1, 10], xlabel: "momentum: weight of the new batch", ylabel: "error of the running mean, in standard deviations" });
  const grid = range(-3, 0, 91).map(power);
  function draw() {
    const momentum = power(state.momentum), batch = 2 ** state.batch, drift = state.drift <= -4 ? 0 : power(state.drift);
    const at = error({ momentum, batch, drift });
    plot.clear();
    plot.line(grid.map((m) => [m, error({ momentum: m, batch, drift }).noise]), "plain");
    if (drift) plot.line(grid.map((m) => [m, error({ momentum: m, batch, drift }).lag]), "other");
    plot.line(grid.map((m) => [m, error({ momentum: m, batch, drift }).total]), "batchnorm");
    plot.dot(momentum, at.total, "batchnorm", 7);
    plot.word(2e-3, Math.max(error({ momentum: 2e-3, batch, drift }).noise, 2.5e-3), "noise of the batches", "plain", "start", 14, 16);
    if (drift) plot.word(4e-3, Math.min(error({ momentum: 4e-3, batch, drift }).lag, 4), "lag behind the weights", "other", "start", 8, -4);
    plot.word(1, error({ momentum: 1, batch, drift }).total, "both together", "batchnorm", "end", 0, -12);
    const best = grid.reduce((a, b) => (error({ momentum: a, batch, drift }).total <= error({ momentum: b, batch, drift }).total ? a : b));
    const start = Math.ceil(Math.log(0.1) / Math.log(1 - Math.min(momentum, 0.999)));
    say(`Error ${show(at.total, 3)}: ${show(at.noise, 3)} from noise and ${show(at.lag, 3)} from lag. The best momentum here is about ${show(best, 3)}. `
      + `From its first value the running mean needs ${start} ${start === 1 ? "batch" : "batches"} to close nine tenths of the gap.`);
  }
  host.append(controls(
    slider({ label: "momentum", min: -3, max: 0, step: 0.05, value: -1, name: (v) => show(power(v), 3), change: (v) => { state.momentum = v; draw(); } }),
    slider({ label: "batch size", min: 1, max: 10, step: 1, value: 5, name: (v) => `${2 ** v}`, change: (v) => { state.batch = v; draw(); } }),
    slider({ label: "drift a step", min: -4, max: -0.5, step: 0.1, value: -2, name: (v) => (v <= -4 ? "0" : show(power(v), 4)), change: (v) => { state.drift = v; draw(); } }),
  ), plot.svg);
  draw();
});
