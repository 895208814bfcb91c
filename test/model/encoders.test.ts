import assert from "node:assert/strict";
import { test } from "node:test";
import { loadModel, type ModelOptions } from "../../lib/index.js";
import { clipG, clipL, largeShaped, t5Small, taesd3 } from "../helpers/checkpoints.js";
import { contrast } from "../helpers/pixels.js";
import { drawHash, quick } from "../helpers/runs.js";

const words = "a lighthouse on a cliff above a stormy sea with huge waves and dark clouds while the last light of the evening sun falls ";
// T5 has more than 77 tokens for these 60 words, the CLIPs one chunk: where the engine's own conditioner reads past the end.
const long = `${words}on the wet rocks and a small boat fights its way home to the harbor where people wait with lanterns and ropes and warm blankets near old wooden houses in silence tonight`;

async function load(encoders: ModelOptions) {
  return loadModel({ diffusionModel: await largeShaped("f16"), taesd: await taesd3(), threads: 1, ...encoders });
}

test("60 words with CLIP-L and T5: a picture, the same each time", async () => {
  assert.ok(long.split(" ").length >= 55 && long.split(" ").length <= 75, String(long.split(" ").length));
  await using model = await load({ clipL: await clipL(), t5xxl: await t5Small() });
  const first = await drawHash(model, { prompt: long });
  await using again = await load({ clipL: await clipL(), t5xxl: await t5Small() });
  assert.equal(await drawHash(again, { prompt: long }), first);
  assert.notEqual(await drawHash(model, { prompt: words }), first);
});

test("every set of encoders draws, and each encoder has its say", async () => {
  const files = { clipL: await clipL(), clipG: await clipG(), t5xxl: await t5Small() };
  const sets: (keyof typeof files)[][] = [
    ["clipL"],
    ["t5xxl"],
    ["clipL", "t5xxl"],
    ["clipG"],
    ["clipL", "clipG"],
    ["clipL", "clipG", "t5xxl"],
  ];
  const hashes = new Set<string>();
  for (const set of sets) {
    await using model = await load(Object.fromEntries(set.map((name) => [name, files[name]])));
    assert.deepEqual(Object.keys(model.info.parts).sort(), [...set, "diffusion", "taesd"].sort());
    const { images } = await model.generate({ ...quick, steps: 1, prompt: set.length === 3 ? long : quick.prompt });
    assert.ok(images[0] && contrast(images[0]) > 5, set.join("+"));
    hashes.add(await drawHash(model, { steps: 1 }));
  }
  assert.equal(hashes.size, sets.length);
});

test("prompt weights, several chunks and any characters", async () => {
  await using model = await load({ clipL: await clipL() });
  const plain = await drawHash(model, { prompt: "a (red) circle" });
  assert.notEqual(await drawHash(model, { prompt: "a (red:1.5) circle" }), plain);
  const chunks = await drawHash(model, { prompt: "red blue green ".repeat(60) });
  assert.notEqual(chunks, await drawHash(model, { prompt: "red blue green ".repeat(59) }));
  for (const prompt of ["", "🦊 日本語 עברית", "((((", "a\nb\t", "\\(x\\)", "[a|b]", ":::"]) {
    assert.equal((await drawHash(model, { prompt })).length, 64, prompt);
  }
  await assert.rejects(model.generate({ ...quick, prompt: "(cat:...)" }), { code: "ERR_INVALID_OPTION" });
  assert.equal(await drawHash(model, { prompt: "a (red) circle" }), plain);
});

test("each CLIP is computed once for a chunk, and once for the empty text that weights are counted from", async () => {
  let computed = 0;
  const onLog: ModelOptions["onLog"] = ({ text }) => {
    if (text.includes("clip compute buffer size")) computed++;
  };
  await using model = await load({ clipL: await clipL(), clipG: await clipG(), onLog });
  for (const [prompt, expected] of [
    ["a red circle", 2],
    ["red BREAK blue", 4],
    ["a (red:1.5) circle", 4],
    ["a (blue:0.5) BREAK (circle:1.2)", 4],
  ] as const) {
    computed = 0;
    await drawHash(model, { prompt, steps: 1 });
    assert.equal(computed, expected, prompt);
  }
});
