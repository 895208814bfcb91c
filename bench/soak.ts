/**
 * Minutes of random jobs, cancels and errors on three models and an upscaler, several at a time: `npm run soak -- --minutes 10`. Samples
 * memory, handles, threads and the event loop's delay, and fails when one of them grows. Prints the table of docs/reliability.md, which also says
 * why the allocator's thresholds are fixed. Linux.
 */
import { readdirSync, readFileSync } from "node:fs";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { parseArgs } from "node:util";
import { loadModel, loadUpscaler, type Model, type ModelOptions } from "../lib/index.js";
import { clipL, esrgan, largeShaped, mediumShaped, taesd3 } from "../test/helpers/checkpoints.js";
import { Jobs } from "./soak-jobs.js";
import { summarize } from "./stats.js";

const { values: args } = parseArgs({
  options: {
    minutes: { type: "string", default: "10" },
    seed: { type: "string", default: String(Date.now()) },
    interval: { type: "string", default: "3" },
  },
});

const atOnce = 4;

/** What is sampled, with how far the last third's median may lie above the first's: a part of it, and something on top. */
const measures = {
  "resident memory, MB": { part: 0.05, more: 10, now: () => process.memoryUsage.rss() / 2 ** 20 },
  "JavaScript heap, MB": { part: 0.1, more: 5, now: () => process.memoryUsage().heapUsed / 2 ** 20 },
  "array buffers, MB": { part: 0.5, more: 5, now: () => process.memoryUsage().arrayBuffers / 2 ** 20 },
  "active resources": { part: 0, more: 2, now: () => process.getActiveResourcesInfo().length },
  "open files": { part: 0, more: 1, now: () => readdirSync("/proc/self/fd").length },
  threads: { part: 0, more: 0, now: () => Number(/^Threads:\s+(\d+)/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1]) },
  "event loop delay, p50, ms": { part: 0.5, more: 5, now: () => delayed(50) },
  "event loop delay, p99, ms": { part: 1, more: 20, now: () => delayed(99) },
} as const;
type Measure = keyof typeof measures;
const names = Object.keys(measures) as Measure[];

const resolution = 10; // ms, which its timer takes without any delay
const delay = monitorEventLoopDelay({ resolution });
const delayed = (percentile: number) => Math.max(0, delay.percentile(percentile) / 1e6 - resolution);
const samples = Object.fromEntries(names.map((name) => [name, [] as number[]])) as Record<Measure, number[]>;

function sample(): void {
  for (const name of names) samples[name].push(measures[name].now());
  delay.reset();
}

/** Prints the table; true when nothing has grown. The first fifth is warm-up: caches, code, the allocator's arenas. */
function report(): boolean {
  let flat = true;
  console.log("| | first third | last third | smallest to largest | flat |\n| --- | --- | --- | --- | --- |");
  for (const name of names) {
    const warm = samples[name].slice(Math.floor(samples[name].length / 5));
    const third = Math.floor(warm.length / 3);
    const [first, last] = [summarize(warm.slice(0, third)).median, summarize(warm.slice(-third)).median];
    const { min, max } = summarize(warm);
    const { part, more } = measures[name];
    const held = last <= first * (1 + part) + more;
    flat &&= held;
    const cells = [first, last].map((value) => value.toFixed(1));
    console.log(`| ${[name, ...cells, `${min.toFixed(1)} to ${max.toFixed(1)}`, held ? "yes" : "NO"].join(" | ")} |`);
  }
  return flat;
}

async function main(): Promise<void> {
  const jobs = new Jobs(args.seed);
  const parts = { clipL: await clipL(), taesd: await taesd3(), threads: 1 };
  const kinds: ModelOptions[] = [
    { ...parts, diffusionModel: await largeShaped("f16") },
    { ...parts, diffusionModel: await mediumShaped("f16"), rng: "cpu", promptCache: 0 },
    { preset: "demo", threads: 1 },
  ];
  const models = kinds.map((kind) => loadModel(kind));
  const upscaler = await loadUpscaler({ model: await esrgan(2), threads: 1 });
  /** Runs of others, if any are in work, reject. */
  const reload = async (index: number) => {
    const old = models[index];
    models[index] = Promise.resolve(old).then(async (model) => {
      await model?.dispose();
      return loadModel(kinds[index] as ModelOptions);
    });
    await models[index];
    jobs.counts.reloaded++;
  };
  const work = async () => {
    while (Date.now() < end) {
      const what = jobs.pick(40);
      const index = jobs.pick(models.length);
      const model = (await models[index]) as Model;
      if (what === 0) await reload(index);
      else if (what < 10) await jobs.err(model);
      else if (what < 14) await jobs.enlarge(upscaler);
      else await jobs.draw(model, index < 2);
    }
  };
  const end = Date.now() + Number(args.minutes) * 60_000;
  delay.enable();
  const timer = setInterval(sample, Number(args.interval) * 1000);
  await Promise.all(Array.from({ length: atOnce }, work));
  clearInterval(timer);
  delay.disable();
  const { counts } = jobs;
  console.log(`seed ${args.seed}, ${args.minutes} minutes, ${samples.threads.length} samples: ${JSON.stringify(counts)}\n`);
  const flat = report();
  for (const model of models) await (await model).dispose();
  await upscaler.dispose();
  console.log(flat ? "\nflat" : "\nnot flat");
  if (!flat) process.exitCode = 1;
}

main();
