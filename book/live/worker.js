// Python, away from the page: a cell that never ends leaves the page alive.
// Messages in: {start} once, then {run: source, name}.
// Messages out: {ready: versions}, {out: text} while a cell prints, {done: kind, text}, {failed: why}.
let runner;
let text = "";
let printed = 0;
let last = 0;
const MOST = 100_000; // characters that a cell may print; what comes after is dropped

function flush() {
  if (text) postMessage({ out: text });
  text = "";
  last = performance.now();
}

function stream() {
  const decoder = new TextDecoder();
  return {
    write(bytes) {
      if (printed < MOST) {
        text += decoder.decode(bytes, { stream: true });
        printed += bytes.length;
        if (printed >= MOST) text += "\n… more was printed than fits here\n";
      }
      if (performance.now() - last > 150) flush();
      return bytes.length;
    },
  };
}

async function start({ python, zip }) {
  importScripts(`${python}pyodide.js`);
  const pyodide = await loadPyodide({ indexURL: python });
  pyodide.setStdout(stream());
  pyodide.setStderr(stream());
  const [library] = await Promise.all([fetch(zip), pyodide.loadPackage("numpy", { messageCallback() {} })]);
  if (!library.ok) throw new Error(`cannot fetch ${zip}: ${library.status}`);
  pyodide.unpackArchive(await library.arrayBuffer(), "zip");
  runner = pyodide.pyimport("runner");
  postMessage({ ready: runner.versions() });
}

onmessage = async ({ data }) => {
  try {
    if (data.start) return await start(data.start);
    printed = 0;
    const [done, words] = runner.run(data.run, data.name).toJs();
    flush();
    postMessage({ done, text: words });
  } catch (error) {
    postMessage({ failed: String(error.message ?? error).trim() });
  }
};
