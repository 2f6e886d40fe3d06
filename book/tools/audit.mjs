// Lighthouse on the built website: medians of three runs, phone and desktop, with every other host out of reach.
//   make audit                       (needs Node 18 or newer, Chromium, and npm, which fetches lighthouse once)
//   node book/tools/audit.mjs FOLDER,FOLDER PAGE ...     (several websites, to compare them)
import fs from "node:fs";
import http from "node:http";
import path from "node:path";
import zlib from "node:zlib";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const load = createRequire(path.resolve("node_modules/x.js"));
const lighthouse = await import(pathToFileURL(load.resolve("lighthouse")));
const { launch } = await import(pathToFileURL(load.resolve("chrome-launcher")));
const [folders, ...pages] = process.argv.slice(2);
const RUNS = 3;
const TYPES = { html: "text/html; charset=utf-8", js: "text/javascript", css: "text/css", svg: "image/svg+xml",
  png: "image/png", woff2: "font/woff2", json: "application/json" };

/** Files of a folder as a web server sends them: compressed, and kept by the browser for ten minutes. */
const serve = (root) => (request, response) => {
  const file = path.join(root, decodeURIComponent(new URL(request.url, "http://x").pathname));
  if (!fs.existsSync(file) || fs.statSync(file).isDirectory()) return response.writeHead(404).end();
  const kind = file.split(".").pop();
  const head = { "content-type": TYPES[kind] ?? "application/octet-stream", "cache-control": "max-age=600" };
  let body = fs.readFileSync(file);
  // here the page's own address is that of this server; a canonical one elsewhere would count as a mistake
  if (kind === "html") body = body.toString().replace(/(<link rel="canonical" href=")[^"]*/, `$1http://${request.headers.host}${request.url}`);
  if (!["png", "woff2"].includes(kind)) {
    body = zlib.gzipSync(body);
    head["content-encoding"] = "gzip";
  }
  response.writeHead(200, { ...head, "content-length": body.length }).end(body);
};

const median = (values) => values.sort((a, b) => a - b)[values.length >> 1];
const flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
  "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"];
/** Measure one page of one website on one device. */
async function measure(base, page, device) {
  const runs = [];
  for (let i = 0; i < RUNS; i++) {
    const chrome = await launch({ chromeFlags: flags });
    const config = device === "desktop" ? lighthouse.desktopConfig : undefined;
    const { lhr } = await lighthouse.default(`${base}/${page}`, { port: chrome.port, logLevel: "silent" }, config);
    await chrome.kill();
    const requests = lhr.audits["network-requests"].details.items;
    const failing = Object.values(lhr.categories).slice(1).flatMap((c) => c.auditRefs)
      .filter((ref) => ref.weight && lhr.audits[ref.id].score !== null && lhr.audits[ref.id].score < 1);
    runs.push({
      scores: Object.values(lhr.categories).map((category) => Math.round(100 * category.score)),
      size: requests.reduce((sum, request) => sum + request.transferSize, 0) / 1024,
      paint: lhr.audits["largest-contentful-paint"].numericValue / 1000,
      blocking: lhr.audits["total-blocking-time"].numericValue,
      shift: lhr.audits["cumulative-layout-shift"].numericValue,
      failing: failing.map((ref) => ref.id),
    });
  }
  const of = (name) => median(runs.map((run) => run[name]));
  const scores = [0, 1, 2, 3].map((i) => median(runs.map((run) => run.scores[i])));
  console.log(page.padEnd(27), device.padEnd(8), ...scores.map((s) => String(s).padStart(6)), of("size").toFixed(0).padStart(7),
    `${of("paint").toFixed(1)} s`.padStart(8), `${of("blocking").toFixed(0)} ms`.padStart(9), of("shift").toFixed(3).padStart(7),
    [...new Set(runs.flatMap((run) => run.failing))].join(" "));
}

for (const root of folders.split(",")) {
  const server = http.createServer(serve(root)).listen(0, "127.0.0.1");
  await new Promise((done) => server.once("listening", done));
  console.log(`\n${root}`);
  console.log("page                        device    speed access practice search   KB    paint  blocking   shift");
  for (const page of pages)
    for (const device of ["phone", "desktop"]) await measure(`http://127.0.0.1:${server.address().port}`, page, device);
  server.close();
}
process.exit(0);
