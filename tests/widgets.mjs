// Formulas of the widgets at the inputs given on standard input, as JSON: {"name": [module, function, [arguments]]}.
import { readFileSync } from "node:fs";

const asked = JSON.parse(readFileSync(0, "utf8")), found = {};
for (const [name, [module, called, inputs]] of Object.entries(asked)) {
  const value = (await import(new URL(`../book/widgets/${module}.js`, import.meta.url)))[called];
  found[name] = typeof value === "function" ? value(...inputs) : value;
}
console.log(JSON.stringify(found));
