/**
 * All that docs/performance.md shows of the CPU, one bench after the other, each in a process of its own: `npm run bench`, or some of them:
 * `npm run bench -- --only addon,load`. With `--python venv/bin/python` (a Python that has stable-diffusion-cpp-python 0.4.7) the steps are
 * compared with it. Prints the tables and writes them, and what they were made from, to bench/results/bench.json.
 */
import { spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { cpus, totalmem } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { native } from "../lib/engine/binding.js";
import { resultsFolder } from "./table.js";

const benches = {
  steps: ["peer.ts", "Seconds per step and per text"],
  addon: ["addon.ts", "What the addon adds to the engine"],
  load: ["load.ts", "Loading"],
  peak: ["peak.ts", "Peak memory"],
  isolation: ["isolation.ts", "Isolation"],
  scale: ["scale.ts", "Scale"],
} as const;
type Name = keyof typeof benches;

const { values: args } = parseArgs({ options: { only: { type: "string" }, python: { type: "string" } } });

function run(script: string, given: string[]): Promise<void> {
  const child = spawn(process.execPath, ["--import", "tsx", path.join(__dirname, script), ...given], { stdio: "inherit" });
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code, signal) => (code === 0 ? resolve() : reject(new Error(`${script} ended with ${code ?? signal}`))));
  });
}

async function main(): Promise<void> {
  const names = (args.only?.split(",") ?? Object.keys(benches)) as Name[];
  for (const name of names) if (!benches[name]) throw new Error(`no bench '${name}', expected ${Object.keys(benches).join(", ")}`);
  const machine = { cpu: cpus()[0]?.model, cores: cpus().length, memory: totalmem(), node: process.version, engine: native().engine };
  const results: Record<string, unknown> = { date: new Date().toISOString(), machine };
  for (const name of names) {
    const [script, title] = benches[name];
    console.log(`\n## ${title}\n`);
    await run(script, name === "steps" && args.python ? ["--python", args.python] : []);
    results[name] = JSON.parse(readFileSync(path.join(resultsFolder, `${name}.json`), "utf8"));
  }
  const file = path.join(resultsFolder, "bench.json");
  writeFileSync(file, `${JSON.stringify(results, undefined, 2)}\n`);
  console.log(`\n${path.relative(process.cwd(), file)} has what the tables were made from.`);
}

main();
