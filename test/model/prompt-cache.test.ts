import assert from "node:assert/strict";
import { test } from "node:test";
import { type GenerateOptions, loadModel, type Model } from "../../lib/index.js";
import { clipL, largeShaped, t5Small, taesd3 } from "../helpers/checkpoints.js";
import { loadSmall, quick } from "../helpers/runs.js";

/** How many texts CLIP-L and T5 encoded in a run, by the engine's log: each computes one graph a chunk. */
async function encodings(model: Model, options: Partial<GenerateOptions>): Promise<{ clip: number; t5: number; seconds: number }> {
  const run = model.generate({ ...quick, steps: 1, ...options });
  let [clip, t5] = [0, 0];
  for await (const event of run) {
    if (event.type !== "log") continue;
    if (event.text.startsWith("clip compute buffer")) clip++;
    if (event.text.startsWith("t5 compute buffer")) t5++;
  }
  return { clip, t5, seconds: (await run).timings.encode };
}

const clipOf = async (model: Model, options: Partial<GenerateOptions>) => (await encodings(model, options)).clip;

test("the same prompt with another seed needs no text encoder", async () => {
  await using model = await loadSmall();
  const first = await encodings(model, { prompt: "red" });
  const again = await encodings(model, { prompt: "red", seed: 9, width: 80 });
  assert.deepEqual([first.clip, again.clip], [1, 0]);
  assert.ok(again.seconds < first.seconds / 10, `${first.seconds} s, then ${again.seconds} s`);
  assert.equal(await clipOf(model, { prompt: "red", batchCount: 2 }), 0);
  assert.equal(await clipOf(model, { prompt: "blue", batchCount: 2 }), 1, "once for a batch");
});

test("clip skip and text are the key; the negative prompt is kept too, and not encoded at cfg 1", async () => {
  await using model = await loadSmall();
  assert.equal(await clipOf(model, { prompt: "red", negativePrompt: "gray" }), 1, "cfg 1");
  assert.equal(await clipOf(model, { prompt: "red", negativePrompt: "gray", cfgScale: 2 }), 1);
  assert.equal(await clipOf(model, { prompt: "red", negativePrompt: "gray", cfgScale: 3 }), 0);
  assert.equal(await clipOf(model, { prompt: "gray" }), 0, "the same text in another role");
  assert.equal(await clipOf(model, { prompt: "red", clipSkip: 1 }), 1);
  assert.equal(await clipOf(model, { prompt: "red", clipSkip: 2 }), 0);
});

test("T5's text is part of the key", async () => {
  const files = { diffusionModel: await largeShaped("f16"), clipL: await clipL(), t5xxl: await t5Small(), taesd: await taesd3() };
  await using model = await loadModel({ ...files, threads: 1 });
  assert.equal((await encodings(model, { prompt: "red" })).t5, 1);
  assert.equal((await encodings(model, { prompt: "red", t5Prompt: "red" })).t5, 0);
  assert.equal((await encodings(model, { prompt: "red", t5Prompt: "blue" })).t5, 1);
  assert.equal((await encodings(model, { prompt: "red", t5Prompt: "blue" })).t5, 0);
});

test("the prompt used longest ago goes first", async () => {
  const counts = async (promptCache: number, prompts: string[]) => {
    await using model = await loadSmall({ promptCache });
    const result: number[] = [];
    for (const prompt of prompts) result.push(await clipOf(model, { prompt }));
    return result.join("");
  };
  assert.equal(await counts(0, ["a", "a"]), "11");
  assert.equal(await counts(1, ["a", "a", "b", "a", "b"]), "10111");
  assert.equal(await counts(2, ["a", "b", "a", "c", "a", "b"]), "110101");
});
