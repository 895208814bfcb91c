import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import sharp from "sharp";
import { readParameters } from "../../lib/index.js";
import { sdcpp } from "../helpers/cli.js";

let folder: string;
let picture: string;
let mask: string;
const fast = ["--model", "demo", "--threads", "1", "--steps", "2", "--seed", "5"];
const blue = { r: 35, g: 70, b: 220 };

before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "sdcpp-images-"));
  [picture, mask] = [path.join(folder, "picture.png"), path.join(folder, "mask.png")];
  await sharp({ create: { width: 96, height: 64, channels: 3, background: blue } })
    .png()
    .toFile(picture);
  const white = await sharp({ create: { width: 48, height: 64, channels: 3, background: "white" } })
    .png()
    .toBuffer();
  await sharp({ create: { width: 96, height: 64, channels: 3, background: "black" } })
    .composite([{ input: white, left: 48, top: 0 }])
    .png()
    .toFile(mask);
});
after(() => rm(folder, { recursive: true, force: true }));

test("flags for image to image and inpainting", async () => {
  const file = path.join(folder, "painted.png");
  const flags = ["--init-image", picture, "--mask", mask, "--strength", "1", "--fit", "fill", "--mask-feather", "4"];
  const { code, stderr } = await sdcpp(["generate", "a red circle", ...fast, ...flags, "-o", file]);
  assert.equal(code, 0, stderr);
  const { data, info } = await sharp(file).raw().toBuffer({ resolveWithObject: true });
  assert.deepEqual([info.width, info.height], [96, 64]);
  const isBlue = (x: number) => [35, 70, 220].every((value, channel) => data[(32 * 96 + x) * 3 + channel] === value);
  const columns = Array.from({ length: 96 }, (_, x) => isBlue(x));
  assert.ok(columns.slice(0, 44).every(Boolean) && columns.slice(52).some((same) => !same));
  const read = await readParameters(file);
  assert.deepEqual([read?.strength, read?.fit, read?.maskFeather, read?.keepUnmasked], [1, "fill", 4, true]);

  const free = path.join(folder, "free.png");
  assert.equal(
    (await sdcpp(["generate", "x", ...fast, "--init-image", picture, "--mask", mask, "--no-keep-unmasked", "-o", free])).code,
    0,
  );
  assert.equal((await readParameters(free))?.keepUnmasked, false);
});

test("a picture that cannot be read is named before the model loads", async () => {
  const { code, stderr } = await sdcpp(["generate", "x", "--model", "no-such-model.gguf", "--init-image", "missing.png"]);
  assert.equal(code, 2);
  assert.match(stderr, /--init-image: expected an image that can be read: ENOENT/);
  const noAlpha = await sdcpp(["generate", "x", ...fast, "--init-image", picture, "--mask", "alpha"]);
  assert.equal(noAlpha.code, 2);
  assert.match(noAlpha.stderr, /--mask: expected transparent parts in initImage \(it has no alpha\)/);
});
