import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { GenerationEvent, Model, ProgressEvent } from "../../lib/index.js";
import { pictureHash } from "../helpers/pixels.js";
import { collect, drawHash, loadSmall, quick } from "../helpers/runs.js";

let model: Model;
before(async () => {
  model = await loadSmall();
});
after(() => model.dispose());

const sampling = (events: GenerationEvent[]) => events.filter((e): e is ProgressEvent => e.type === "progress" && e.phase === "sample");

test("phases, progress and pictures come in order and complete", async () => {
  const run = model.generate({ ...quick, steps: 3, batchCount: 2, seed: 10 });
  const { events, error } = await collect(run);
  assert.equal(error, undefined);
  const phases = events.filter((e) => e.type === "phase").map((e) => `${e.phase} ${e.image}`);
  assert.deepEqual(phases, ["encode 0", "sample 0", "decode 0", "encode 1", "sample 1", "decode 1"]);
  const steps = sampling(events).filter((e) => e.step > 0);
  assert.deepEqual(
    steps.map((e) => [e.image, e.step, e.steps, e.images]),
    [0, 1].flatMap((image) => [1, 2, 3].map((step) => [image, step, 3, 2])),
  );
  assert.ok(steps.every((e) => e.secondsPerStep > 0 && e.eta >= 0));
  assert.equal(steps.at(-1)?.eta, 0);
  assert.ok((steps[0]?.eta ?? 0) > (steps[1]?.eta ?? 0) * 0.5, "the first step's estimate covers both pictures");
  const pictures = events.filter((e) => e.type === "image");
  assert.deepEqual(
    pictures.map((e) => [e.index, e.seed]),
    [
      [0, 10n],
      [1, 11n],
    ],
  );
  const result = await run;
  assert.deepEqual(
    result.images.map(pictureHash),
    pictures.map((e) => pictureHash(e.image)),
  );
  const { encode, sample, decode, total } = result.timings;
  assert.ok(encode + sample + decode <= total + 0.001 && sample > 0 && decode > 0);
});

test("two runs at once stay in order, each with its own events", async () => {
  await using second = await loadSmall({ rng: "cpu" });
  const alone = [await drawHash(model, { steps: 2 }), await drawHash(second, { steps: 3 })];
  const order: string[] = [];
  const watch = async (name: string, run: AsyncIterable<GenerationEvent>) => {
    const events: GenerationEvent[] = [];
    for await (const event of run) {
      events.push(event);
      if (event.type === "image") order.push(name);
    }
    return events;
  };
  const a = model.generate({ ...quick, steps: 2 });
  const b = second.generate({ ...quick, steps: 3 });
  const [first, other] = await Promise.all([watch("a", a), watch("b", b)]);
  assert.deepEqual(order, ["a", "b"]);
  assert.ok(sampling(first).every((e) => e.steps === 2) && sampling(first).length >= 2);
  assert.ok(sampling(other).every((e) => e.steps === 3) && sampling(other).length >= 3);
  assert.deepEqual(other[0], { type: "queued", position: 1 });
  const together = [(await a).images[0], (await b).images[0]];
  assert.deepEqual(
    together.map((image) => image && pictureHash(image)),
    alone,
  );
});

test("the second run of a prompt needs no text encoder", async () => {
  const prompt = "a prompt that no other test uses";
  const first = await model.generate({ ...quick, prompt });
  const again = await model.generate({ ...quick, prompt });
  assert.ok(again.timings.encode < first.timings.encode / 10, `${again.timings.encode} s against ${first.timings.encode} s`);
});

test("a load reports its progress to the last tensor, and its log", async () => {
  const steps: number[] = [];
  const totals = new Set<number>();
  let lines = 0;
  await using other = await loadSmall({
    onProgress: (e) => {
      assert.equal(e.phase, "load");
      steps.push(e.step);
      totals.add(e.steps);
    },
    onLog: (e) => {
      lines += e.text.length > 0 ? 1 : 0;
    },
  });
  assert.equal(totals.size, 1);
  assert.equal(steps.at(-1), [...totals][0]);
  assert.ok(steps.every((step, i) => i === 0 || step > (steps[i - 1] ?? 0)));
  assert.ok(lines > 10);
  assert.ok(other.memory().weights > 70e6);
});
