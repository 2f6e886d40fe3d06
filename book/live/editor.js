// A text area for Python: coloured from below, indents with Tab, is left with Escape and then Tab.

const WORDS =
  "and|as|assert|async|await|break|class|continue|def|del|elif|else|except|finally|for|from|global|if|import|in|is|" +
  "lambda|nonlocal|not|or|pass|raise|return|try|while|with|yield|False|None|True";
const TOKEN = new RegExp(
  [
    "(?<c1>#.*)",
    String.raw`(?<s2>"""[^]*?(?:"""|$)|'''[^]*?(?:'''|$)|"(?:\\.|[^"\\\n])*"?|'(?:\\.|[^'\\\n])*'?)`,
    String.raw`(?<k>\b(?:${WORDS})\b)`,
    String.raw`(?<mi>\b\d[\w.]*)`,
  ].join("|"),
  "g",
);

// The text as nodes, with the classes of the site's other code.
function coloured(text) {
  const nodes = [];
  let end = 0;
  for (const found of text.matchAll(TOKEN)) {
    const [name, token] = Object.entries(found.groups).find(([, value]) => value !== undefined);
    const span = document.createElement("span");
    span.className = name;
    span.textContent = token;
    nodes.push(text.slice(end, found.index), span);
    end = found.index + token.length;
  }
  return [...nodes, text.slice(end), "\n"]; // the last line counts, also where it is empty
}

// Type in the user's place, so that the browser can undo it.
function type(area, start, end, text) {
  if (start === end && !text) return;
  const rest = area.value.slice(end);
  const wanted = area.value.slice(0, start) + text + rest;
  area.setSelectionRange(start, end);
  document.execCommand(text ? "insertText" : "delete", false, text);
  if (area.value === wanted) return;
  area.value = wanted;
  area.setSelectionRange(start + text.length, start + text.length);
  area.dispatchEvent(new Event("input"));
}

// Indent by four spaces: at the cursor, or all selected lines; back: take up to four away from the lines. False where
// there was nothing to take away.
function shift(area, back) {
  const { selectionStart: from, selectionEnd: to, value } = area;
  const start = value.slice(0, from).lastIndexOf("\n") + 1;
  if (!back && from === to) return type(area, from, to, " ".repeat(4 - ((from - start) % 4))), true;
  const end = `${value}\n`.indexOf("\n", to);
  const lines = value.slice(start, end);
  const text = back ? lines.replace(/^ {1,4}/gm, "") : lines.replace(/^(?=.)/gm, "    ");
  if (text === lines) return false;
  type(area, start, end, text);
  const last = Math.max(start, to + text.length - lines.length);
  area.setSelectionRange(from === to ? last : start, last);
  return true;
}

export class Editor {
  // label: for screen readers; python: false for prose; change: called after each change; run: Shift or Ctrl with Enter
  constructor(text, { label, python = true, change, run }) {
    this.element = document.createElement("div");
    this.element.className = python ? "live-editor highlight" : "live-editor live-prose";
    this.mirror = document.createElement("pre");
    this.mirror.setAttribute("aria-hidden", "true");
    this.area = document.createElement("textarea");
    Object.assign(this.area, { value: text, spellcheck: !python, autocomplete: "off" });
    if (python) this.area.autocapitalize = "off";
    this.area.setAttribute("aria-label", label);
    if (python) this.area.setAttribute("aria-describedby", "live-help");
    this.element.append(this.mirror, this.area);
    this.python = python;
    this.area.addEventListener("input", () => (this.draw(), change()));
    this.area.addEventListener("keydown", (event) => this.key(event, run));
    this.draw();
  }

  get value() {
    return this.area.value;
  }

  replace(text) {
    this.area.focus();
    type(this.area, 0, this.value.length, text);
  }

  draw() {
    this.mirror.replaceChildren(...(this.python ? coloured(this.value) : [this.value, "\n"]));
  }

  key(event, run) {
    const leaving = this.leaving;
    this.leaving = event.key === "Escape" || (leaving && event.key === "Shift");
    if (event.isComposing || event.altKey) return;
    const { area } = this;
    const { selectionStart: from, selectionEnd: to } = area;
    const line = area.value.slice(0, from).split("\n").at(-1); // as far as the cursor
    let done = true;
    if (run && event.key === "Enter" && (event.shiftKey || event.ctrlKey || event.metaKey)) run();
    else if (event.ctrlKey || event.metaKey || !this.python) return;
    else if (event.key === "Tab" && !leaving) done = shift(area, event.shiftKey);
    else if (event.key === "Enter") {
      const deeper = /:\s*(#.*)?$/.test(line) ? "    " : "";
      type(area, from, to, `\n${line.match(/^ */)[0]}${deeper}`);
    } else if (event.key === "Backspace" && from === to && /^ +$/.test(line)) {
      type(area, from - 1 - ((line.length - 1) % 4), from, "");
    } else return;
    if (done) event.preventDefault();
  }
}
