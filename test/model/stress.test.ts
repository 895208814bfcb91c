import assert from "node:assert/strict";
import path from "node:path";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import { loadModel } from "../../lib/index.js";
import { type Case, interleave, solo } from "../helpers/interleave.js";
import { loadSmall, quick } from "../helpers/runs.js";

/** Every run of its own size, steps or seed, so that another run's event shows. */
const few: Case["options"][] = [
  { ...quick, seed: 100, batchCount: 1 },
  { ...quick, seed: 200, batchCount: 2, steps: 1 },
  { ...quick, seed: 300, batchCount: 1, steps: 3, width: 80 },
];
const others: Case["options"][] = [
  { ...quick, seed: 400, batchCount: 1, height: 48 },
  { ...quick, seed: 500, batchCount: 3, steps: 1, width: 48, height: 48 },
];
const demoCases: Case["options"][] = [
  { ...quick, seed: 600, batchCount: 1, height: 80 },
  { ...quick, seed: 700, batchCount: 2, steps: 1, width: 96 },
];

function startWorker(cases: Case[], count: number, seed: string) {
  const file = path.join(__dirname, "..", "fixtures", "interleave-worker.ts");
  const worker = new Worker('require("tsx/cjs"); require(require("node:worker_threads").workerData.file)', {
    eval: true,
    workerData: { file, cases, count, seed },
  });
  const message = () =>
    new Promise<unknown>((resolve, reject) => {
      worker.once("message", resolve);
      worker.once("error", reject);
    });
  return { worker, message };
}

test("three models and two workers, mixed and canceled at random: every run has its own events and pictures", {
  timeout: 300_000,
}, async () => {
  await using first = await loadSmall();
  await using second = await loadSmall({ rng: "cpu" });
  await using demo = await loadModel({ preset: "demo", threads: 1 });
  const cases = await solo(first, few);
  const sources = [
    { model: first, cases },
    { model: second, cases: await solo(second, others) },
    { model: demo, cases: await solo(demo, demoCases) },
  ];
  const workers = ["one", "two"].map((seed) => startWorker(cases, 6, seed));
  assert.deepEqual(await Promise.all(workers.map(({ message }) => message())), ["loaded", "loaded"]);
  const ends = workers.map(({ worker, message }) => {
    const end = message();
    worker.postMessage("go");
    return end as Promise<{ canceled: number }>;
  });
  const results = await Promise.all([interleave(sources, 14, "main"), ...ends]);
  const canceled = results.reduce((sum, result) => sum + result.canceled, 0);
  assert.ok(canceled >= 3 && canceled <= 20, `${canceled} of 26 were canceled`);
  await interleave(sources, 3, "afterwards");
});
