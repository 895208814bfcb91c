import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type GenerateOptions, type Image, InvalidOptionError, loadModel, type Model, type ProgressEvent } from "../../lib/index.js";
import { clipL, largeShaped, vae } from "../helpers/checkpoints.js";
import { meanDifference, pictureHash } from "../helpers/pixels.js";
import { collect, loadSmall, quick } from "../helpers/runs.js";

const large = { ...quick, width: 256, height: 256, steps: 1 };
let tiny: Model;
let full: Model;

before(async () => {
  tiny = await loadSmall();
  full = await loadModel({ diffusionModel: await largeShaped("f16"), clipL: await clipL(), vae: await vae(), threads: 1 });
});
after(async () => {
  await tiny.dispose();
  await full.dispose();
});

async function draw(model: Model, vaeTiling: GenerateOptions["vaeTiling"]): Promise<{ image: Image; tiles: ProgressEvent[] }> {
  const run = model.generate({ ...large, vaeTiling });
  const { events, error } = await collect(run);
  assert.equal(error, undefined);
  const { images } = await run;
  assert.ok(images[0]);
  return { image: images[0], tiles: events.filter((event) => event.type === "progress").filter((event) => event.phase === "decode") };
}

/** Mean difference of neighboring columns at `x`. */
function step({ data, width, height, channels }: Image, x: number): number {
  let sum = 0;
  for (let y = 0; y < height; y++) {
    const at = (y * width + x) * channels;
    for (let c = 0; c < channels; c++) sum += Math.abs((data[at + c] ?? 0) - (data[at + c - channels] ?? 0));
  }
  return sum / (height * channels);
}

test("tiles change the picture little, show no seam, and count as progress", async () => {
  const tolerance = { tiny: 1, full: 8 }; // the full VAE normalizes and attends over the whole picture
  for (const [name, model] of Object.entries({ tiny, full })) {
    const { image: whole, tiles: none } = await draw(model, false);
    assert.deepEqual(none, []);
    const { image: tiled, tiles } = await draw(model, { tileSize: 128, overlap: 0.25 });
    const difference = meanDifference(tiled, whole);
    assert.notEqual(pictureHash(tiled), pictureHash(whole), "it was drawn in tiles");
    assert.ok(difference < tolerance[name as keyof typeof tolerance], `${name}: mean difference ${difference}`);
    const { steps } = tiles[0] as ProgressEvent;
    assert.ok(steps > 1);
    assert.deepEqual(tiles.map((event) => event.step), Array.from({ length: steps }, (_, tile) => tile + 1)); // biome-ignore format: short
    const columns = Array.from({ length: 254 }, (_, x) => x + 1);
    const worst = Math.max(...columns.map((x) => step(tiled, x) - step(whole, x)));
    assert.ok(worst < 6, `${name}: a column differs by ${worst} more from its neighbor than without tiles`);
    assert.equal(pictureHash((await draw(model, false)).image), pictureHash(whole), "no trace");
  }
});

test("the ends of the ranges draw a picture", async () => {
  const whole = (await draw(tiny, undefined)).image;
  assert.equal(pictureHash((await draw(tiny, { relativeSize: 1 })).image), pictureHash(whole), "one tile is the whole");
  for (const vaeTiling of [
    true,
    { tileSize: 32, overlap: 0 },
    { tileSize: 40, overlap: 0.5 },
    { tileSize: 16_384 },
    { relativeSize: 1e-6 },
  ]) {
    const { image } = await draw(tiny, vaeTiling);
    const difference = meanDifference(image, whole);
    assert.ok(difference < 30, `${JSON.stringify(vaeTiling)}: ${difference}`); // tiny tiles are mostly edge
  }
});

test("more overlap and larger tiles come nearer to the whole", async () => {
  const whole = (await draw(tiny, false)).image;
  const far = async (tileSize: number, overlap: number) => meanDifference((await draw(tiny, { tileSize, overlap })).image, whole);
  const [none, quarter, half, large] = [await far(64, 0), await far(64, 0.25), await far(64, 0.5), await far(128, 0.25)];
  assert.ok(none > quarter && quarter > half && half > large, `${none} > ${quarter} > ${half} > ${large}`);
});

test("a run stops between tiles", async () => {
  const run = full.generate({ ...large, vaeTiling: { tileSize: 64 } });
  let seen = 0;
  for await (const event of run) {
    if (event.type !== "progress" || event.phase !== "decode") continue;
    seen = event.step;
    run.cancel(new Error("enough"));
    break;
  }
  assert.equal(seen, 1);
  await assert.rejects(run, /enough/);
  await tiny.generate(quick);
});

test("what makes no sense is refused with its path", async () => {
  const refuse = (vaeTiling: unknown, path: string) =>
    assert.rejects(
      tiny.generate({ ...quick, vaeTiling } as GenerateOptions),
      (error) => error instanceof InvalidOptionError && error.path === path,
    );
  await refuse({ tileSize: 100 }, "vaeTiling.tileSize");
  await refuse({ tileSize: 24 }, "vaeTiling.tileSize");
  await refuse({ overlap: 0.6 }, "vaeTiling.overlap");
  await refuse({ tileSize: 64, relativeSize: 0.5 }, "vaeTiling.relativeSize");
  await refuse({ size: 64 }, "vaeTiling.size");
  await refuse("on", "vaeTiling");
});
