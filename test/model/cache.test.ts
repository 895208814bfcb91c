import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { demoFiles } from "../../lib/catalog/demo.js";
import { native } from "../../lib/engine/binding.js";
import { type GenerateOptions, type Image, InvalidOptionError, loadModel, type Model } from "../../lib/index.js";
import { center, contrast, edge, meanDifference, nearestColor, pictureHash } from "../helpers/pixels.js";

const demo = { prompt: "a red circle on a blue background", seed: 7, steps: 20, width: 64, height: 64 } satisfies GenerateOptions;
let model: Model;
let skipped = 0;

before(async () => {
  const onLog = ({ text }: { text: string }) => {
    skipped = Number(/skipped (\d+)\/\d+ steps/.exec(text)?.[1] ?? skipped);
  };
  model = await loadModel({ preset: "demo", threads: 1, onLog });
});
after(() => model.dispose());

async function draw(cache: GenerateOptions["cache"], more: Partial<GenerateOptions> = {}): Promise<{ image: Image; skipped: number }> {
  skipped = 0;
  const { images } = await model.generate({ ...demo, cache, ...more });
  assert.ok(images[0]);
  return { image: images[0], skipped };
}

test("each mode skips steps and still draws the picture", async () => {
  const size = { width: 128, height: 128 }; // what the demo was trained for
  const { image: reference, skipped: none } = await draw(false, size);
  assert.equal(none, 0);
  for (const mode of ["easycache", "dbcache", "spectrum"] as const) {
    const cached = await draw(mode, size);
    assert.ok(cached.skipped >= 3, `${mode} skipped ${cached.skipped}`);
    const difference = meanDifference(cached.image, reference);
    assert.ok(difference > 0 && difference < 12, `${mode}: mean difference ${difference}`);
    assert.ok(contrast(cached.image) > 20);
    assert.deepEqual([nearestColor(cached.image, center), nearestColor(cached.image, edge)], ["red", "blue"], mode);
  }
  assert.equal(pictureHash((await draw(false, size)).image), pictureHash(reference), "no trace");
});

test("a higher threshold skips more, 0 nothing", async () => {
  const reference = pictureHash((await draw(false)).image);
  for (const mode of ["easycache", "dbcache"] as const) {
    const zero = await draw({ mode, threshold: 0 });
    assert.deepEqual([zero.skipped, pictureHash(zero.image)], [0, reference]);
    const [low, high] = [await draw({ mode, threshold: 0.06 }), await draw({ mode, threshold: 1 })];
    assert.ok(low.skipped < high.skipped, `${mode}: ${low.skipped} and ${high.skipped}`);
  }
  const late = await draw({ mode: "easycache", start: 0.8 });
  assert.ok(late.skipped < (await draw("easycache")).skipped);
  const wide = await draw({ mode: "spectrum", window: 6, warmup: 2, end: 1 });
  assert.ok(wide.skipped > (await draw({ mode: "spectrum", window: 2, windowGrowth: 0 })).skipped);
});

test("modes that do nothing of their own here are refused, and the engine shows why", async () => {
  const refuse = (cache: unknown, path: string, message: RegExp) =>
    assert.rejects(
      model.generate({ ...demo, cache } as GenerateOptions),
      (error) => error instanceof InvalidOptionError && error.path === path && message.test(error.message),
    );
  for (const mode of ["ucache", "taylorseer", "cache-dit"]) await refuse(mode, "cache.mode", /"easycache", "dbcache", "spectrum"/);
  await refuse({ mode: "spectrum", threshold: 1 }, "cache.threshold", /mode spectrum does not use it/);
  await refuse({ start: 0.5, end: 0.5 }, "cache.end", /more than 0\.5/);
  await refuse({ mode: "spectrum", end: 0.01 }, "cache.end", /0\.05/);
  await assert.rejects(model.generate({ ...demo, sampler: "euler_cfg_pp", cache: "spectrum" }), { code: "ERR_INVALID_OPTION" });

  const raw = await native().load({ ...(await demoFiles({})), threads: 1, flashAttention: false }, () => {}).promise;
  const pixels = async (mode: string) => {
    let found = "";
    const params = { prompt: demo.prompt, seed: 7n, steps: 20, width: 64, height: 64, cfgScale: 1, cache: { mode } };
    await raw.generate(params, (event) => {
      if (event.type === "image") found = Buffer.from(event.data).toString("base64");
    }).promise;
    return found;
  };
  const dbcache = await pixels("dbcache");
  assert.equal(await pixels("ucache"), await pixels("disabled"), "ucache is for UNets");
  assert.equal(await pixels("taylorseer"), dbcache);
  assert.equal(await pixels("cache-dit"), dbcache);
  assert.notEqual(dbcache, await pixels("disabled"));
  await raw.dispose();
});
