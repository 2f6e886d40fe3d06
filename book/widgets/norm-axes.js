// A small tensor (N, C, H, W): which numbers share a mean and a variance under each member of the family of norms?
import { choice, controls, make, show, slider, widget } from "./lib.js";

export const SHAPE = [3, 4, 2, 2], EPS = 1e-5;
/** Which numbers belong together: the same key, the same statistics. */
export const GROUPS = {
  batch: ([, c]) => `${c}`,
  layer: ([n]) => `${n}`,
  group: ([n, c]) => `${n},${c >> 1}`,
  instance: ([n, c]) => `${n},${c}`,
};
const NAMES = { batch: "batch norm", layer: "layer norm", group: "group norm, 2 groups", instance: "instance norm" };

/** All indices (n, c, h, w), and a value for each: images differ in brightness, channels in contrast. */
export const INDICES = [...Array(48).keys()].map((i) => [i >> 4, (i >> 2) & 3, (i >> 1) & 1, i & 1]);
export const VALUES = INDICES.map(([n, c, h, w], i) => n + (c + 1) * (((i * 7) % 5) - 2) / 2 + h - w);

/** x_hat of every entry, and the mean, variance and number of entries of the group of entry `chosen`. */
export function normalize(values, kind, chosen = 0, eps = EPS) {
  const groups = new Map();
  INDICES.forEach((index, i) => {
    const key = GROUPS[kind](index);
    groups.set(key, [...(groups.get(key) ?? []), i]);
  });
  const out = new Array(values.length);
  let about;
  for (const members of groups.values()) {
    const mu = members.reduce((sum, i) => sum + values[i], 0) / members.length;
    const variance = members.reduce((sum, i) => sum + (values[i] - mu) ** 2, 0) / members.length;
    members.forEach((i) => { out[i] = (values[i] - mu) / Math.sqrt(variance + eps); });
    if (members.includes(chosen)) about = { mu, variance, members };
  }
  return { xHat: out, count: groups.size, ...about };
}

widget("norm-axes", "Who shares a mean and a variance?", (host, say) => {
  const state = { kind: "batch", chosen: 5, values: [...VALUES] };
  const svg = make("svg", { viewBox: "0 0 600 330", class: "bnw-plot", role: "grid", "aria-label": "3 images with 4 channels of 2 by 2 pixels; arrow keys choose a pixel" });
  const rows = [0, 1, 2, 3, 4, 5].map(() => make("g", { role: "row" })), words = make("g", { "aria-hidden": "true" });
  svg.append(words, ...rows);
  const S = 30, cells = INDICES.map(([n, c, h, w], i) => {
    const x = 96 + c * 128 + w * (S + 22), y = 44 + n * 98 + h * (S + 4);
    const box = make("rect", { x, y, width: S + 20, height: S + 2, rx: 4 });
    const text = make("text", { x: x + (S + 20) / 2, y: y + 21, "text-anchor": "middle" });
    const cell = make("g", { role: "gridcell", tabindex: i === state.chosen ? 0 : -1, onclick: () => choose(i), onkeydown: (event) => move(event, i), style: "cursor: pointer" }, box, text);
    rows[n * 2 + h].append(cell);
    return { cell, box, text };
  });
  for (let c = 0; c < 4; c++) words.append(make("text", { x: 96 + c * 128 + 51, y: 30, "text-anchor": "middle", class: "axis" }, `channel ${c}`));
  for (let n = 0; n < 3; n++) words.append(make("text", { x: 8, y: 44 + n * 98 + 38, class: "axis" }, `image ${n}`));
  function choose(i) { state.chosen = i; value.set(state.values[i]); draw(); cells[i].cell.focus(); }
  function move(event, i) {
    const [n, c, h, w] = INDICES[i], column = c * 2 + w, row = n * 2 + h;
    const [dx, dy] = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] }[event.key] ?? [0, 0];
    if (!dx && !dy) return;
    event.preventDefault();
    const [x, y] = [(column + dx + 8) % 8, (row + dy + 6) % 6];
    choose((y >> 1) * 16 + (x >> 1) * 4 + (y & 1) * 2 + (x & 1));
  }
  function draw() {
    const { xHat, mu, variance, members, count } = normalize(state.values, state.kind, state.chosen);
    const [n, c, h, w] = INDICES[state.chosen];
    cells.forEach(({ cell, box, text }, i) => {
      const inside = members.includes(i);
      box.setAttribute("fill", inside ? "var(--bnw-blue)" : "var(--pst-color-background, #fff)");
      box.setAttribute("stroke", i === state.chosen ? "var(--bnw-orange)" : "var(--bnw-grey)");
      box.setAttribute("stroke-width", i === state.chosen ? 4 : 1);
      text.style.fill = inside ? "var(--pst-color-background, #fff)" : "var(--bnw-ink)";
      text.textContent = show(xHat[i], 1);
      cell.setAttribute("tabindex", i === state.chosen ? 0 : -1);
      cell.setAttribute("aria-label", `image ${INDICES[i][0]}, channel ${INDICES[i][1]}, row ${INDICES[i][2]}, column ${INDICES[i][3]}: ${show(xHat[i], 1)}${inside ? ", in the group" : ""}`);
    });
    say(`${NAMES[state.kind].replace(/^./, (first) => first.toUpperCase())} takes ${count} means, each over ${members.length} numbers. The chosen pixel (image ${n}, channel ${c}, row ${h}, column ${w}) shares mean ${show(mu)} and variance ${show(variance)} `
      + `with the coloured ones; its x̂ is ${show(xHat[state.chosen])}. Change its value: only coloured ones can move.`);
  }
  const value = slider({ label: "value of the chosen pixel", min: -6, max: 8, step: 0.5, value: state.values[state.chosen], name: (v) => show(v, 1), change: (v) => { state.values[state.chosen] = v; draw(); } });
  host.append(controls(choice({ label: "norm", options: NAMES, value: "batch", change: (v) => { state.kind = v; draw(); } }), value), svg);
  draw();
});
