/**
 * What `isolate: true` costs: time a picture, cancel, load and restart, and memory. Measured on the compiled package; memory on Linux. Prints
 * the table of docs/isolation.md. With `--realtime` (Linux, as root) the threads that pass the messages, and not the engine's, go before all other
 * programs while pictures are timed, so that on a busy machine their own time shows.
 */

import type { ChildProcess } from "node:child_process";
import { execFileSync } from "node:child_process";
import { subscribe } from "node:diagnostics_channel";
import { readFileSync } from "node:fs";
import path from "node:path";
import { performance } from "node:perf_hooks";
import { parseArgs } from "node:util";
import { packageRoot } from "../lib/engine/binding.js";
import { forkNode } from "../lib/engine/isolation/node.js";
import type { Reply } from "../lib/engine/isolation/protocol.js";
import type { Model, ModelOptions } from "../lib/index.js";
import { clipL, largeShaped, taesd3 } from "../test/helpers/checkpoints.js";
import { type Summary, show, summarize } from "./stats.js";
import { Table } from "./table.js";

const { loadModel } = require(packageRoot) as typeof import("../lib/index.js");
const { values: args } = parseArgs({
  options: { pairs: { type: "string", default: "15" }, tries: { type: "string", default: "30" }, realtime: { type: "boolean" } },
});
const pairs = Number(args.pairs);
const tries = Number(args.tries);
const warmUps = 5;

let child: ChildProcess | undefined;
subscribe("child_process", (message) => {
  child = (message as { process: ChildProcess }).process;
});

async function milliseconds(work: () => PromiseLike<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

/** From the request for a picture to its arrival; and the processor time that it costs both processes, which other programs disturb less. */
async function transport(side: number): Promise<{ wall: Summary; processor: number }> {
  let arrived: (reply: Reply) => void = () => {};
  const program = { file: path.join(__dirname, "picture-source.cjs"), execArgv: [], cwd: process.cwd(), env: process.env };
  const source = forkNode(program, { message: (reply) => arrived(reply), output: console.error, end: () => {} });
  const processorTime = (reply: Reply) => {
    const { cpu } = (reply as { value: unknown }).value as { cpu: NodeJS.CpuUsage };
    return [cpu, process.cpuUsage()].reduce((sum, { user, system }) => sum + user + system, 0) / 1000;
  };
  const times: number[] = [];
  let begin = 0;
  let end = 0;
  for (let id = -warmUps; id < tries; id++) {
    const picture = new Promise<Reply>((resolve) => {
      arrived = resolve;
    });
    source.send({ type: "call", id, method: "generate", args: [side] });
    const time = await milliseconds(() => picture);
    if (id >= 0) times.push(time);
    end = processorTime(await picture);
    if (id === -1) begin = end;
  }
  source.kill();
  return { wall: summarize(times), processor: (end - begin) / tries };
}

/** What a picture takes beyond the engine's own time: two models in turn, so that a drift of the machine favors neither. */
async function perPicture(here: Model, isolated: Model, side: number, pairs: number): Promise<{ here: Summary; isolated: Summary }> {
  const beyond = async (model: Model) => {
    let engine = 0;
    const all = await milliseconds(async () => {
      const { timings } = await model.generate({ prompt: "a red circle", width: side, height: side, steps: 1, cfgScale: 1, seed: 1 });
      engine = timings.total * 1000;
    });
    return all - engine;
  };
  const results: { here: number[]; isolated: number[] } = { here: [], isolated: [] };
  for (let pair = -1; pair < pairs; pair++) {
    const order = pair % 2 ? (["here", "isolated"] as const) : (["isolated", "here"] as const);
    for (const name of order) {
      const value = await beyond(name === "here" ? here : isolated);
      if (pair >= 0) results[name].push(value); // the first of each warms up
    }
  }
  return { here: summarize(results.here), isolated: summarize(results.isolated) };
}

/** From cancel() in mid-run to the rejection. */
async function cancelLatency(model: Model): Promise<Summary> {
  const latencies: number[] = [];
  for (let i = 0; i < tries; i++) {
    const run = model.generate({ prompt: "a red circle", width: 256, height: 256, steps: 1000, cfgScale: 1, seed: i });
    for await (const event of run) if (event.type === "phase" && event.phase === "sample") break;
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 200));
    run.cancel();
    latencies.push(await milliseconds(() => run.catch(() => {})));
  }
  return summarize(latencies);
}

async function loadTimes(options: ModelOptions, rounds: number): Promise<Summary> {
  const times: number[] = [];
  for (let i = 0; i < rounds; i++) {
    let model: Model | undefined;
    times.push(
      await milliseconds(async () => {
        model = await loadModel(options);
      }),
    );
    await model?.dispose();
  }
  return summarize(times);
}

/** From the death of the process until the next one answers. */
async function restartTimes(model: Model, rounds: number): Promise<Summary> {
  const times: number[] = [];
  for (let i = 0; i < rounds; i++) {
    await model.generate({ prompt: "a red circle", width: 64, height: 64, steps: 1, cfgScale: 1, seed: 1 });
    child?.kill("SIGKILL");
    times.push(await milliseconds(() => model.countTokens("x")));
  }
  return summarize(times);
}

/** Resident memory in MB: all, and what is not files that several processes map. */
function resident(pid: number | undefined): { all: number; own: number } {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const field = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(status)?.[1]) / 1000;
  return { all: field("VmRSS"), own: field("RssAnon") };
}

async function main(): Promise<void> {
  const table = new Table("isolation", ["what", "measured"]);
  const row = (name: string, value: string) => table.row([name, value], undefined);
  const files = {
    diffusionModel: await largeShaped("f16"),
    clipL: await clipL(),
    taesd: await taesd3(),
    threads: 1,
    flashAttention: false,
  };
  const demo: ModelOptions = { preset: "demo", threads: 1 };

  if (process.platform === "linux") {
    const before = resident(process.pid);
    const first = await loadModel({ ...demo, isolate: true });
    const [idle, parent] = [resident(child?.pid), resident(process.pid)];
    await first.dispose();
    const inside = await loadModel(demo);
    const after = resident(process.pid);
    await inside.dispose();
    row("memory of the process, idle with the demo model, MB", `${idle.all.toFixed(0)} (${idle.own.toFixed(0)} anonymous)`);
    row("what the demo model adds to a process that loads it, MB", (after.all - parent.all).toFixed(0));
    row("what `isolate: true` adds to the program's own process, MB", (parent.all - before.all).toFixed(1));
  }

  for (const side of [64, 512, 1024]) {
    const { wall, processor } = await transport(side);
    row(`the way of a ${side}x${side} picture between processes, ms`, `${show(wall, 2)}; ${processor.toFixed(2)} of processor time`);
  }
  const here = await loadModel(files);
  const isolated = await loadModel({ ...files, isolate: true });
  const schedule = (policy: string, priority: string) => {
    for (const pid of args.realtime ? [process.pid, child?.pid] : []) execFileSync("chrt", [policy, "-p", priority, String(pid)]);
  };
  schedule("--fifo", "1");
  for (const [side, count] of [
    [64, pairs],
    [512, Math.ceil(pairs / 5)],
  ] as const) {
    const cost = await perPicture(here, isolated, side, count);
    row(`a ${side}x${side} picture beyond the engine's own time, in this process, ms`, show(cost.here, 2));
    row("the same, isolated, ms", show(cost.isolated, 2));
  }
  schedule("--other", "0");
  for (const [name, model] of [
    ["in this process", here],
    ["isolated", isolated],
  ] as const) {
    const { median, p95, max } = await cancelLatency(model);
    row(`cancel, ${name}, ms`, `${median.toFixed(1)}, 95 % within ${p95.toFixed(1)}, all within ${max.toFixed(1)}`);
  }
  row("from a crash until the model answers again, ms", show(await restartTimes(isolated, 7), 0));
  await here.dispose();
  await isolated.dispose();
  row("load, in this process, ms", show(await loadTimes(files, 7), 0));
  row("load, isolated, ms", show(await loadTimes({ ...files, isolate: true }, 7), 0));
}

main();
