/**
 * How the time grows: with steps, pixels, pictures of a batch and threads, and what a queue of mixed jobs takes against the same jobs one by
 * one. Medium at half its width, Q4_0. Draws docs/scale-*.svg: the lines are what is expected, fitted to the medians.
 */
import { parseArgs } from "node:util";
import { type GenerateOptions, loadModel, type Model } from "../lib/index.js";
import { clipL, taesd3, wide } from "../test/helpers/checkpoints.js";
import { type Point, plot } from "./plot.js";
import { show, summarize } from "./stats.js";
import { Table } from "./table.js";

const { values: args } = parseArgs({ options: { rounds: { type: "string", default: "3" } } });
const rounds = Number(args.rounds);
const prompt = "a red circle";

interface Series {
  x: number[];
  /** Seconds of each round, for each x. */
  seconds: number[][];
}

/** The values in turns, so that a drift of the machine favors none. */
async function measure(x: number[], seconds: (x: number) => Promise<number>): Promise<Series> {
  const series: Series = { x, seconds: x.map(() => []) };
  await seconds(x[0] as number); // warms up
  for (let round = 0; round < rounds; round++) for (const [i, value] of x.entries()) series.seconds[i]?.push(await seconds(value));
  return series;
}

/** Least squares for y = a·f(x) + b·g(x), each point by its relative error. */
function fit({ x, seconds }: Series, f: (x: number) => number, g: (x: number) => number): [a: number, b: number] {
  let [ff, fg, gg, fy, gy] = [0, 0, 0, 0, 0];
  for (const [i, value] of x.entries()) {
    const y = summarize(seconds[i] as number[]).median;
    const [u, v] = [f(value) / y, g(value) / y];
    ff += u * u;
    fg += u * v;
    gg += v * v;
    fy += u;
    gy += v;
  }
  const determinant = ff * gg - fg * fg;
  return [(fy * gg - gy * fg) / determinant, (gy * ff - fy * fg) / determinant];
}

/** Tokens that a step computes: a picture's patches of 16x16 pixels, and 154 of text. */
const tokens = (side: number) => (side / 16) ** 2 + 154;

async function sampling(model: Model, options: Partial<GenerateOptions>): Promise<number> {
  const { timings } = await model.generate({ prompt, cfgScale: 1, seed: 1, width: 256, height: 256, ...options });
  return timings.sample;
}

/** A job's steps and side. */
const jobs = [
  [2, 256],
  [4, 128],
  [1, 512],
  [3, 192],
  [2, 384],
  [6, 128],
] as const;

async function main(): Promise<void> {
  const files = { diffusionModel: await wide("q4_0"), clipL: await clipL(), taesd: await taesd3() };
  const table = new Table("scale", ["what", "at", "seconds", "expected", "measured / expected"]);
  const points = ({ x, seconds }: Series, series: string): Point[] =>
    x.map((value, i) => ({ x: value, y: summarize(seconds[i] as number[]).median, series }));
  const line = (x: number[], expected: (x: number) => number, series: string): Point[] => {
    const [low, high] = [Math.min(...x), Math.max(...x)];
    return Array.from({ length: 41 }, (_, i) => low + ((high - low) * i) / 40).map((value) => ({ x: value, y: expected(value), series }));
  };
  const rows = (what: string, { x, seconds }: Series, name: (x: number) => string, expected: (x: number) => number) => {
    for (const [i, value] of x.entries()) {
      const measured = summarize(seconds[i] as number[]);
      const cells = [show(measured, 3), expected(value).toFixed(3), (measured.median / expected(value)).toFixed(2)];
      table.row([what, name(value), ...cells], { what, x: value, seconds: seconds[i] });
    }
  };

  const byThreads: { measured: Point[]; expected: Point[] } = { measured: [], expected: [] };
  const models = { 1: await loadModel({ ...files, threads: 1 }), 2: await loadModel({ ...files, threads: 2 }) };
  const two = models[2];
  for (const threads of [1, 2] as const) {
    const sides = [128, 192, 256, 384, 512, 768];
    const series = await measure(sides, (side) => sampling(models[threads], { steps: 1, width: side, height: side }));
    const [a, b] = fit(series, tokens, (side) => tokens(side) ** 2);
    const expected = (side: number) => a * tokens(side) + b * tokens(side) ** 2;
    const name = threads === 1 ? "1 thread" : "2 threads";
    rows(`one step, ${name}`, series, (side) => `${side}x${side}`, expected);
    byThreads.measured.push(...points(series, name));
    byThreads.expected.push(...line(sides, expected, name));
  }
  await plot("scale-pixels", { x: "side of the picture, pixels", y: "seconds per step" }, byThreads.measured, byThreads.expected);
  await models[1].dispose();

  /** What is expected to grow in proportion, after something that is done once. */
  const proportional = async (
    name: string,
    what: string,
    axis: string,
    counts: number[],
    options: (count: number) => Partial<GenerateOptions>,
  ) => {
    const series = await measure(counts, (count) => sampling(two, options(count)));
    const [each, once] = fit(
      series,
      (count) => count,
      () => 1,
    );
    const expected = (count: number) => each * count + once;
    rows(what, series, String, expected);
    const lines = line(counts, expected, "2 threads");
    await plot(`scale-${name}`, { x: axis, y: "seconds of sampling" }, points(series, "2 threads"), lines);
  };
  await proportional("steps", "steps of a 256x256 picture", "steps", [1, 2, 4, 8, 12], (steps) => ({ steps }));
  const batches = (batchCount: number) => ({ steps: 2, batchCount });
  await proportional("batch", "pictures of a batch, 2 steps each", "pictures of a batch", [1, 2, 3, 4], batches);

  const clock = async (work: () => Promise<unknown>) => {
    const start = performance.now();
    await work();
    return (performance.now() - start) / 1000;
  };
  const draw = ([count, side]: (typeof jobs)[number], i: number) =>
    two.generate({ prompt, cfgScale: 1, seed: i, width: side, height: side, steps: count });
  const queued: number[] = [];
  const single: number[] = [];
  for (let round = 0; round < rounds; round++) {
    queued.push(await clock(() => Promise.all(jobs.map(draw))));
    single.push(
      await clock(async () => {
        for (const [i, job] of jobs.entries()) await draw(job, i);
      }),
    );
  }
  const [all, apart] = [summarize(queued), summarize(single)];
  table.row(
    ["a queue of mixed jobs", `${jobs.length} jobs`, show(all, 2), `${show(apart, 2)}, one by one`, (all.median / apart.median).toFixed(3)],
    { jobs, queued, single },
  );
  await two.dispose();
}

main();
