import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type Generation, loadModel, type Model, type Phase } from "../../lib/index.js";
import { clipL, largeShaped, taesd3 } from "../helpers/checkpoints.js";
import { collect, drawHash, loadSmall, quick } from "../helpers/runs.js";

let model: Model;
let reference: string;

before(async () => {
  model = await loadSmall({ promptCache: 0 });
  reference = await drawHash(model);
});
after(() => model.dispose());

/** Cancels a run as soon as it enters a phase; returns how it ended. */
async function cancelIn(run: Generation, phase: Phase): Promise<unknown> {
  let entered = false;
  const watch = (async () => {
    for await (const event of run) {
      if (event.type !== "phase" || event.phase !== phase) continue;
      entered = true;
      run.cancel(new Error(`cancelled in ${phase}`));
    }
  })();
  const error = await watch.then(
    () => undefined,
    (reason) => reason,
  );
  assert.ok(entered, `the run never entered ${phase}`);
  return error;
}

for (const phase of ["encode", "sample", "decode"] as const) {
  test(`cancel in ${phase}, then the same bytes`, async () => {
    const error = await cancelIn(model.generate(quick), phase);
    assert.equal((error as Error | undefined)?.message, `cancelled in ${phase}`);
    assert.equal(await drawHash(model), reference);
  });
}

test("cancel a queued run: it ends at once, the running one goes on", async () => {
  const first = model.generate({ ...quick, steps: 6 });
  const second = model.generate(quick);
  const positions = collect(second);
  second.cancel();
  const { events, error } = await positions;
  assert.equal((error as Error).name, "AbortError");
  assert.deepEqual(events, [{ type: "queued", position: 1 }]);
  assert.equal((await first).images.length, 1);
});

test("a signal stops a run with its own reason; an aborted one never starts it", async () => {
  const controller = new AbortController();
  const run = model.generate({ ...quick, signal: controller.signal });
  setTimeout(() => controller.abort("enough"), 50);
  await assert.rejects(run, (reason) => reason === "enough");
  const events = await collect(model.generate({ ...quick, signal: AbortSignal.abort("never") }));
  assert.deepEqual(events, { events: [], error: "never" });
});

test("finished pictures of a cancelled batch have been delivered", async () => {
  const run = model.generate({ ...quick, batchCount: 3 });
  const seen: bigint[] = [];
  const ended = (async () => {
    for await (const event of run) {
      if (event.type !== "image") continue;
      seen.push(event.seed);
      run.cancel();
    }
  })();
  await assert.rejects(ended, { name: "AbortError" });
  assert.deepEqual(seen, [7n]);
});

test("cancel a load: it rejects with the reason, and the next load works", async () => {
  const files = { diffusionModel: await largeShaped("q8_0"), clipL: await clipL(), taesd: await taesd3(), threads: 1 };
  for (const delay of [0, 20, 100]) {
    const controller = new AbortController();
    const load = loadModel({ ...files, signal: controller.signal, onProgress: () => delay === 0 && controller.abort("stop") });
    if (delay) setTimeout(() => controller.abort("stop"), delay);
    await assert.rejects(load, (reason) => reason === "stop");
  }
  await using loaded = await loadModel(files);
  assert.equal((await loaded.generate(quick)).images.length, 1);
});
