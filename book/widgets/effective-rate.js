// Weights in front of batch normalization: their length does not change what is computed, but it divides the learning rate.
import { Plot, controls, range, scientific, show, slider, widget } from "./lib.js";

/**
 * Length of scale-invariant weights under gradient descent. The gradient is at right angles to the weights and its
 * length is gradient / r, so r'^2 = (1 - rate * decay)^2 r^2 + (rate * gradient / r)^2; the effective rate is rate / r^2.
 */
export function lengths({ rate, decay, first, steps, gradient = 1 }) {
  const r = [first];
  for (let t = 0; t < steps; t++) r.push(Math.hypot((1 - rate * decay) * r[t], (rate * gradient) / r[t]));
  return r;
}

/** Where growth and decay balance: r^4 = rate gradient^2 / (decay (2 - rate decay)); null without decay, and where decay overshoots. */
export const balance = ({ rate, decay, gradient = 1 }) => (decay && rate * decay < 2 ? ((rate * gradient ** 2) / (decay * (2 - rate * decay))) ** 0.25 : null);

const power = (v) => 10 ** v, small = (v) => (v && v < 1e-3 ? scientific(v) : show(v, 3));

widget("effective-rate", "The learning rate that counts", (host, say) => {
  const state = { rate: 0, decay: -4, first: 0 }, STEPS = 2000;
  const axes = { width: 600, height: 250, x: [0, STEPS], xticks: [0, 500, 1000, 1500, 2000], logy: true, xlabel: "step" };
  const size = new Plot({ ...axes, y: [0.03, 300], yticks: [0.1, 1, 10, 100], ylabel: "length of the weights" });
  const speed = new Plot({ ...axes, y: [1e-5, 1e3], yticks: [1e-4, 1e-2, 1, 100], ylabel: "effective rate, rate / length²" });
  function draw() {
    const given = { rate: power(state.rate), decay: state.decay <= -5 ? 0 : power(state.decay), first: power(state.first), steps: STEPS };
    const r = lengths(given), rest = balance(given), marks = range(0, STEPS, 201);
    size.clear(); speed.clear();
    if (rest) {
      size.line([[0, rest], [STEPS, rest]], "theory");
      speed.line([[0, given.rate / rest ** 2], [STEPS, given.rate / rest ** 2]], "theory");
      size.word(STEPS, rest, "balance", "theory", "end");
    }
    size.line(marks.map((t) => [t, r[t]]), "batchnorm");
    speed.line(marks.map((t) => [t, given.rate / r[t] ** 2]), "gradient");
    say(`Rate ${show(given.rate, 3)}, first length ${show(given.first)}: after ${STEPS} steps the length is ${show(r[STEPS])} and the effective rate ${small(given.rate / r[STEPS] ** 2)}, `
      + `which was ${small(given.rate / given.first ** 2)} at the start. ` + (rest ? `Growth and decay balance at length ${show(rest)}.`
        : given.decay ? `Rate times decay is ${show(given.rate * given.decay, 1)}: from 2 on each step turns the weights round and makes them longer.` : "Without weight decay the length only grows."));
  }
  host.append(controls(
    slider({ label: "learning rate", min: -3, max: 3, step: 0.1, value: 0, name: (v) => show(power(v), 3), change: (v) => { state.rate = v; draw(); } }),
    slider({ label: "weight decay", min: -5, max: -1, step: 0.1, value: -4, name: (v) => (v <= -5 ? "none" : show(power(v), 4)), change: (v) => { state.decay = v; draw(); } }),
    slider({ label: "first length", min: -1, max: 1, step: 0.1, value: 0, name: (v) => show(power(v)), change: (v) => { state.first = v; draw(); } }),
  ), size.svg, speed.svg);
  draw();
});
