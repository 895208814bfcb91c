import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import sharp from "sharp";
import { Image, loadModel, type Model, readParameters, reproduce } from "../../lib/index.js";
import { sdcpp } from "../helpers/cli.js";

let folder: string;
let picture: string;
let model: Model;

before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "sdcpp-reproduce-"));
  picture = path.join(folder, "picture.png");
  model = await loadModel({ preset: "demo", threads: 1 });
  const run = model.generate({
    prompt: "a red circle, on blue\n(second line:1.2)",
    seed: 5,
    steps: 2,
    cfgScale: 2,
    negativePrompt: "gray",
    eta: 0.5,
  });
  await (await run).images[0]?.toFile(picture);
});
after(async () => {
  await model.dispose();
  await rm(folder, { recursive: true, force: true });
});

test("another process draws the same pixels from the file alone: exit code 0", async () => {
  const output = path.join(folder, "again.png");
  const { code, stdout, stderr } = await sdcpp(["reproduce", picture, "--threads", "1", "--quiet", "-o", output]);
  assert.deepEqual({ code, stdout, stderr }, { code: 0, stdout: "identical: all 16384 pixels\n", stderr: "" });
  assert.equal((await reproduce(output, model)).identical, true, "the new file can be drawn again too");
});

test("with other weights it says that they are others, and how far the pixels are off: exit code 1", async () => {
  const { fingerprints, engine, device } = (await readParameters(picture)) ?? {};
  assert.deepEqual(fingerprints, model.info.fingerprints);
  assert.deepEqual([Object.keys(fingerprints ?? {}), device], [["diffusionModel", "clipL", "taesd"], "cpu"]);
  assert.match(engine ?? "", /^[0-9a-f]{8}$/);
  const converted = path.join(folder, "converted.gguf");
  const { diffusionModel = "" } = model.info.files;
  assert.equal((await sdcpp(["convert", diffusionModel, "-o", converted, "--type", "q4_0", "--quiet"])).code, 0);
  const flags = ["--diffusion-model", converted, "--model", "demo", "--threads", "1", "--json", "--quiet"];
  const { code, stdout } = await sdcpp(["reproduce", picture, ...flags]);
  assert.equal(code, 1);
  const { identical, pixels, differingPixels, largestDifference, changes } = JSON.parse(stdout);
  assert.deepEqual([identical, pixels], [false, 16384]);
  assert.ok(differingPixels > 100 && differingPixels <= pixels && largestDifference > 0 && largestDifference < 255);
  assert.deepEqual(
    changes.map(({ field }: { field: string }) => field),
    ["Model fingerprints"],
  );
  assert.notEqual(changes[0].before, changes[0].now);
});

test("a changed pixel and a resized picture are different", async () => {
  const { image } = await reproduce(picture, model);
  const data = Uint8Array.from(image.data);
  data[300] = (data[300] ?? 0) ^ 0x40;
  const changed = new Image(data, image.width, image.height, 3, image.parameters);
  const { identical, differingPixels, largestDifference, changes } = await reproduce(changed, model);
  assert.deepEqual(
    { identical, differingPixels, largestDifference, changes },
    { identical: false, differingPixels: 1, largestDifference: 64, changes: [] },
  );
  const small = new Image(new Uint8Array(64 * 64 * 3), 64, 64, 3, image.parameters);
  assert.deepEqual((await reproduce(small, model)).differingPixels, 16384);
});

test("what a picture cannot be drawn from is said: exit code 2", async () => {
  const plain = path.join(folder, "plain.png");
  await sharp({ create: { width: 8, height: 8, channels: 3, background: "red" } }).toFile(plain);
  const without = await sdcpp(["reproduce", plain, "--model", "demo"]);
  assert.deepEqual([without.code, /image: .*has none/.test(without.stderr)], [2, true], without.stderr);

  const { image } = await reproduce(picture, model);
  const text = image.parameters?.replace("Model: demo", "Model: some_model");
  const foreign = new Image(image.data, image.width, image.height, 3, text);
  const file = path.join(folder, "foreign.png");
  await foreign.toFile(file);
  const unknown = await sdcpp(["reproduce", file]);
  assert.deepEqual([unknown.code, /--model: .*"some_model"/.test(unknown.stderr)], [2, true], unknown.stderr);
});
