import { mkdir, writeFile } from "node:fs/promises";
import { cpus } from "node:os";
import path from "node:path";
import { monitorEventLoopDelay, performance } from "node:perf_hooks";
import { parseArgs } from "node:util";
import { native, packageRoot } from "../lib/binding.js";
import { loadModel, type Model } from "../lib/index.js";
import { clipL, largeShaped, taesd3 } from "../test/helpers/checkpoints.js";
import { overhead, type Setup } from "./overhead.js";
import { show, summarize } from "./stats.js";

/** Measures what the addon adds to the engine; prints a table and writes bench/results/foundation.json. Ratios are what counts. */

const { values: args } = parseArgs({ options: { pairs: { type: "string", default: "31" }, tries: { type: "string", default: "50" } } });

/** From cancel() to the rejection, at random moments of the run. */
async function cancelLatency(model: Model, { side }: Setup, tries: number): Promise<number[]> {
  const latencies: number[] = [];
  for (let i = 0; i < tries; i++) {
    // No prompt is used twice, so that some tries fall into text encoding.
    const run = model.generate({ prompt: `circle number ${i}`, width: side, height: side, steps: 3, cfgScale: 1, seed: i });
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 1500));
    const start = performance.now();
    run.cancel();
    const ended = await run.then(
      () => "done",
      () => "cancelled",
    );
    if (ended === "cancelled") latencies.push(performance.now() - start);
  }
  return latencies;
}

/** Delay of the event loop beyond its timer, while one picture is sampled. */
async function eventLoopDelay(model: Model, { side }: Setup): Promise<{ p50: number; p99: number; max: number }> {
  const histogram = monitorEventLoopDelay({ resolution: 1 });
  histogram.enable();
  await model.generate({ prompt: "a red circle", width: side, height: side, steps: 10, cfgScale: 1, seed: 1 });
  histogram.disable();
  return { p50: histogram.percentile(50) / 1e6, p99: histogram.percentile(99) / 1e6, max: histogram.max / 1e6 };
}

async function loadTimes(files: Setup["files"], rounds: number): Promise<number[]> {
  const seconds: number[] = [];
  for (let i = 0; i < rounds; i++) {
    const start = performance.now();
    const model = await loadModel({ ...files, threads: 1 });
    seconds.push((performance.now() - start) / 1000);
    await model.dispose();
  }
  return seconds;
}

/** Resident memory after each tenth of 100 rounds of load, generate, dispose; MB. */
async function memoryGrowth(files: Setup["files"], rounds: number): Promise<number[]> {
  const resident: number[] = [];
  for (let i = 0; i <= rounds; i++) {
    const model = await loadModel({ ...files, threads: 1 });
    await model.generate({ prompt: "a red circle", width: 64, height: 64, steps: 1, cfgScale: 1, seed: i });
    await model.dispose();
    if (i % Math.max(1, rounds / 10) === 0) {
      globalThis.gc?.();
      resident.push(process.memoryUsage.rss() / 2 ** 20);
    }
  }
  return resident;
}

async function main(): Promise<void> {
  const files = { diffusionModel: await largeShaped("q8_0"), clipL: await clipL(), taesd: await taesd3() };
  const setup: Setup = { files, threads: 1, side: 64, steps: 10 };
  const single = await loadModel({ ...files, threads: 1, flashAttention: true });
  const cost = await overhead(single, setup, Number(args.pairs));
  const cancel = summarize(await cancelLatency(single, setup, Number(args.tries)));
  await single.dispose();
  const double = await loadModel({ ...files, threads: 2 });
  const cancelTwo = summarize(await cancelLatency(double, setup, Number(args.tries)));
  const delay = await eventLoopDelay(double, { ...setup, side: 256 });
  await double.dispose();
  const load = summarize(await loadTimes(files, 10));
  const memory = await memoryGrowth(files, 100);
  // The allocator settles in the first rounds.
  const growth = (memory.at(-1) ?? 0) / (memory[1] ?? 0) - 1;

  const rows = [
    ["time per step, addon / C++ driver (ratio)", show(cost.ratio, 4)],
    ["time per step, addon (ms)", show({ ...cost.addon, ...scale(cost.addon, 1000) })],
    ["time per step, C++ driver (ms)", show({ ...cost.driver, ...scale(cost.driver, 1000) })],
    ["cancel latency, 1 thread, p95 (ms)", `${cancel.p95.toFixed(1)} of ${cancel.count} tries, max ${cancel.max.toFixed(1)}`],
    ["cancel latency, 2 threads, p95 (ms)", `${cancelTwo.p95.toFixed(1)} of ${cancelTwo.count} tries, max ${cancelTwo.max.toFixed(1)}`],
    [
      "event loop delay while sampling, 2 threads, p99 (ms)",
      `${delay.p99.toFixed(1)}, p50 ${delay.p50.toFixed(1)}, max ${delay.max.toFixed(1)}`,
    ],
    ["load time (s)", show(load, 2)],
    [
      "memory growth, 100 rounds of load, generate, dispose",
      `${(growth * 100).toFixed(1)} % (${memory.map((mb) => mb.toFixed(0)).join(" ")} MB)`,
    ],
  ];
  const width = Math.max(...rows.map(([name = ""]) => name.length));
  for (const [name = "", value = ""] of rows) console.log(`${name.padEnd(width)}  ${value}`);

  const folder = path.join(packageRoot, "bench", "results");
  await mkdir(folder, { recursive: true });
  const report = {
    date: new Date().toISOString(),
    cpu: cpus()[0]?.model,
    cores: cpus().length,
    node: process.version,
    engine: native().engine,
  };
  await writeFile(
    path.join(folder, "foundation.json"),
    `${JSON.stringify({ ...report, setup, cost, cancel, cancelTwo, delay, load, memory, growth }, null, 2)}\n`,
  );
}

function scale({ median, min, max }: { median: number; min: number; max: number }, factor: number) {
  return { median: median * factor, min: min * factor, max: max * factor };
}

main();
