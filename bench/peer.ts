/**
 * Seconds per step and per text of Medium at its real size, each prompt a new one; with `--python venv/bin/python` against stable-diffusion-cpp-python
 * 0.4.7 (`pip install stable-diffusion-cpp-python==0.4.7`, which compiles it with its default flags): the same files, pictures and threads,
 * one picture each in turns. Medians with their range, ratios of neighbors.
 */
import { type ChildProcessByStdio, spawn } from "node:child_process";
import path from "node:path";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { parseArgs } from "node:util";
import { loadModel } from "../lib/index.js";
import { clipG, clipL, medium, taesd3 } from "../test/helpers/checkpoints.js";
import type { TensorType } from "../test/helpers/weights.js";
import { show, summarize } from "./stats.js";
import { Table } from "./table.js";

const { values: args } = parseArgs({
  options: {
    python: { type: "string" },
    types: { type: "string", default: "f16,q8_0,q4_0,q4_k" },
    sides: { type: "string", default: "256,512" },
    threads: { type: "string", default: "2" },
    pairs: { type: "string", default: "3" }, // at 256x256, and fewer of what takes longer
    steps: { type: "string", default: "3" },
  },
});
const threads = Number(args.threads);
const stepsAt = (side: number) => Math.max(2, Math.round((Number(args.steps) * 256) / side));
const pairsAt = (side: number) => Math.max(2, Math.round((Number(args.pairs) * 256) / side));

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
    const run = model.generate({ prompt, width: side, height: side, steps: stepsAt(side), cfgScale: 1, seed: 1 });
    for await (const event of run) if (event.type === "progress" && event.phase === "sample") marks.push(performance.now() / 1000);
    const { timings } = await run;
    return { encode: timings.encode, steps: marks.slice(1).map((mark, i) => mark - (marks[i] as number)), total: timings.total };
  };
  return { draw, end: () => model.dispose() };
}

async function theirs(python: string, files: Files, side: number): Promise<{ draw: Draw; end: () => Promise<void> }> {
  const given = JSON.stringify({ ...files, threads, side, steps: stepsAt(side) });
  const child: ChildProcessByStdio<Writable, Readable, null> = spawn(python, [path.join(__dirname, "peer.py"), given], {
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

async function compare(table: Table, type: TensorType, side: number): Promise<void> {
  const files = { diffusionModel: await medium(type), clipL: await clipL(), clipG: await clipG(), taesd: await taesd3() };
  const us = await ours(files, side);
  const them = args.python === undefined ? undefined : await theirs(args.python, files, side);
  const own: Timed[] = [];
  const other: Timed[] = [];
  for (let i = 0; i <= pairsAt(side); i++) {
    const prompt = `circle number ${i}`; // each its own, so that the texts are encoded
    const mine = await us.draw(prompt);
    const its = await them?.draw(prompt);
    if (i === 0) continue; // it loads, there
    own.push(mine);
    if (its) other.push(its);
  }
  await us.end();
  await them?.end();
  const row = (what: string, seconds: (timed: Timed) => number) => {
    const [a, b] = [own.map(seconds), other.map(seconds)];
    const compared = them ? [show(summarize(b), 3), show(summarize(b.map((time, i) => time / (a[i] as number))), 2)] : [];
    table.row([type, `${side}x${side}`, what, show(summarize(a), 3), ...compared], { type, side, what, threads, ours: a, theirs: b });
  };
  row("step", ({ steps }) => summarize(steps).median);
  row("text", ({ encode }) => encode);
}

async function main(): Promise<void> {
  const table = new Table("steps", ["weights", "picture", "what", "this package, s", ...(args.python ? ["peer, s", "times as fast"] : [])]);
  for (const side of args.sides.split(",").map(Number)) {
    for (const type of args.types.split(",") as TensorType[]) await compare(table, type, side);
  }
}

main();
