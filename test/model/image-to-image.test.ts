import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type GenerateOptions, type Image, InvalidOptionError, loadModel, type Model, readParameters } from "../../lib/index.js";
import { vae } from "../helpers/checkpoints.js";
import { center, edge, meanDifference, nearestColor, pictureHash } from "../helpers/pixels.js";
import { collect, loadSmall, quick } from "../helpers/runs.js";

const prompt = "a yellow square on a purple background";
let model: Model;
let circle: Image;
let square: Image;

async function draw(options: Partial<GenerateOptions>): Promise<Image> {
  const { images } = await model.generate({ prompt, seed: 5, ...options });
  assert.ok(images[0]);
  return images[0];
}

before(async () => {
  model = await loadModel({ preset: "demo", threads: 1 });
  circle = await draw({ prompt: "a red circle on a blue background", seed: 1 });
  square = await draw({});
});
after(() => model.dispose());

test("a low strength keeps the picture, a high one follows the prompt, 1 is text to image", async () => {
  const low = await draw({ initImage: circle, strength: 0.1 });
  const high = await draw({ initImage: circle, strength: 0.85 }); // 7 of 8 steps
  const [kept, redrawn] = [meanDifference(low, circle), meanDifference(high, circle)];
  assert.ok(kept < 3, `${kept} from the picture at 0.1`);
  assert.ok(redrawn > 40, `${redrawn} from the picture at 0.85`);
  assert.deepEqual([nearestColor(low, center), nearestColor(low, edge)], ["red", "blue"]);
  assert.deepEqual([nearestColor(high, center), nearestColor(high, edge)], ["yellow", "purple"]);
  assert.notEqual(pictureHash(high), pictureHash(square), "some of the picture is left at 0.85");
  assert.equal(pictureHash(await draw({ initImage: circle, strength: 0.9 })), pictureHash(square), "7.2 steps of 8, rounded up");
  assert.equal(pictureHash(await draw({ initImage: circle, strength: 1 })), pictureHash(square));
});

test("the engine draws the part of the steps that the strength says, and the file tells it", async () => {
  for (const [strength, steps, drawn] of [
    [0.45, 7, 4],
    [0.3, 10, 3],
    [0.7, 10, 7],
    [0.01, 7, 1],
    [0, 7, 1],
    [0.8, 4, 4],
  ] as const) {
    // biome-ignore format: a table
    const { events } = await collect(model.generate({ prompt, steps, strength, initImage: circle }));
    const last = events.findLast((event) => event.type === "progress" && event.phase === "sample");
    assert.equal(last?.type === "progress" && last.steps, drawn, `${strength} of ${steps}`);
  }
  const run = model.generate({ prompt, seed: 5, steps: 4, initImage: circle });
  const { events } = await collect(run);
  const steps = events.filter((event) => event.type === "progress" && event.phase === "sample");
  assert.deepEqual(
    steps.map((event) => (event.type === "progress" ? [event.step, event.steps] : [])),
    [1, 2, 3].map((step) => [step, 3]),
  );
  const phases = events.flatMap((event) => (event.type === "phase" ? [event.phase] : []));
  assert.deepEqual(phases, ["encode", "sample", "decode"]);
  const { images, parameters } = await run;
  assert.equal(parameters.strength, 0.75);
  const read = await readParameters((await images[0]?.encode("png")) ?? "");
  assert.deepEqual([read?.strength, read?.steps, read?.maskFeather], [0.75, 4, undefined]);
});

test("every form of the picture gives the same bytes", async () => {
  const { data, width, height } = circle;
  const forms = [circle, { data, width, height, channels: 3 as const }, await circle.encode("png"), circle.toSharp()];
  const hashes: string[] = [];
  for (const initImage of forms) hashes.push(pictureHash(await draw({ initImage, strength: 0.25, steps: 4 })));
  assert.equal(new Set(hashes).size, 1, hashes.join(" "));
});

test("the result has the picture's size", async () => {
  const { images, parameters } = await model.generate({
    prompt,
    initImage: circle.toSharp().resize(75, 49, { fit: "fill" }),
    strength: 0.1,
    steps: 2,
  });
  assert.deepEqual([images[0]?.width, images[0]?.height, parameters.width, parameters.height], [80, 48, 80, 48]);
  assert.ok(images[0] && nearestColor(images[0], edge) === "blue");
});

test("a picture of a batch is the one that its seed gives alone, with TAESD and with the VAE, whose encoder is random", async () => {
  for (const files of [{}, { vae: await vae(), taesd: undefined }]) {
    await using small = await loadSmall(files);
    const options = { ...quick, initImage: circle, strength: 0.5 };
    const { images } = await small.generate({ ...options, batchCount: 2 });
    const alone = await small.generate({ ...options, seed: quick.seed + 1 });
    assert.ok(images[0] && images[1] && alone.images[0]);
    assert.equal(pictureHash(images[1]), pictureHash(alone.images[0]));
    assert.notEqual(pictureHash(images[0]), pictureHash(images[1]));
  }
});

test("a run can be stopped while its picture is read or encoded, and the next one is as ever", async () => {
  const reading = model.generate({ prompt, initImage: await circle.encode("png") });
  reading.cancel("reading");
  assert.deepEqual(await collect(reading), { events: [], error: "reading" });
  const encoding = model.generate({ prompt, initImage: circle });
  const stopped = (async () => {
    for await (const event of encoding) if (event.type === "phase") encoding.cancel(`stopped in ${event.phase}`);
  })();
  await assert.rejects(stopped, (reason) => reason === "stopped in encode");
  const missing = model.generate({ prompt, initImage: "missing.png" });
  await assert.rejects(missing, (error) => {
    assert.ok(error instanceof InvalidOptionError && error.path === "initImage");
    return /image-to-image\.test/.test(error.stack ?? ""); // where generate() was called
  });
  assert.equal(pictureHash(await draw({})), pictureHash(square));
});
