import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { InvalidOptionError, loadModel, type Model } from "../../lib/index.js";
import { clipL, largeShaped, t5Small, taesd3 } from "../helpers/checkpoints.js";
import { loadSmall, quick } from "../helpers/runs.js";

let model: Model;
before(async () => {
  const files = { diffusionModel: await largeShaped("f16"), clipL: await clipL(), t5xxl: await t5Small(), taesd: await taesd3() };
  model = await loadModel({ ...files, threads: 1 });
});
after(() => model.dispose());

const words = (count: number) => Array(count).fill("red").join(" ");

test("the counts are those of the published tokenizers", async () => {
  // [49406, 320, 1125, 539, 320, 2368, 49407] and [3, 9, 1202, 13, 3, 9, 1712, 1] in transformers.
  assert.deepEqual(await model.countTokens("a photo of a cat"), {
    clipL: { tokens: 5, chunks: 1, positions: 77 },
    t5xxl: { tokens: 7, chunks: 1, positions: 77 },
    chunks: 1,
  });
  assert.deepEqual((await model.countTokens("")).t5xxl, { tokens: 0, chunks: 1, positions: 77 });
  // The example of T5's documentation: 10 ids and the end.
  assert.equal((await model.countTokens("translate English to German: The house is wonderful.")).t5xxl?.tokens, 10);
  assert.equal((await model.countTokens("")).clipL?.tokens, 0);
  assert.equal((await model.countTokens("it's 2024")).clipL?.tokens, 6, "a contraction and single digits");
});

test("CLIP has room for 75 tokens a chunk, T5 reads all in one; the longest encoder decides", async () => {
  const chunks = async (count: number) => {
    const { clipL, t5xxl, chunks } = await model.countTokens(words(count));
    assert.deepEqual([clipL?.tokens, t5xxl?.tokens, t5xxl?.chunks], [count, count, 1]);
    assert.equal(clipL?.positions, 77 * (clipL?.chunks ?? 0));
    return [clipL?.chunks, t5xxl?.positions, chunks];
  };
  assert.deepEqual(await chunks(75), [1, 77, 1]);
  assert.deepEqual(await chunks(76), [2, 77, 2]);
  assert.deepEqual(await chunks(77), [2, 78, 2]);
  assert.deepEqual(await chunks(1200), [16, 1201, 16]);
  assert.deepEqual(await chunks(1201), [17, 1202, 17]);
});

test("weights and escapes are no tokens, BREAK begins a chunk", async () => {
  assert.equal((await model.countTokens("((red:1.3)) [red]")).clipL?.tokens, 2);
  assert.deepEqual(await model.countTokens("\\(red\\)"), await model.countTokens("\\(red)"));
  const broken = await model.countTokens("red BREAK red");
  assert.deepEqual(broken.clipL, { tokens: 2, chunks: 2, positions: 154 });
  assert.deepEqual(broken.t5xxl, { tokens: 2, chunks: 1, positions: 77 });
  assert.equal(broken.chunks, 2);
  for (const prompt of ["JAILBREAK", "BREAKS", "break"]) assert.equal((await model.countTokens(prompt)).chunks, 1, prompt);
});

test("T5's own text counts for T5", async () => {
  const counts = await model.countTokens("red", { t5Prompt: words(100) });
  assert.deepEqual([counts.clipL?.tokens, counts.t5xxl?.tokens, counts.chunks], [1, 100, 2]);
});

test("only encoders that are loaded are counted, and t5Prompt needs T5", async () => {
  await using small = await loadSmall();
  assert.deepEqual(Object.keys(await small.countTokens("red")).sort(), ["chunks", "clipL"]);
  await assert.rejects(
    small.countTokens("red", { t5Prompt: "red" }),
    (error) => error instanceof InvalidOptionError && error.path === "t5Prompt" && /has none; load it with t5xxl/.test(error.message),
  );
});

test("what generate refuses is refused with the same path", async () => {
  const refused = (path: string, work: Promise<unknown>) =>
    assert.rejects(work, (error) => error instanceof InvalidOptionError && error.path === path);
  await refused("prompt", model.countTokens(7 as never));
  await refused("prompt", model.countTokens("a".repeat(16_385)));
  await refused("prompt", model.countTokens("(cat:...)"));
  await refused("t5Prompt", model.countTokens("cat", { t5Prompt: "(cat:1.2.3)" }));
  await refused("t5prompt", model.countTokens("cat", { t5prompt: "cat" } as never));
});

test("it does not wait for a running picture, and not for a disposed model", async () => {
  const other = await loadSmall();
  const run = other.generate({ ...quick, steps: 200 });
  for await (const event of run) if (event.type === "progress") break;
  const start = performance.now();
  assert.equal((await other.countTokens(words(300))).clipL?.tokens, 300);
  assert.ok(performance.now() - start < 1000, "longer than any single step");
  run.cancel();
  await assert.rejects(run, { name: "AbortError" });
  await other.dispose();
  await assert.rejects(other.countTokens("red"), { code: "ERR_DISPOSED" });
});
