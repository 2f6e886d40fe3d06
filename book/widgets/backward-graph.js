// The computation graph of one feature with three samples: forward values, then gradients, one node at a time.
import { button, controls, make, show, widget } from "./lib.js";

export const X = [1, 2, 6], DY = [1, 0, -0.5], GAMMA = 1.5, BETA = 0.5, EPS = 0.5;
const sum = (values) => values.reduce((a, b) => a + b, 0);

/** Every node of the graph, forward and backward, for one feature. */
export function graph(x = X, dy = DY, gamma = GAMMA, beta = BETA, eps = EPS) {
  const n = x.length, mu = sum(x) / n, centred = x.map((v) => v - mu), variance = sum(centred.map((v) => v * v)) / n;
  const invStd = 1 / Math.sqrt(variance + eps), xHat = centred.map((v) => v * invStd), y = xHat.map((v) => gamma * v + beta);
  const dxHat = dy.map((v) => gamma * v), dvar = -0.5 * invStd ** 3 * sum(dxHat.map((v, i) => v * centred[i]));
  const dmu = -invStd * sum(dxHat), dx = dxHat.map((v, i) => v * invStd + (2 * centred[i] * dvar) / n + dmu / n);
  return { x, mu, variance, xHat, y, dy, dgamma: sum(dy.map((v, i) => v * xHat[i])), dbeta: sum(dy), dxHat, dvar, dmu, dx };
}

const NODES = { x: [76, 150, "x"], mu: [200, 60, "μ"], variance: [200, 240, "σ²"], xHat: [350, 150, "x̂"], gamma: [405, 60, "γ"], beta: [405, 240, "β"], y: [530, 150, "y"] };
const EDGES = [["x", "mu"], ["x", "variance"], ["mu", "variance"], ["x", "xHat"], ["mu", "xHat"], ["variance", "xHat"], ["xHat", "y"], ["gamma", "y"], ["beta", "y"]];
/** What is revealed step by step: [node, key of the value, is it a gradient, edges that carry it, the rule in words]. */
export const STEPS = [
  ["x", "x", false, [], "Three samples of one feature go in."],
  ["mu", "mu", false, [["x", "mu"]], "The mean of the three."],
  ["variance", "variance", false, [["x", "variance"], ["mu", "variance"]], "The mean of the squared distances from it, divided by N = 3."],
  ["xHat", "xHat", false, [["x", "xHat"], ["mu", "xHat"], ["variance", "xHat"]], "Each distance, divided by the root of variance + ε, with ε = 0.5."],
  ["y", "y", false, [["xHat", "y"], ["gamma", "y"], ["beta", "y"]], "Times γ = 1.5, plus β = 0.5. The forward pass is done."],
  ["y", "dy", true, [], "Backward: the loss hands us its slope for each output."],
  ["beta", "dbeta", true, [["beta", "y"]], "β is added to all three, so its slopes add up."],
  ["gamma", "dgamma", true, [["gamma", "y"]], "γ multiplies x̂, so each slope counts x̂ times."],
  ["xHat", "dxHat", true, [["xHat", "y"]], "x̂ is multiplied by γ: so are the slopes."],
  ["variance", "dvar", true, [["variance", "xHat"]], "One variance feeds all three x̂: three contributions, added."],
  ["mu", "dmu", true, [["mu", "xHat"], ["mu", "variance"]], "The mean feeds x̂ directly; the way through σ² adds exactly nothing, since the distances sum to zero."],
  ["x", "dx", true, [["x", "xHat"], ["x", "variance"], ["x", "mu"]], "Three paths meet in x. Their sum over the batch is zero: moving all samples together changes no output."],
];

widget("backward-graph", "Walk through the graph, forward and back", (host, say) => {
  const values = { ...graph(), gamma: GAMMA, beta: BETA };
  let step = 0;
  const svg = make("svg", { viewBox: "0 0 600 310", class: "bnw-plot", role: "img" });
  const lines = EDGES.map(([from, to]) => {
    const [x1, y1] = NODES[from], [x2, y2] = NODES[to], bend = from === "x" && to === "xHat" ? 0 : (from === "mu" && to === "variance" ? -28 : 0);
    const path = make("path", { d: `M${x1} ${y1} Q${(x1 + x2) / 2 + bend} ${(y1 + y2) / 2} ${x2} ${y2}` });
    svg.append(path);
    return { key: `${from}-${to}`, path };
  });
  const shown = Object.fromEntries(Object.entries(NODES).map(([key, [x, y, name]]) => {
    const value = make("text", { x, y: y - 26, "text-anchor": "middle", class: "word batchnorm" });
    const slope = make("text", { x, y: y + (key === "y" ? 58 : 38), "text-anchor": "middle", class: "word gradient" });
    const ring = make("circle", { cx: x, cy: y, r: 19, fill: "var(--pst-color-background, #fff)" });
    svg.append(ring, make("text", { x, y: y + 5, "text-anchor": "middle" }, name), value, slope);
    return [key, { value, slope, ring }];
  }));
  const text = (v) => (Array.isArray(v) ? v.map((one) => show(one)).join(", ") : show(v));
  const back = button("Back", () => { step--; draw(); }), next = button("Next", () => { step++; draw(); });
  function draw() {
    back.disabled = step === 0;
    next.disabled = step === STEPS.length - 1;
    for (const [key, { value, slope }] of Object.entries(shown)) { value.textContent = key === "gamma" || key === "beta" ? text(values[key]) : ""; slope.textContent = ""; }
    STEPS.slice(0, step + 1).forEach(([node, key, gradient]) => { shown[node][gradient ? "slope" : "value"].textContent = (gradient ? "d: " : "") + text(values[key]); });
    const [node, key, gradient, edges, rule] = STEPS[step], lit = new Set(edges.map((edge) => edge.join("-")));
    lines.forEach(({ key: edge, path }) => path.setAttribute("class", `line ${lit.has(edge) ? (gradient ? "gradient" : "batchnorm") : "theory"}`));
    for (const [one, { ring }] of Object.entries(shown)) { ring.setAttribute("stroke", one === node ? `var(--bnw-${gradient ? "purple" : "blue"})` : "var(--bnw-grey)"); ring.setAttribute("stroke-width", one === node ? 4 : 1.5); }
    const about = `Step ${step + 1} of ${STEPS.length}. ${rule} ${gradient ? "Gradient at" : "Value of"} ${NODES[node][2]}: ${text(values[key])}.`;
    svg.setAttribute("aria-label", `Computation graph from x through μ, σ² and x̂ to y. ${about}`);
    say(about);
  }
  host.append(controls(back, next, button("Start again", () => { step = 0; draw(); })), svg);
  draw();
});
