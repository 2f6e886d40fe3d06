// Makes an exercise page one that can be done: cells become editors, Python runs in a worker, answers stay in the
// browser. Loaded by _static/live_start.js when the reader asks for it, or has answers here.
import { Editor } from "./editor.js";
import { Python, Stopped } from "./python.js";

const ANSWER = "YOUR ANSWER HERE"; // what nbgrader puts where a person is to write
const HELP = "Tab indents, Escape and then Tab leaves the editor. Shift and Enter run the cell.";

function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

function button(text, onclick) {
  return make("button", { type: "button", textContent: text, onclick });
}

class Page {
  constructor(bar, notebook) {
    this.bar = bar;
    this.notebook = notebook;
    this.name = bar.dataset.notebook;
    this.status = bar.querySelector("[role=status]");
    const zip = new URL(`${this.name}.zip`, import.meta.url).href;
    const python = new URL(bar.dataset.python, location.href).href;
    this.python = new Python({ python, zip }, (words) => this.say(words));
    this.python.ended = () => this.cells.forEach((cell) => (cell.ran = undefined));
    this.tidy = [];
    this.dress();
  }

  say(words) {
    this.status.textContent = words;
  }

  dress() {
    const code = this.notebook.cells.filter((cell) => cell.cell_type === "code");
    const places = [...document.querySelectorAll("article div.cell")];
    if (code.length !== places.length) throw new Error("the page and its notebook differ");
    this.cells = code.map((cell, i) => new Cell(this, cell, places[i]));
    const written = this.notebook.cells.filter((cell) => cell.cell_type === "markdown" && text(cell).includes(ANSWER));
    const gaps = [...document.querySelectorAll("article p")].filter((p) => p.textContent.trim() === ANSWER);
    written.forEach((cell, i) => this.writeInto(cell, gaps[i]));
    const save = () => this.download();
    this.bar.querySelector("button")?.remove();
    this.bar.append(
      button("Download the notebook to hand in", save),
      button("Forget my answers", () => this.forget()),
      make("p", { id: "live-help", textContent: HELP }),
    );
    this.cells.at(-1)?.row.append(button("Download the notebook to hand in", save));
  }

  // A written answer: prose in place of the line that asks for it.
  writeInto(cell, gap) {
    const label = `Your answer: ${cell.id}`;
    const change = () => this.keep(cell.id, editor.value, "");
    const editor = new Editor(this.kept(cell.id) ?? "", { label, python: false, change });
    gap.replaceWith(editor.element);
    this.tidy.push(() => editor.value && editor.replace(""));
    const source = text(cell);
    cell.now = () => source.replace(ANSWER, () => editor.value.trim() || ANSWER);
  }

  key(id) {
    return `live/${this.name}/${id}`;
  }

  kept(id) {
    try {
      return localStorage.getItem(this.key(id));
    } catch {
      return null;
    }
  }

  // Remember an answer that differs from what the notebook came with.
  keep(id, now, first) {
    try {
      if (now === first) localStorage.removeItem(this.key(id));
      else localStorage.setItem(this.key(id), now);
    } catch {
      this.say("This browser keeps no answers (a private window? no space?): download the notebook before you leave.");
    }
  }

  forget() {
    if (!confirm("Put every cell of this page back as it came?")) return;
    this.tidy.forEach((one) => one());
    try {
      // of cells that this page no longer has, too
      const kept = Object.keys(localStorage).filter((key) => key.startsWith(this.key("")));
      kept.forEach((key) => localStorage.removeItem(key));
    } catch {} // a browser that keeps nothing
    this.say("All cells are as they came.");
  }

  // Run a cell, and before it those above that it builds on and that have changed since they ran; or another source in
  // its place, which needs none of them.
  async run(target, other) {
    if (this.python.busy) return this.say("Python is busy with another cell.");
    this.python.busy = true;
    const above = this.cells.slice(0, this.cells.indexOf(target));
    const fits = (cell) => cell.source !== cell.ran && (target.checks ? cell.given : !cell.checks);
    const needed = other ? [] : above.filter(fits);
    let broken;
    try {
      for (const cell of needed) {
        const { done } = await cell.execute(this.python);
        if (done && done !== "missing") broken ??= cell;
      }
      await target.execute(this.python, other);
      if (broken) {
        // what was checked is the answer as it was before: right or wrong, it is not what stands there now
        target.print(`\nThe cell ${broken.id} above ended with an error: mend that first.`);
        target.output.classList.replace("live-right", "live-wrong");
      }
    } catch (error) {
      if (!(error instanceof Stopped)) throw error;
      target.conclude({ done: "stopped", text: error.message });
    } finally {
      this.python.busy = false;
    }
  }

  // The notebook as a file: the released one with the reader's sources, without outputs.
  download() {
    const lines = (source) => source.match(/[^\n]*\n|[^\n]+$/g) ?? [];
    const cells = this.notebook.cells.map(({ now, ...cell }) => (now ? { ...cell, source: lines(now()) } : cell));
    const data = JSON.stringify({ ...this.notebook, cells }, null, 1) + "\n";
    const url = URL.createObjectURL(new Blob([data], { type: "application/x-ipynb+json" }));
    make("a", { href: url, download: `${this.name}.ipynb` }).click();
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
    this.say(`${this.name}.ipynb is in your downloads: hand it in under this name.`);
  }
}

function text(cell) {
  return typeof cell.source === "string" ? cell.source : cell.source.join("");
}

// A code cell: editor, buttons and output.
class Cell {
  constructor(page, cell, place) {
    const { grade, solution, locked } = cell.metadata.nbgrader ?? {};
    this.id = cell.metadata.nbgrader?.grade_id ?? cell.id;
    this.page = page;
    this.first = text(cell);
    this.given = Boolean(solution || locked) && !grade; // checks build on these alone: answers and the set-up
    this.checks = Boolean(grade) || /^progress\(/m.test(this.first);
    this.row = make("div", { className: "live-row" });
    const run = () => page.run(this);
    this.go = button(this.checks ? "Check" : "Run", run);
    this.row.append(this.go);
    const ask = `import bnlab; bnlab.hint("${this.id.replace(/-test$/, "")}")`;
    if (grade) this.row.append(button("Hint", () => page.run(this, ask)));
    this.halt = button("Stop", () => page.python.stop());
    this.halt.hidden = true;
    this.clock = make("span", { className: "live-clock" });
    this.row.append(this.halt, this.clock);
    this.output = make("pre", { className: "live-output", role: "status" });
    this.output.setAttribute("aria-label", `Output of ${this.id}`);
    this.go.setAttribute("aria-label", `${this.go.textContent} ${this.id}`);
    if (!locked && !this.checks) this.open(cell, place);
    place.append(this.row, this.output);
  }

  get source() {
    return this.editor ? this.editor.value : this.first;
  }

  // Put an editor in place of the code.
  open(cell, place) {
    const { page, first } = this;
    const reset = button("Put it back", () => this.editor.replace(first));
    const change = () => {
      reset.hidden = this.source === first;
      page.keep(cell.id, this.source, first);
    };
    const options = { label: `Code of ${this.id}`, change, run: () => page.run(this) };
    this.editor = new Editor(page.kept(cell.id) ?? first, options);
    reset.hidden = this.source === first;
    this.row.append(reset);
    page.tidy.push(() => this.source !== first && this.editor.replace(first));
    cell.now = () => this.source;
    place.querySelector(".cell_input").replaceChildren(this.editor.element);
  }

  async execute(python, other) {
    const source = other ?? this.source;
    this.output.replaceChildren();
    this.output.className = "live-output";
    this.go.setAttribute("aria-disabled", "true");
    this.halt.hidden = false;
    const began = performance.now();
    const tick = setInterval(() => {
      const seconds = Math.round((performance.now() - began) / 1000);
      this.clock.textContent = `${seconds} s${seconds < 20 ? "" : ": does a loop never end? Stop keeps your answers."}`;
    }, 1000);
    try {
      const result = await python.run(source, this.id, (words) => this.print(words));
      this.conclude(result, other);
      if (!other) this.ran = result.done ? undefined : source;
      return result;
    } finally {
      clearInterval(tick);
      this.clock.textContent = "";
      this.go.removeAttribute("aria-disabled");
      if (document.activeElement === this.halt) this.go.focus(); // not lost with the button that goes
      this.halt.hidden = true;
    }
  }

  // The end of a run: its last words, and how it went.
  conclude({ done, text: words }, other) {
    this.print(words);
    this.output.classList.add(done ? "live-wrong" : this.checks && !other ? "live-right" : "live-done");
    const { scrollHeight, clientHeight } = this.output;
    this.output.tabIndex = scrollHeight > clientHeight + 1 ? 0 : -1; // the keyboard reaches what scrolls
  }

  // Append to the output; links to the book stay on this site.
  print(words) {
    for (const part of words.split(/(https:\/\/[^\s)]+)/)) {
      const href = part.replace(/^https:\/\/[\w-]+\.github\.io\/[^/]+\/(?=book\/)/, this.page.bar.dataset.root);
      this.output.append(part.startsWith("https://") ? make("a", { href, textContent: part }) : part);
    }
  }
}

export async function open(bar) {
  const answer = await fetch(`${bar.dataset.root}_sources/exercises/${bar.dataset.notebook}.ipynb`);
  if (!answer.ok) throw new Error(`the notebook cannot be fetched (${answer.status})`);
  return new Page(bar, await answer.json());
}
