import assert from "node:assert/strict";
import { test } from "node:test";
import type { GenerateOptions, Image, Model } from "../../lib/index.js";
import { checkpoint, largeShaped } from "../helpers/checkpoints.js";
import { meanDifference, pictureHash } from "../helpers/pixels.js";
import { loadSmall, quick } from "../helpers/runs.js";

/** On the CPU, quantized weights are kept in the order that its products read; mapped ones stay as they are in the file, to compare with. */

async function draw(model: Model, options: Partial<GenerateOptions> = {}): Promise<Image> {
  const { images } = await model.generate({ ...quick, ...options });
  return images[0] as Image;
}

for (const type of ["q4_0", "q4_k"] as const) {
  test(`${type}: as near to the exact picture as the mapped weights', and the same bytes by one thread and by two`, async () => {
    const diffusionModel = await largeShaped(type);
    await using mapped = await loadSmall({ diffusionModel, mmap: true });
    await using exact = await loadSmall({ diffusionModel, weightType: "f32" });
    await using one = await loadSmall({ diffusionModel });
    await using two = await loadSmall({ diffusionModel, threads: 2 });
    for (const options of [{}, { width: 80, prompt: "a blue square", cfgScale: 3, negativePrompt: "gray" }]) {
      const goal = await draw(exact, options);
      const picture = await draw(one, options);
      const off = meanDifference(picture, goal);
      const offMapped = meanDifference(await draw(mapped, options), goal);
      assert.ok(off < 1.5 * offMapped + 0.3 && off < 4, `difference ${off}, mapped ${offMapped}`); // another seed: 14
      assert.equal(pictureHash(await draw(two, options)), pictureHash(picture));
    }
  });
}

test("a LoRA that changes whole weights finds them in plain order; without it they are repacked again", async () => {
  const hidden = 96;
  const lora = checkpoint("lora-difference-96", () =>
    Array.from({ length: 8 }, (_, block) => ({
      name: `lora_unet_joint_blocks_${block}_x_block_attn_qkv.diff`,
      shape: [hidden, 3 * hidden],
      type: "f32" as const,
      std: 0.1,
    })),
  );
  const loras = [{ path: await lora }];
  const diffusionModel = await largeShaped("q4_0");
  await using mapped = await loadSmall({ diffusionModel, mmap: true });
  await using repacked = await loadSmall({ diffusionModel });
  const before = await draw(repacked);
  const phases = new Set<string>();
  const run = repacked.generate({ ...quick, loras });
  for await (const event of run) if (event.type === "progress") phases.add(event.phase);
  const changed = (await run).images[0] as Image;
  assert.ok(phases.has("load"), "the weights are read again, with progress");
  assert.ok(meanDifference(changed, before) > 0.5, `effect ${meanDifference(changed, before)}`);
  const off = meanDifference(changed, await draw(mapped, { loras }));
  assert.ok(off < 1, `difference ${off}`);
  assert.equal(pictureHash(await draw(repacked, { loras })), pictureHash(changed));
  assert.equal(pictureHash(await draw(repacked)), pictureHash(before));
});
