// What the widgets share: elements, controls, a plot with axes, handles that mouse, finger and keyboard move.
// No framework, no request; colours come from the page, so that dark mode is the page's own.

let groups = 0;
const NS = "http://www.w3.org/2000/svg";

/** An element with attributes and children; a key like onclick adds a listener. */
export function make(name, attributes = {}, ...children) {
  const svg = ["svg", "g", "path", "line", "circle", "rect", "text", "clipPath"].includes(name);
  const node = svg ? document.createElementNS(NS, name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else node.setAttribute(key, value);
  }
  node.append(...children);
  return node;
}

const raised = (power) => [...String(power)].map((sign) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[sign] ?? "⁻").join("");

/** 2.5·10⁻⁷ */
export function scientific(value) {
  const [mantissa, power] = value.toExponential(1).split("e");
  return `${mantissa}·10${raised(+power)}`.replace("-", "−");
}

/** A number for a reader: `digits` after the point, powers of ten where it is very large, a real minus sign. */
export function show(value, digits = 2) {
  if (!Number.isFinite(value)) return "beyond all bounds";
  if (Math.abs(value) >= 1e5) return scientific(value);
  const text = value.toFixed(digits);
  return +text === 0 ? text.replace("-", "") : text.replace("-", "−");
}

/** `count` numbers from `first` to `last`. */
export const range = (first, last, count) => Array.from({ length: count }, (_, i) => first + ((last - first) * i) / (count - 1));

/** A labelled slider. `change(value)` runs on every move; `name(value)` is what is read out and shown. */
export function slider({ label, min, max, step, value, name = (v) => show(v), change }) {
  const id = `bnw${groups++}`, output = make("output", { for: id }, name(value));
  const input = make("input", { type: "range", id, min, max, step, value, "aria-valuetext": name(value) });
  const node = make("div", { class: "bnw-slider" }, make("label", { for: id }, label, " ", output), input);
  node.set = (next) => {
    input.value = next;
    output.textContent = name(+input.value);
    input.setAttribute("aria-valuetext", name(+input.value));
  };
  input.addEventListener("input", () => { node.set(+input.value); change(+input.value); });
  return node;
}

/** Radio buttons; `options` is {value: label}. */
export function choice({ label, options, value, change }) {
  const group = `bnw${groups++}`;
  const buttons = Object.entries(options).map(([key, text]) => {
    const input = make("input", { type: "radio", name: group, value: key, onchange: () => change(key) });
    input.checked = key === value;
    return make("label", {}, input, " ", text);
  });
  return make("fieldset", { class: "bnw-choice" }, make("legend", {}, label), ...buttons);
}

/** A button. */
export const button = (text, press) => make("button", { type: "button", onclick: press }, text);

/** Axes and what lies between them. x and y are [first, last], positive on log axes. */
export class Plot {
  constructor({ width = 600, height = 300, x, y, xlabel = "", ylabel = "", xticks, yticks, logx = false, logy = false, left = 52 }) {
    Object.assign(this, { width, height, x, y, logx, logy, box: { left, right: width - 12, top: 22, bottom: height - 44 } });
    this.svg = make("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `${ylabel} against ${xlabel}`, class: "bnw-plot" });
    const { left: l, right: r, top: t, bottom: b } = this.box;
    for (const v of xticks ?? range(...x, 5)) {
      const at = this.px(v);
      this.svg.append(make("line", { class: "grid", x1: at, x2: at, y1: t, y2: b }), make("text", { x: at, y: b + 17, "text-anchor": "middle", class: "low" }, this.tick(v, logx)));
    }
    for (const v of yticks ?? range(...y, 5)) {
      const at = this.py(v);
      this.svg.append(make("line", { class: "grid", x1: l, x2: r, y1: at, y2: at }), make("text", { x: l - 6, y: at + 4, "text-anchor": "end" }, this.tick(v, logy)));
    }
    this.svg.append(make("text", { x: r, y: b + 36, "text-anchor": "end", class: "axis below" }, xlabel), make("text", { x: 2, y: 13, class: "axis above" }, ylabel));
    this.layer = make("g");
    this.clip = `bnw${groups++}`;
    this.svg.append(make("clipPath", { id: this.clip }, make("rect", { x: l, y: t - 6, width: r - l, height: b - t + 12 })), this.layer);
  }
  tick(v, log) {
    const power = Math.log10(v);
    return log && Number.isInteger(power) && Math.abs(power) > 1 ? `10${raised(power)}` : `${+v.toPrecision(3)}`.replace("-", "−");
  }
  scale(v, [first, last], log) { return log ? Math.log(Math.max(v, 1e-300) / first) / Math.log(last / first) : (v - first) / (last - first); }
  px(v) { const { left, right } = this.box; return left + this.scale(v, this.x, this.logx) * (right - left); }
  py(v) { const { top, bottom } = this.box; return bottom - this.scale(v, this.y, this.logy) * (bottom - top); }
  /** The data coordinates of a pointer event. */
  at(event) {
    const frame = this.svg.getBoundingClientRect(), { left, right, top, bottom } = this.box;
    const u = ((event.clientX - frame.left) * this.width / frame.width - left) / (right - left);
    const v = (bottom - (event.clientY - frame.top) * this.height / frame.height) / (bottom - top);
    return [this.x[0] + u * (this.x[1] - this.x[0]), this.y[0] + v * (this.y[1] - this.y[0])];
  }
  clear() { this.layer.replaceChildren(); }
  add(name, attributes, ...children) { const node = make(name, attributes, ...children); this.layer.append(node); return node; }
  /** A line through points [x, y]; it breaks where a number is not finite and is cut at the axes. */
  line(points, kind) {
    let path = "", pen = false;
    for (const [x, y] of points) {
      if (!Number.isFinite(x) || !Number.isFinite(y)) { pen = false; continue; }
      path += `${pen ? "L" : "M"}${this.px(x).toFixed(1)} ${Math.min(Math.max(this.py(y), -1e4), 1e4).toFixed(1)}`;
      pen = true;
    }
    return this.add("path", { d: path, class: `line ${kind}`, "clip-path": `url(#${this.clip})` });
  }
  dot(x, y, kind, r = 5) { return this.add("circle", { cx: this.px(x), cy: this.py(y), r, class: `dot ${kind}` }); }
  word(x, y, text, kind = "", anchor = "start", dx = 6, dy = -6) { return this.add("text", { x: this.px(x) + dx, y: this.py(y) + dy, class: `word ${kind}`, "text-anchor": anchor }, text); }
  /** A dot to drag along x or y; arrow keys move it by `step`, with shift by ten. */
  handle({ label, x, y, along = "x", step, min, max, change, kind = "batchnorm" }) {
    const node = make("circle", { r: 9, class: `handle ${kind}`, tabindex: 0, role: "slider", "aria-label": label, "aria-valuemin": min, "aria-valuemax": max, "aria-orientation": along === "x" ? "horizontal" : "vertical" });
    let value = along === "x" ? x : y;
    const set = (next, tell = true) => {
      value = Math.min(Math.max(Math.round(next / step) * step, min), max);
      node.setAttribute("cx", this.px(along === "x" ? value : x));
      node.setAttribute("cy", this.py(along === "y" ? value : y));
      node.setAttribute("aria-valuenow", value.toFixed(2));
      if (tell) change(value);
    };
    node.set = (next) => set(next, false);
    node.addEventListener("keydown", (event) => {
      const direction = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[event.key];
      const next = direction ? value + direction * step * (event.shiftKey ? 10 : 1) : { Home: min, End: max }[event.key];
      if (next !== undefined) { event.preventDefault(); set(next); }
    });
    node.addEventListener("pointerdown", (event) => { node.setPointerCapture(event.pointerId); node.focus(); event.preventDefault(); });
    node.addEventListener("pointermove", (event) => { if (node.hasPointerCapture(event.pointerId)) set(this.at(event)[along === "x" ? 0 : 1]); });
    this.svg.setAttribute("role", "group");
    this.svg.append(node);
    set(value, false);
    return node;
  }
}

const STYLE = `
.bnw { display: block; margin: 1.8rem 0; padding: 1rem 1.1rem; border: 1px solid var(--pst-color-border); border-radius: .55rem;
  background: var(--pst-color-surface); font: .92rem/1.45 var(--pst-font-family-heading, sans-serif); }
.bnw-title { font-weight: 700; margin: 0 0 .5rem; text-wrap: balance; }
.bnw-controls { display: flex; flex-wrap: wrap; gap: .4rem 1.4rem; align-items: end; margin-bottom: .6rem; }
.bnw-slider { display: grid; flex: 1 1 11rem; } .bnw-slider input { width: 100%; accent-color: var(--bnw-blue); min-height: 1.6rem; }
.bnw output { font-variant-numeric: tabular-nums; font-weight: 700; }
.bnw-choice { border: 0; padding: 0; margin: 0; display: flex; flex-wrap: wrap; gap: .1rem .9rem; } .bnw-choice legend { font-size: inherit; margin: 0; }
.bnw button { font: inherit; padding: .35rem .9rem; border-radius: .4rem; border: 1px solid var(--pst-color-text-muted); background: var(--pst-color-background); color: inherit; cursor: pointer; }
.bnw button:disabled { opacity: .5; cursor: default; }
.bnw :is(button, input, .handle, [tabindex]):focus-visible { outline: 3px solid var(--bnw-orange); outline-offset: 2px; }
.bnw-say { margin: .5rem 0 0; min-height: 2.9em; font-variant-numeric: tabular-nums; }
.bnw-plot { width: 100%; height: auto; display: block; overflow: visible; }
.bnw { --bnw-blue: #0072b2; --bnw-red: #b84e00; --bnw-green: #00785a; --bnw-purple: #8f3f70; --bnw-orange: #b36f00; --bnw-ink: var(--pst-color-text-base); --bnw-grey: var(--pst-color-text-muted); }
html[data-theme="dark"] .bnw { --bnw-blue: #6cb8ee; --bnw-red: #ff9a55; --bnw-green: #48cfa3; --bnw-purple: #e79fc8; --bnw-orange: #f2bd4d; }
.bnw-plot text { fill: var(--bnw-ink); font-size: 14px; font-family: inherit; } .bnw-plot .axis { fill: var(--bnw-grey); }
.bnw-plot .grid { stroke: var(--pst-color-border); }
.bnw-plot .line { fill: none; stroke-width: 2.5; stroke: var(--bnw-ink); } .bnw-plot .dot { fill: var(--bnw-ink); }
.bnw-plot .handle { cursor: grab; touch-action: none; stroke: var(--pst-color-background); stroke-width: 2; }
${[["batchnorm", "blue", "0"], ["plain", "red", "7 4"], ["other", "green", "9 3 2 3"], ["gradient", "purple", "0"], ["theory", "grey", "2 4"], ["extra", "orange", "5 3"]]
    .map(([kind, colour, dash]) => `.bnw-plot .line.${kind} { stroke: var(--bnw-${colour}); stroke-dasharray: ${dash}; } .bnw-plot .dot.${kind}, .bnw-plot .handle.${kind}, .bnw-plot .word.${kind} { fill: var(--bnw-${colour}); }`).join("\n")}
.bnw-plot .word { font-weight: 600; paint-order: stroke; stroke: var(--pst-color-surface); stroke-width: 4; }
@media (max-width: 480px) { /* larger; names of axes clear of the numbers */
  .bnw-plot text { font-size: 19px; } .bnw-plot { margin-block: .8rem; } .bnw-plot .handle { r: 14px; }
  .bnw-plot .above { transform: translateY(-10px); } .bnw-plot .low { transform: translateY(5px); } .bnw-plot .below { transform: translateY(12px); }
}`;

/** Register <bn-name>: `build(host, say)` fills the host; `say(text)` shows a sentence and soon reads it. */
export function widget(name, title, build) {
  if (!globalThis.customElements || customElements.get(`bn-${name}`)) return;
  customElements.define(`bn-${name}`, class extends HTMLElement {
    connectedCallback() {
      if (this.ready) return;
      this.ready = true;
      if (!document.getElementById("bnw-style")) document.head.append(make("style", { id: "bnw-style" }, STYLE));
      this.classList.add("bnw");
      this.setAttribute("role", "group");
      this.setAttribute("aria-label", title);
      const body = make("div"), shown = make("p", { class: "bnw-say" }), heard = make("p", { role: "status", class: "visually-hidden" });
      this.replaceChildren(make("p", { class: "bnw-title" }, title), body, shown, heard);
      let timer;
      build(body, (text) => {
        shown.textContent = text;
        clearTimeout(timer);
        timer = setTimeout(() => { heard.textContent = text; }, 600);
      });
    }
  });
}

/** A row of controls. */
export const controls = (...nodes) => make("div", { class: "bnw-controls" }, ...nodes);
