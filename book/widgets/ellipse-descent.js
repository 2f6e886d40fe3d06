// Turn and stretch the bowl of a quadratic loss, and watch gradient descent zig-zag, creep or explode.
import { Plot, choice, controls, range, show, slider, widget } from "./lib.js";

/** Points of gradient descent on (steep * u^2 + v^2) / 2, u along the direction `angle` (degrees), from `start`. */
export function descend({ condition, angle, rate, steps = 60, start = [-2.2, 1.2] }) {
  const turn = (angle * Math.PI) / 180, c = Math.cos(turn), s = Math.sin(turn);
  let [u, v] = [c * start[0] + s * start[1], -s * start[0] + c * start[1]];
  const path = [[...start]], losses = [(condition * u * u + v * v) / 2];
  for (let step = 0; step < steps; step++) {
    u *= 1 - rate * condition;
    v *= 1 - rate;
    path.push([c * u - s * v, s * u + c * v]);
    losses.push((condition * u * u + v * v) / 2);
  }
  return { path, losses };
}

/** Steps until the loss is a thousandth of the first one, or null. */
export function stepsTo({ condition, angle, rate, goal = 1e-3 }) {
  const { losses } = descend({ condition, angle, rate, steps: 20000 });
  const found = losses.findIndex((loss) => loss <= goal * losses[0]);
  return found < 0 ? null : found;
}

widget("ellipse-descent", "Stretch the bowl, turn it, and choose a learning rate", (host, say) => {
  const state = { condition: 12, angle: 40, share: 0.9, white: "raw" };
  const plot = new Plot({ width: 600, height: 430, x: [-3.2, 3.2], y: [-2.17, 2.17], xticks: [-3, -2, -1, 0, 1, 2, 3], yticks: [-2, -1, 0, 1, 2], xlabel: "first parameter", ylabel: "second parameter" });
  function draw() {
    const condition = state.white === "white" ? 1 : state.condition, limit = 2 / condition, rate = state.share * limit;
    const { path } = descend({ ...state, condition, rate });
    plot.clear();
    const turn = (state.angle * Math.PI) / 180;
    for (const level of [0.1, 0.4, 1, 2, 4, 7]) {
      plot.line(range(0, 2 * Math.PI, 90).map((t) => {
        const [u, v] = [Math.sqrt(2 * level / condition) * Math.cos(t), Math.sqrt(2 * level) * Math.sin(t)];
        return [Math.cos(turn) * u - Math.sin(turn) * v, Math.sin(turn) * u + Math.cos(turn) * v];
      }).map(([x, y]) => (Math.abs(y) > 2.17 || Math.abs(x) > 3.2 ? [NaN, NaN] : [x, y])), "theory");
    }
    plot.line(path.filter(([x, y]) => Math.abs(x) < 8 && Math.abs(y) < 6), "gradient");
    path.slice(0, 40).filter(([x, y]) => Math.abs(x) < 3.2 && Math.abs(y) < 2.17).forEach(([x, y]) => plot.dot(x, y, "gradient", 3.5));
    plot.word(path[0][0], path[0][1], "start", "gradient", "end", -9, 5);
    const steps = stepsTo({ ...state, condition, rate });
    say(`Condition number ${show(condition, 0)}: the largest stable rate is 2/${show(condition, 0)} = ${show(limit, 3)}, and yours is ${show(rate, 3)}. `
      + (steps === null ? (state.share > 1 ? "The steep direction grows with every step: this run diverges." : "The steep direction jumps from wall to wall for ever, neither shrinking nor growing: this is the limit itself.") : `The loss falls to a thousandth in ${steps} steps.`));
  }
  host.append(controls(
    slider({ label: "condition number", min: 1, max: 60, step: 1, value: 12, name: (v) => show(v, 0), change: (v) => { state.condition = v; draw(); } }),
    slider({ label: "angle", min: 0, max: 90, step: 5, value: 40, name: (v) => `${v}°`, change: (v) => { state.angle = v; draw(); } }),
    slider({ label: "rate, as a share of the limit", min: 0.05, max: 1.1, step: 0.01, value: 0.9, change: (v) => { state.share = v; draw(); } }),
    choice({ label: "inputs", options: { raw: "as they are", white: "whitened" }, value: "raw", change: (v) => { state.white = v; draw(); } }),
  ), plot.svg);
  draw();
});
