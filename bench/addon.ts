import { monitorEventLoopDelay, performance } from "node:perf_hooks";
import { parseArgs } from "node:util";
import { loadModel, type Model } from "../lib/index.js";
import { clipG, clipL, largeShaped, taesd3 } from "../test/helpers/checkpoints.js";
import { overhead, type Setup } from "./overhead.js";
import { type Summary, show, summarize } from "./stats.js";
import { Table } from "./table.js";

/** What the addon adds to the engine: time per step against bench/driver.cc, cancel, the event loop, a repeated prompt, memory that grows. */

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

/** Milliseconds that a prompt takes the text encoders: each one new, and the same one again. */
async function textTimes(files: Setup["files"], rounds: number): Promise<{ first: number[]; again: number[] }> {
  const model = await loadModel({ ...files, clipG: await clipG(), threads: 1 });
  const times: { first: number[]; again: number[] } = { first: [], again: [] };
  for (let i = 0; i < rounds; i++) {
    for (const which of ["first", "again"] as const) {
      const run = { prompt: `circle number ${i}`, width: 64, height: 64, steps: 1, cfgScale: 3, seed: i };
      times[which].push((await model.generate(run)).timings.encode * 1000);
    }
  }
  await model.dispose();
  return times;
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
  const text = await textTimes(files, 10);
  const memory = await memoryGrowth(files, 100);
  // The allocator settles in the first rounds.
  const growth = (memory.at(-1) ?? 0) / (memory[1] ?? 0) - 1;

  const within = ({ median, p95, max, count }: Summary) =>
    `${median.toFixed(1)}, 95 % within ${p95.toFixed(1)}, all ${count} within ${max.toFixed(1)}`;
  const table = new Table("addon", ["what", "measured"]);
  table.row(["time per step, addon / C++ driver", show(cost.ratio, 4)], cost);
  table.row(["cancel until the rejection, 1 thread, ms", within(cancel)], cancel);
  table.row(["cancel until the rejection, 2 threads, ms", within(cancelTwo)], cancelTwo);
  const late = `${delay.p50.toFixed(1)}, 99 % within ${delay.p99.toFixed(1)}, all within ${delay.max.toFixed(1)}`;
  table.row(["the event loop's delay while 2 threads sample, ms", late], delay);
  table.row(["text of a new prompt, CLIP-L and CLIP-G, ms", show(summarize(text.first), 1)], text.first);
  table.row(["text of the same prompt again, ms", show(summarize(text.again), 3)], text.again);
  const megabytes = memory.map((mb) => mb.toFixed(0)).join(" ");
  table.row(["resident memory, 100 rounds of load, generate, dispose", `${(growth * 100).toFixed(1)} % more (${megabytes} MB)`], {
    memory,
    growth,
  });
}

main();
