import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type Hires, Image, InvalidOptionError, loadModel, type Model, ModelFileError, readParameters } from "../../lib/index.js";
import { clipL, passingEsrgan } from "../helpers/checkpoints.js";
import { center, edge, meanDifference, nearestColor, pictureHash } from "../helpers/pixels.js";
import { collect } from "../helpers/runs.js";

let demo: Model;
let small: Image;
const drawing = { prompt: "a red circle on a blue background", seed: 3, width: 128, height: 128 };

before(async () => {
  demo = await loadModel({ preset: "demo", threads: 1 });
  small = await draw();
});
after(() => demo.dispose());

async function draw(hires?: boolean | Hires): Promise<Image> {
  const [image] = (await demo.generate({ ...drawing, hires })).images;
  assert.ok(image);
  return image;
}

async function resized(image: Image, width: number, height: number): Promise<Image> {
  return new Image(await image.toSharp().resize({ width, height, fit: "fill" }).raw().toBuffer(), width, height, 3);
}

test("the final size, what the prompt says, and another picture than a plain resize", async () => {
  const image = await draw({ scale: 1.5, steps: 4 });
  assert.deepEqual([image.width, image.height], [192, 192]);
  const plain = await resized(small, 192, 192);
  const difference = meanDifference(image, plain);
  assert.ok(difference > 1, `mean difference to a resize ${difference}`);
  assert.deepEqual([nearestColor(image, center), nearestColor(image, edge)], ["red", "blue"]);
  assert.equal(pictureHash(await draw({ scale: 1.5, steps: 4 })), pictureHash(image));
  assert.equal(pictureHash(await draw()), pictureHash(small), "and without it, as before");
});

test("a weak second pass stays near the first picture, a strong one does not", async () => {
  const distance = async (strength: number) =>
    meanDifference(await draw({ scale: 1.5, steps: 3, strength, upscaler: "lanczos" }), await resized(small, 192, 192));
  const [weak, strong] = [await distance(0.05), await distance(1)];
  assert.ok(weak < 12, `weak ${weak}`);
  assert.ok(strong > weak * 1.3, `weak ${weak}, strong ${strong}`);
});

test("upscalers differ; a network enlarges too", async () => {
  const model = await passingEsrgan(2);
  const options: Hires[] = [
    { upscaler: "latent" },
    { upscaler: "latent-nearest" },
    { upscaler: "lanczos" },
    { upscaler: "nearest" },
    { model },
  ];
  const images: Image[] = [];
  for (const option of options) images.push(await draw({ ...option, width: 160, steps: 1, strength: 0.3 }));
  assert.ok(images.every(({ width, height }) => width === 160 && height === 160));
  assert.equal(new Set(images.slice(0, 4).map(pictureHash)).size, 4);
  const [, , , nearest, network] = images;
  assert.ok(nearest && network && meanDifference(nearest, network) < 20, "the network repeats pixels, as nearest does");
});

test("phases, passes and their steps are told", async () => {
  const run = demo.generate({ ...drawing, steps: 3, hires: { scale: 1.25, steps: 2, strength: 0.5 }, preview: true });
  const { events, error } = await collect(run);
  assert.equal(error, undefined);
  assert.deepEqual(
    events.filter((e) => e.type === "phase").map((e) => `${e.phase} ${e.pass}`),
    ["encode 1", "sample 1", "upscale 2", "sample 2", "decode 2"],
  );
  const progress = events.filter((e) => e.type === "progress" && e.phase === "sample");
  assert.deepEqual(
    progress.map((e) => (e.type === "progress" ? [e.pass, e.step, e.steps] : [])),
    [
      [1, 1, 3],
      [1, 2, 3],
      [1, 3, 3],
      [2, 1, 3],
      [2, 2, 3],
      [2, 3, 3],
    ],
  );
  assert.deepEqual(
    events.filter((e) => e.type === "preview").map((e) => (e.type === "preview" ? [e.pass, e.step, e.preview.width] : [])),
    [1, 2, 3].map((step) => [1, step, 16]).concat([1, 2, 3].map((step) => [2, step, 20])),
  );
  const { timings, parameters, images } = await run;
  assert.ok(timings.sample > 0 && timings.upscale > 0);
  const hires = { width: 160, height: 160, steps: 2, strength: 0.5, upscaler: "latent", tileSize: 128 };
  assert.deepEqual(parameters.hires, hires);
  assert.ok(images[0]);
  const { tileSize: _, ...written } = hires;
  assert.deepEqual((await readParameters(images[0]))?.hires, written);
});

test("cancel in the second pass, then the same bytes", async () => {
  const run = demo.generate({ ...drawing, hires: { steps: 20, upscaler: "lanczos" } });
  const passes: (number | undefined)[] = [];
  const watch = (async () => {
    for await (const event of run) {
      if (event.type !== "progress" || event.phase !== "sample") continue;
      passes.push(event.pass);
      if (event.pass === 2) run.cancel(new Error("enough"));
    }
  })();
  await assert.rejects(watch, { message: "enough" });
  assert.ok(passes.filter((pass) => pass === 2).length < 5);
  assert.equal(pictureHash(await draw()), pictureHash(small));
});

test("sizes and combinations that make no sense are refused", async () => {
  const refuse = (hires: object, path: string) =>
    assert.rejects(demo.generate({ ...drawing, hires }), (error) => error instanceof InvalidOptionError && error.path === path);
  await refuse({ width: 64 }, "hires.width");
  await refuse({ width: 200 }, "hires.width");
  await refuse({ width: 256, height: 112 }, "hires.height");
  await refuse({ scale: 0.5 }, "hires.scale");
  await refuse({ scale: 2, width: 256 }, "hires.scale");
  await refuse({ width: 16 * 1024 }, "hires.width");
  await refuse({ strength: 0 }, "hires.strength");
  await refuse({ upscaler: "model" }, "hires.model");
  await refuse({ upscaler: "latent", model: "x.gguf" }, "hires.upscaler");
  await refuse({ upscaler: "bilinear" }, "hires.upscaler");
  await assert.rejects(
    demo.generate({ ...drawing, width: 1024, height: 1024, hires: { scale: 8 } }),
    (error) => error instanceof InvalidOptionError && error.path === "hires.scale",
  );
});

test("a file that is no network is named before the first step", async () => {
  const run = demo.generate({ ...drawing, hires: { model: await clipL() } });
  const { events, error } = await collect(run);
  assert.ok(
    error instanceof ModelFileError && /^hires\.model: .* is a CLIP-L text encoder, expected an ESRGAN network/.test(error.message),
    String(error),
  );
  assert.ok(!events.some(({ type }) => type === "progress"));
});
