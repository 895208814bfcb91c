import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { type Backend, type GenerateOptions, type Image, listDevices, loadModel, type Model, type ModelOptions } from "../../lib/index.js";

/**
 * The model's parts on another device than the CPU: SDCPP_TEST_BACKEND names it ("cuda:0", "vulkan:0"). scripts/gpu-check.sh runs this on a
 * graphics card. `npm run test:vulkan` is for Mesa's software driver, with the VAE alone (SDCPP_TEST_MODULES): on that of Debian 12 the text
 * encoders end with a corrupted heap (docs/install.md), and the rest takes long.
 */
const backend = process.env.SDCPP_TEST_BACKEND as Backend | undefined;
const all = ["diffusion", "textEncoders", "vae"];
const modules = process.env.SDCPP_TEST_MODULES?.split(",") ?? all;
const none = !backend && "SDCPP_TEST_BACKEND names no device";

const picture = { prompt: "a red circle on a blue background", steps: 4, width: 64, height: 64, seed: 7 } satisfies GenerateOptions;

async function drawn(options: Partial<ModelOptions>): Promise<Image> {
  await using model = await loadModel({ preset: "demo", threads: 1, ...options });
  const { images } = await model.generate(picture);
  return images[0] as Image;
}

/** Of 255, a channel. Devices round differently: half floats where the CPU has floats, sums in another order. */
function difference(a: Image, b: Image): number {
  return a.data.reduce((sum, value, i) => sum + Math.abs(value - (b.data[i] as number)), 0) / a.data.length;
}

const tolerance = 4;

let reference: Image;

describe(`parts on ${backend}`, { skip: none }, () => {
  before(async () => {
    reference = await drawn({ backend: "cpu" });
  });

  test("it is listed", async () => {
    const device = (await listDevices()).find(({ id }) => id === backend);
    assert.ok(device && device.type !== "cpu" && device.memoryTotal > 0, JSON.stringify(device));
  });

  for (const module of modules) {
    test(`${module} alone there, the rest on the CPU: the same picture within tolerance`, async (context) => {
      const placement = { [module]: backend as string };
      await using placed = await loadModel({ preset: "demo", threads: 1, backend: "cpu", placement });
      assert.deepEqual(placed.info.devices, { diffusion: "cpu", textEncoders: "cpu", vae: "cpu", ...placement });
      const { images } = await placed.generate(picture);
      const off = difference(images[0] as Image, reference);
      context.diagnostic(`difference ${off.toFixed(2)} of 255 a channel`);
      assert.ok(off < tolerance, String(off));
    });
  }
});

const partial = modules.length < all.length && "for the parts that SDCPP_TEST_MODULES names alone";
describe(`all on ${backend}`, { skip: none || partial }, () => {
  let model: Model;
  before(async () => {
    model = await loadModel({ preset: "demo", threads: 1, backend });
  });
  after(() => model?.dispose());

  test("the model computes there", () => {
    assert.deepEqual(model.info.devices, { diffusion: backend, textEncoders: backend, vae: backend });
  });

  test("a picture is the CPU's within tolerance, and the same each time", async (context) => {
    const { images } = await model.generate(picture);
    const [image] = images as [Image];
    context.diagnostic(`difference ${difference(image, reference).toFixed(2)} of 255 a channel`);
    assert.ok(difference(image, reference) < tolerance, String(difference(image, reference)));
    const again = await model.generate(picture);
    assert.ok(difference(image, again.images[0] as Image) < 0.5);
  });

  test("a cancel while sampling is heard, and the next picture is right", async () => {
    const run = model.generate({ ...picture, steps: 50 });
    await assert.rejects(
      async () => {
        for await (const event of run) if (event.type === "progress" && event.phase === "sample" && event.step > 0) run.cancel("enough");
      },
      (reason) => reason === "enough",
    );
    const { images } = await model.generate(picture);
    assert.ok(difference(images[0] as Image, reference) < tolerance);
  });

  test("isolated: the same picture as in this process", async () => {
    const isolated = await drawn({ backend, isolate: true });
    assert.ok(difference(isolated, reference) < tolerance);
  });
});
