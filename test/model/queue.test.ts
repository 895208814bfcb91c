import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type GenerateOptions, type Generation, type Model, QueueFullError } from "../../lib/index.js";
import { pictureHash } from "../helpers/pixels.js";
import { drawHash, loadSmall, quick } from "../helpers/runs.js";

let model: Model;
let other: Model;

before(async () => {
  model = await loadSmall({ maxQueue: 6 });
  other = await loadSmall({ rng: "cpu" });
});
after(async () => {
  await model.dispose();
  await other.dispose();
});

/** The places that a run is told, and in `order` its name when its picture comes. */
function watch(name: string, run: Generation, order: string[]): Promise<number[]> {
  return (async () => {
    const places: number[] = [];
    for await (const event of run) {
      if (event.type === "queued") places.push(event.position);
      if (event.type === "image") order.push(name);
    }
    return places;
  })();
}

/** A run that keeps the engine busy until it is canceled; resolves when it has begun. */
async function occupy(owner: Model): Promise<() => Promise<void>> {
  const run = owner.generate({ ...quick, steps: 1000 });
  for await (const event of run) if (event.type === "phase") break;
  return async () => {
    run.cancel();
    await assert.rejects(run, { name: "AbortError" });
  };
}

test("a higher priority goes first, and every run hears of its new place", async () => {
  const release = await occupy(model);
  const order: string[] = [];
  const start = (name: string, options: Partial<GenerateOptions> = {}) => watch(name, model.generate({ ...quick, ...options }), order);
  const places = [
    start("a"),
    start("b"),
    start("low", { priority: -10 }),
    start("high", { priority: 1 }),
    start("higher", { priority: 10 }),
    start("high too", { priority: 1 }),
  ];
  await release();
  const [a, b, low, high, higher, highToo] = await Promise.all(places);
  assert.deepEqual(order, ["higher", "high", "high too", "a", "b", "low"]);
  assert.deepEqual(higher, [1]);
  assert.deepEqual(high, [1, 2, 1]);
  assert.deepEqual(highToo, [3, 2, 1]);
  assert.deepEqual(a, [1, 2, 3, 4, 3, 2, 1]);
  assert.deepEqual(b, [2, 3, 4, 5, 4, 3, 2, 1]);
  assert.deepEqual(low, [3, 4, 5, 6, 5, 4, 3, 2, 1]);
});

test("models take turns, so that a long line of one does not starve the other", async () => {
  const release = await occupy(model);
  const order: string[] = [];
  const runs = ["a1", "a2", "a3", "a4"].map((name) => watch(name, model.generate(quick), order));
  const others = ["b1", "b2"].map((name) => watch(name, other.generate(quick), order));
  await release();
  await Promise.all(runs);
  assert.deepEqual(order, ["b1", "a1", "b2", "a2", "a3", "a4"]);
  // The model in work has had its turn: b1 goes first. Each told every move, up and down.
  assert.deepEqual(await Promise.all(others), [[1], [3, 2, 1]]);
});

test("a run that comes again and again waits for no more than one run of a longer line", async () => {
  const release = await occupy(other);
  const order: string[] = [];
  const line = ["a1", "a2", "a3", "a4"].map((name) => watch(name, model.generate(quick), order));
  await release();
  for (const name of ["b1", "b2"]) await watch(name, other.generate(quick), order);
  await Promise.all(line);
  assert.ok(order.indexOf("b1") <= 2 && order.indexOf("b2") <= 4, order.join(" "));
});

test("priority changes no picture", async () => {
  assert.equal(await drawHash(model, { priority: 10 }), await drawHash(model, { priority: -10 }));
});

test("a canceled run in line lets the others move up", async () => {
  const release = await occupy(model);
  const order: string[] = [];
  const first = model.generate(quick);
  first.catch(() => {});
  const second = watch("second", model.generate(quick), order);
  first.cancel();
  await assert.rejects(first, { name: "AbortError" });
  assert.deepEqual(first.images, []);
  await release();
  assert.deepEqual(await second, [2, 1]);
});

test("maxQueue refuses what would wait behind too many, and takes runs again afterwards", async () => {
  const release = await occupy(model);
  const waiting = Array.from({ length: 6 }, () => model.generate({ ...quick, steps: 1 }));
  const ended = Promise.allSettled(waiting);
  const refused = model.generate(quick);
  const error = await refused.then(
    () => assert.fail("it was not refused"),
    (reason) => reason,
  );
  assert.ok(error instanceof QueueFullError && error.code === "ERR_QUEUE_FULL" && error.maxQueue === 6);
  assert.match(error.message, /6 wait.*maxQueue/);
  assert.match(error.stack ?? "", /queue\.test/);
  await assert.rejects(model.generate({ ...quick, signal: AbortSignal.abort("never") }), (reason) => reason === "never");
  const others = other.generate(quick);
  for (const run of waiting.slice(1)) run.cancel();
  await release();
  assert.equal((await others).images.length, 1, "it is each model's own limit");
  await ended;
  assert.equal((await model.generate(quick)).images.length, 1);
});

test("pictures of a batch that were finished stay with a canceled run", async () => {
  const run = model.generate({ ...quick, seed: 6, batchCount: 4 });
  let delivered = 0;
  const ended = (async () => {
    for await (const event of run) if (event.type === "image" && ++delivered === 2) run.cancel();
  })();
  await assert.rejects(ended, { name: "AbortError" });
  assert.equal(run.images.length, 2);
  const [, second] = run.images;
  assert.ok(second && pictureHash(second) === (await drawHash(model, { seed: 7 })), "picture i has the seed + i");
});
