import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type GenerateOptions, type Image, type Model, readParameters, reproduce } from "../../lib/index.js";
import { meanDifference, pictureHash } from "../helpers/pixels.js";
import { drawHash, loadSmall, quick } from "../helpers/runs.js";

let model: Model;
before(async () => {
  model = await loadSmall();
});
after(() => model.dispose());

async function draw(options: Partial<GenerateOptions>): Promise<Image[]> {
  return (await model.generate({ ...quick, ...options })).images;
}

const ways: Record<string, Partial<GenerateOptions>> = {
  "text to image": {},
  "a sampler with noise of its own": { sampler: "euler_a", steps: 3 },
  "a hires fix": { hires: { scale: 2, steps: 2 }, sampler: "euler_a" },
  "image to image": { strength: 0.5, initImage: { data: new Uint8Array(64 * 64 * 3).fill(90), width: 64, height: 64, channels: 3 } },
};
for (const [name, options] of Object.entries(ways)) {
  test(`strength 0 draws the seed's picture, 1 the variation seed's: ${name}`, async () => {
    const [own, other] = [await drawHash(model, { ...options, seed: 7 }), await drawHash(model, { ...options, seed: 8 })];
    assert.notEqual(own, other);
    assert.equal(await drawHash(model, { ...options, variationSeed: 8, variationStrength: 0 }), own);
    assert.equal(await drawHash(model, { ...options, variationSeed: 8, variationStrength: 1 }), other);
    assert.equal(await drawHash(model, { ...options, seed: 7 }), own, "a variation ends with its run");
  });
}

test("the picture moves away with the strength", async () => {
  const [own] = await draw({});
  const away: number[] = [];
  for (const variationStrength of [0.02, 0.1, 0.4, 0.8]) {
    const [picture] = await draw({ variationSeed: 8, variationStrength });
    away.push(meanDifference(picture as Image, own as Image));
  }
  assert.ok((away[0] ?? 0) > 0);
  assert.deepEqual(
    away,
    [...away].sort((a, b) => a - b),
  );
});

test("a batch counts the variation seed up, and each picture's parameters draw it again", async () => {
  const variation = { variationSeed: 8, variationStrength: 0.3 };
  const { images, seeds, parameters } = await model.generate({ ...quick, ...variation, batchCount: 2 });
  assert.deepEqual(seeds, [7n, 7n]);
  assert.equal(parameters.variationSeed, 8n);
  const second = images[1] as Image;
  assert.equal(pictureHash(second), await drawHash(model, { ...variation, variationSeed: 9 }));
  const read = await readParameters(second);
  assert.deepEqual([read?.seed, read?.variationSeed, read?.variationStrength], [7n, 9n, 0.3]);
  assert.ok((await reproduce(second, model)).identical);
  const plain = await model.generate({ ...quick, ...variation, variationStrength: 0, batchCount: 2 });
  assert.deepEqual(plain.seeds, [7n, 8n], "without one, the seed");
});
