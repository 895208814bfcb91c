/**
 * This package against stable-diffusion-cpp-python 0.4.7 (`pip install stable-diffusion-cpp-python==0.4.7`, which compiles it with its default flags):
 * the same files (Medium at its real size), pictures and threads, one picture
 * each in turns. `npm run bench:peer -- --python venv/bin/python`. Prints a table of medians with
 * their range, ratios of neighbors, and writes bench/results/peer.json.
 */
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { parseArgs } from "node:util";
import { packageRoot } from "../lib/binding.js";
import { loadModel } from "../lib/index.js";
import { clipG, clipL, medium, taesd3 } from "../test/helpers/checkpoints.js";
import type { TensorType } from "../test/helpers/weights.js";
import { type Summary, show, summarize } from "./stats.js";

const { values: args } = parseArgs({
  options: {
    python: { type: "string", default: "python3" },
    types: { type: "string", default: "f16,q8_0,q4_0,q4_k" },
    sides: { type: "string", default: "256,512" },
    threads: { type: "string", default: "2" },
    pairs: { type: "string", default: "4" },
    steps: { type: "string", default: "4" },
  },
});
const threads = Number(args.threads);
const steps = Number(args.steps);

interface Timed {
  encode: number;
  steps: number[];
  total: number;
}
type Draw = (prompt: string) => Promise<Timed>;

interface Files {
  diffusionModel: string;
  clipL: string;
  clipG: string;
  taesd: string;
}

async function ours(files: Files, side: number): Promise<{ draw: Draw; end: () => Promise<void> }> {
  const model = await loadModel({ ...files, threads });
  const draw = async (prompt: string) => {
    const marks: number[] = [];
    const run = model.generate({ prompt, width: side, height: side, steps, cfgScale: 1, seed: 1 });
    for await (const event of run) if (event.type === "progress" && event.phase === "sample") marks.push(performance.now() / 1000);
    const { timings } = await run;
    return { encode: timings.encode, steps: marks.slice(1).map((mark, i) => mark - (marks[i] as number)), total: timings.total };
  };
  return { draw, end: () => model.dispose() };
}

async function theirs(files: Files, side: number): Promise<{ draw: Draw; end: () => Promise<void> }> {
  const given = JSON.stringify({ ...files, threads, side, steps });
  const child: ChildProcessByStdio<Writable, Readable, null> = spawn(args.python, [path.join(__dirname, "peer.py"), given], {
    stdio: ["pipe", "pipe", "ignore"],
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const answer = async () => {
    const { value, done } = await lines.next();
    if (done) throw new Error("the Python process ended; run bench/peer.py by hand to see why");
    return JSON.parse(value);
  };
  await answer();
  const draw = (prompt: string) => {
    child.stdin.write(`${prompt}\n`);
    return answer();
  };
  const end = async () => {
    child.stdin.end();
    await new Promise((resolve) => child.once("close", resolve));
  };
  return { draw, end };
}

interface Row {
  type: string;
  side: number;
  what: "step" | "text";
  ours: Summary;
  theirs: Summary;
  ratio: Summary;
}

async function compare(type: TensorType, side: number): Promise<Row[]> {
  const files = { diffusionModel: await medium(type), clipL: await clipL(), clipG: await clipG(), taesd: await taesd3() };
  const [us, them] = [await ours(files, side), await theirs(files, side)];
  const pairs: [Timed, Timed][] = [];
  for (let i = 0; i <= Number(args.pairs); i++) {
    const prompt = `circle number ${i}`; // each its own, so that the texts are encoded
    const pair: [Timed, Timed] = [await us.draw(prompt), await them.draw(prompt)];
    if (i > 0) pairs.push(pair); // the first loads, there
  }
  await us.end();
  await them.end();
  const row = (what: Row["what"], seconds: (timed: Timed) => number): Row => ({
    type,
    side,
    what,
    ours: summarize(pairs.map(([a]) => seconds(a))),
    theirs: summarize(pairs.map(([, b]) => seconds(b))),
    ratio: summarize(pairs.map(([a, b]) => seconds(b) / seconds(a))),
  });
  return [row("step", ({ steps }) => summarize(steps).median), row("text", ({ encode }) => encode)];
}

async function main(): Promise<void> {
  const rows: Row[] = [];
  console.log(
    `${threads} threads.\n\n| weights | picture | what | this package, s | peer, s | times as fast |\n| --- | --- | --- | --- | --- | --- |`,
  );
  for (const side of args.sides.split(",").map(Number)) {
    for (const type of args.types.split(",") as TensorType[]) {
      for (const row of await compare(type, side)) {
        rows.push(row);
        console.log(`| ${[type, `${side}²`, row.what, show(row.ours, 3), show(row.theirs, 3), show(row.ratio, 2)].join(" | ")} |`);
      }
    }
  }
  const results = path.join(packageRoot, "bench", "results");
  await mkdir(results, { recursive: true });
  await writeFile(path.join(results, "peer.json"), `${JSON.stringify({ threads, steps, rows }, undefined, 2)}\n`);
}

main();
