import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Model } from "../../lib/index.js";
import { allInOne, checkpoint, large38, largeShaped, mediumShaped, vae } from "../helpers/checkpoints.js";
import { clip } from "../helpers/layouts.js";
import { contrast, pictureHash } from "../helpers/pixels.js";
import { drawHash, loadSmall, quick } from "../helpers/runs.js";

let model: Model;
let reference: string;

before(async () => {
  model = await loadSmall();
  reference = await drawHash(model);
});
after(() => model.dispose());

test("the same seed gives the same bytes again, and in a batch", async () => {
  assert.equal(await drawHash(model), reference);
  const { images, seeds } = await model.generate({ ...quick, seed: 6, batchCount: 2 });
  assert.deepEqual(seeds, [6n, 7n]);
  assert.ok(images[1] && pictureHash(images[1]) === reference);
});

test("another seed gives other bytes, and a drawn seed is reported", async () => {
  assert.notEqual(await drawHash(model, { seed: 8 }), reference);
  const { seeds, parameters } = await model.generate({ ...quick, seed: undefined });
  assert.equal(typeof seeds[0], "bigint");
  assert.equal(parameters.seed, seeds[0]);
});

test("every option changes the picture", async () => {
  const changes = {
    prompt: "a blue square",
    width: 80,
    height: 80,
    steps: 3,
    cfgScale: 2,
    sampler: "heun",
    flowShift: 1.5,
    sigmas: [1, 0.4, 0],
    clipSkip: 1,
  };
  for (const [name, value] of Object.entries(changes)) assert.notEqual(await drawHash(model, { [name]: value }), reference, name);
  assert.notEqual(await drawHash(model, { steps: 4, scheduler: "karras" }), await drawHash(model, { steps: 4 }), "scheduler");
  const ancestral = { sampler: "euler_a", steps: 3 } as const;
  assert.notEqual(await drawHash(model, { ...ancestral, eta: 0 }), await drawHash(model, { ...ancestral, eta: 1 }), "eta");
  const guided = await drawHash(model, { cfgScale: 2 });
  assert.notEqual(await drawHash(model, { cfgScale: 2, negativePrompt: "gray" }), guided, "negativePrompt");
  const skipping = { layers: [1, 2], scale: 3, start: 0, end: 1 };
  assert.notEqual(
    await drawHash(model, { cfgScale: 2, steps: 4, skipLayerGuidance: skipping }),
    await drawHash(model, { cfgScale: 2, steps: 4 }),
  );
  assert.equal(await drawHash(model), reference, "no run leaves a trace");
});

test("a negative prompt has no effect at cfg 1", async () => {
  assert.equal(await drawHash(model, { negativePrompt: "gray" }), reference);
});

test("thread count, a reload and the prompt cache do not change the bytes; mmap does not without quantized weights", async () => {
  for (const options of [{ threads: 2 }, { promptCache: 0 }]) {
    await using other = await loadSmall(options);
    assert.equal(await drawHash(other), reference, JSON.stringify(options));
  }
  const clipL = await checkpoint("clip-l-f16", () => clip("l", "f16"));
  await using read = await loadSmall({ clipL });
  await using mapped = await loadSmall({ clipL, mmap: true });
  assert.equal(await drawHash(mapped), await drawHash(read));
});

test("flash attention, weight type and random generator reach the engine", async () => {
  for (const options of [{ flashAttention: false }, { weightType: "bf16" }, { rng: "cpu" }] as const) {
    await using other = await loadSmall(options);
    assert.notEqual(await drawHash(other), reference, JSON.stringify(options));
  }
});

test("every kind of checkpoint loads, is recognized and draws", async () => {
  const kinds = [
    { files: { diffusionModel: await largeShaped("q8_0") }, family: "sd3-medium", maxSide: 3072 },
    { files: { diffusionModel: await largeShaped("q4_0") }, family: "sd3-medium", maxSide: 3072 },
    { files: { diffusionModel: await large38() }, family: "sd3.5-large", maxSide: 3072 },
    { files: { diffusionModel: await mediumShaped() }, family: "sd3.5-medium", maxSide: 6144 },
    { files: { vae: await vae(), taesd: undefined }, family: "sd3-medium", maxSide: 3072 },
    {
      files: { model: await allInOne(), diffusionModel: undefined, clipL: undefined, taesd: undefined },
      family: "sd3-medium",
      maxSide: 3072,
    },
  ];
  const hashes = new Set<string>();
  for (const { files, family, maxSide } of kinds) {
    await using other = await loadSmall(files);
    assert.equal(other.info.family, family);
    assert.equal(other.info.maxSide, maxSide);
    const { images } = await other.generate(quick);
    assert.ok(images[0] && contrast(images[0]) > 5, `${JSON.stringify(files)}: a flat picture`);
    hashes.add(await drawHash(other));
  }
  assert.equal(hashes.size, kinds.length);
});
