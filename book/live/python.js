// One Python for the page, in a worker that is ended and replaced where a cell does not end.

export class Stopped extends Error {}

export class Python {
  // files: {python: folder of Pyodide, zip: bnlab}; say: told in words what it is doing
  constructor(files, say) {
    Object.assign(this, { files, say, busy: false });
  }

  start() {
    this.ready ??= new Promise((resolve, reject) => {
      this.reject = reject;
      this.say("Python is on its way: about 9 MB, fetched once. Nothing that you write is sent anywhere.");
      const worker = (this.worker = new Worker(new URL("worker.js", import.meta.url)));
      // one that was ended may still cry out
      const mine = (listen) => (event) => worker === this.worker && listen(event);
      worker.onerror = mine((event) => this.fail(event.message || "its script failed to load"));
      worker.onmessage = mine(({ data }) => {
        if ("ready" in data) {
          this.say(`${data.ready} run in this page.`);
          resolve();
        } else if ("out" in data) this.out?.(data.out);
        else if ("done" in data) {
          const { finish } = this;
          this.finish = this.out = undefined;
          finish(data);
        } else this.fail(data.failed);
      });
      worker.postMessage({ start: this.files });
    });
    return this.ready;
  }

  // Python broke down in a cell, or never came: the next run begins with a new one.
  fail(why) {
    const offline = !navigator.onLine || /fetch|network|failed to load|load failed/i.test(why);
    let cure = "a newer browser may help, or Colab, with the rocket above. Your answers are kept.";
    if (offline) cure = "are you offline? Your answers are kept; run a cell to try again.";
    if (this.finish) cure = "the cell ended it. Variables are gone, your answers are kept; the next run starts anew.";
    this.end(new Stopped(`Python stopped (${why.split("\n").pop()}): ${cure}`));
  }

  stop() {
    this.end(new Stopped("Stopped. Python starts anew: its variables are gone, your answers are kept."));
    this.start().catch(() => {});
  }

  end(reason) {
    this.worker?.terminate();
    this.say(reason.message);
    const { reject } = this;
    this.worker = this.ready = this.finish = this.out = undefined;
    reject?.(reason);
    this.ended?.();
  }

  // Run one cell; {done, text} as runner.py says.
  async run(source, name, out) {
    await this.start();
    return new Promise((resolve, reject) => {
      Object.assign(this, { out, finish: resolve, reject });
      this.worker.postMessage({ run: source, name });
    });
  }
}
