import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type GenerateOptions, loadModel, type Model } from "../../lib/index.js";
import { mediumShaped } from "../helpers/checkpoints.js";
import { center, edge, nearestColor, pictureHash } from "../helpers/pixels.js";
import { drawHash, loadSmall, quick } from "../helpers/runs.js";

let model: Model;
before(async () => {
  model = await loadSmall({ diffusionModel: await mediumShaped() });
});
after(() => model.dispose());

/** Processor time, which other programs do not lengthen as they do the clock's. */
async function cost(options: GenerateOptions): Promise<number> {
  const before = process.cpuUsage();
  await model.generate(options);
  const { user, system } = process.cpuUsage(before);
  return user + system;
}

const median = (values: number[]) => [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0;

test("a cfgScale of 1 skips the negative pass, which halves the work of a step", async () => {
  await model.generate({ ...quick, cfgScale: 2 }); // the prompts are encoded once
  const steps = async (cfgScale: number) => (await cost({ ...quick, cfgScale, steps: 5 })) - (await cost({ ...quick, cfgScale, steps: 1 }));
  const ratios: number[] = [];
  for (let i = 0; i < 3; i++) {
    const single = await steps(1);
    ratios.push((await steps(2)) / single);
  }
  const ratio = median(ratios);
  assert.ok(ratio > 1.5 && ratio < 2.5, `cfgScale 2 took ${ratios.map((value) => value.toFixed(2))} times the work of cfgScale 1`);
});

test("a cfgScale of 0 draws the negative prompt alone; the prompt grows with it", async () => {
  const negative = { negativePrompt: "a gray square" };
  const alone = await drawHash(model, { prompt: "a gray square" });
  for (const prompt of ["a red circle", "a blue star"]) assert.equal(await drawHash(model, { prompt, cfgScale: 0, ...negative }), alone);
  const hashes = new Set<string>();
  for (const cfgScale of [0, 0.5, 1, 2]) hashes.add(await drawHash(model, { cfgScale, ...negative }));
  assert.equal(hashes.size, 4);
});

test("the negative prompt is avoided", async () => {
  await using demo = await loadModel({ preset: "demo", threads: 1 });
  const background = async (negativePrompt: string) => {
    const { images } = await demo.generate({ prompt: "a red circle", negativePrompt, cfgScale: 2, seed: 3, steps: 4 });
    if (!images[0]) throw new Error("no picture");
    assert.equal(nearestColor(images[0], center), "red");
    return nearestColor(images[0], edge);
  };
  assert.equal(await background(""), "gray"); // the prompt names none
  assert.equal(await background("a blue background"), "yellow"); // the opposite
});

/** The steps of which the engine's log says so, which alone tells of them, and the picture. */
async function logged(pattern: RegExp, options: Partial<GenerateOptions>): Promise<{ steps: number[]; hash: string }> {
  const steps: number[] = [];
  const run = model.generate({ ...quick, ...options });
  for await (const event of run) {
    const found = event.type === "log" && pattern.exec(event.text);
    if (found) steps.push(Number(found[1]));
  }
  const [picture] = (await run).images;
  if (!picture) throw new Error("no picture");
  return { steps, hash: pictureHash(picture) };
}

/** The steps in which layers were skipped. */
const guided = (options: Partial<GenerateOptions>) => logged(/^Skipping layers at step (-?\d+)/, options);

/** The steps in which the negative pass was computed. */
const withNegative = (options: Partial<GenerateOptions>) => logged(/^Guiding at step (-?\d+)/, options);

test("outside the window of guidance there is no negative pass, and the prompt alone draws", async () => {
  const base = { steps: 5, cfgScale: 2, negativePrompt: "a gray square" };
  const plain = await withNegative(base);
  assert.deepEqual(plain.steps, [1, 2, 3, 4, 5]);
  assert.deepEqual(await withNegative({ ...base, guidance: {} }), plain);
  assert.deepEqual(await withNegative({ ...base, guidance: { start: 0, end: 1 } }), plain);
  const unguided = await withNegative({ ...base, cfgScale: 1 });
  assert.deepEqual(unguided.steps, []);
  for (const at of [0, 0.5, 1]) assert.deepEqual(await withNegative({ ...base, guidance: { start: at, end: at } }), unguided, `${at}`);
  const early = await withNegative({ ...base, guidance: { end: 0.4 } });
  assert.deepEqual(early.steps, [1, 2]);
  const late = await withNegative({ ...base, guidance: { start: 0.4 } });
  assert.deepEqual(late.steps, [3, 4, 5]);
  assert.equal(new Set([plain, unguided, early, late].map(({ hash }) => hash)).size, 4);
  assert.deepEqual(await withNegative(base), plain, "a window ends with its run");
});

test("the window's borders are whole steps, whatever the rounding", async () => {
  for (const [part, first] of [
    [0.14, 7],
    [0.301, 16],
  ] as const) {
    const { steps } = await withNegative({ steps: 50, width: 16, height: 16, cfgScale: 2, guidance: { start: part, end: part + 0.04 } });
    assert.deepEqual(steps, [first + 1, first + 2], `${part}`); // the log counts from 1
  }
});

test("the window holds in each pass of a hires fix, for both evaluations of a step, and with CFG++ and step caches", async () => {
  const base = { cfgScale: 2, guidance: { start: 0.25, end: 0.75 } };
  const twice = await withNegative({ ...base, steps: 4, hires: { scale: 1, steps: 8, strength: 0.5 } });
  assert.deepEqual(twice.steps, [2, 3, 4, 5, 6, 7], "of 4 steps, and of 9");
  assert.deepEqual((await withNegative({ ...base, steps: 4, sampler: "heun" })).steps, [-2, 2, -3, 3]);
  assert.deepEqual((await withNegative({ ...base, steps: 4, sampler: "euler_cfg_pp" })).steps, [2, 3]);
  const cache = { mode: "easycache", threshold: 100, start: 0 } as const;
  const plain = await withNegative({ ...base, cfgScale: 1, steps: 8, cache });
  assert.equal((await withNegative({ ...base, steps: 8, cache, guidance: { start: 1 } })).hash, plain.hash);
  assert.notEqual((await withNegative({ ...base, steps: 8, cache, guidance: { end: 0.5 } })).hash, plain.hash);
});

test("skip-layer guidance acts between start and end, and changes the picture", async () => {
  const layers = [7, 8, 9];
  const base = { steps: 6, cfgScale: 2 };
  const plain = await guided(base);
  assert.deepEqual(plain.steps, []);
  const all = await guided({ ...base, skipLayerGuidance: { layers, scale: 2.5, start: 0, end: 1 } });
  assert.deepEqual(all.steps, [2, 3, 4, 5, 6], "never in the first");
  const early = await guided({ ...base, skipLayerGuidance: { layers, scale: 2.5, start: 0, end: 0.5 } });
  assert.deepEqual(early.steps, [2, 3]);
  const late = await guided({ ...base, skipLayerGuidance: { layers, scale: 2.5, start: 0.5, end: 1 } });
  assert.deepEqual(late.steps, [5, 6]);
  const others = await guided({ ...base, skipLayerGuidance: { layers: [1], scale: 2.5, start: 0, end: 1 } });
  const stronger = await guided({ ...base, skipLayerGuidance: { layers, scale: 5, start: 0, end: 1 } });
  const hashes = [plain, all, early, late, others, stronger].map(({ hash }) => hash);
  assert.equal(new Set(hashes).size, hashes.length, "window, layers and scale each change the picture");
});

test("skip-layer guidance without strength or without a step in its window changes nothing", async () => {
  const base = { steps: 5, cfgScale: 2 };
  const plain = await guided(base);
  assert.deepEqual(await guided({ ...base, skipLayerGuidance: { scale: 0, start: 0, end: 1 } }), plain);
  assert.deepEqual(await guided({ ...base, skipLayerGuidance: true }), plain, "the defaults' window holds no step of five");
  const many = await guided({ ...base, steps: 28, skipLayerGuidance: true });
  assert.deepEqual(many.steps, [2, 3, 4, 5, 6]);
});

test("the window holds in each pass of a hires fix, and for both evaluations of a step", async () => {
  const skipLayerGuidance = { layers: [7, 8, 9], start: 0, end: 0.6 };
  const twice = await guided({ steps: 5, cfgScale: 1, skipLayerGuidance, hires: { scale: 1, steps: 10, strength: 0.5 } });
  assert.deepEqual(twice.steps, [2, 3, 2, 3, 4, 5, 6, 7], "below 3 of 5 steps, and below 6.6 of 11");
  const heun = await guided({ steps: 3, cfgScale: 1, sampler: "heun", skipLayerGuidance });
  assert.deepEqual(heun.steps, [-2, 2]);
});

test("skip-layer guidance works without a negative pass", async () => {
  const skipLayerGuidance = { layers: [7, 8, 9], start: 0, end: 1 };
  assert.notEqual(await drawHash(model, { cfgScale: 1, skipLayerGuidance }), await drawHash(model, { cfgScale: 1 }));
});
