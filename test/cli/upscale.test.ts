import assert from "node:assert/strict";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import sharp from "sharp";
import { passingEsrgan } from "../helpers/checkpoints.js";
import { sdcpp } from "../helpers/cli.js";

let folder: string;
let picture: string;
before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "sdcpp-upscale-"));
  picture = path.join(folder, "small.png");
  await sharp({ create: { width: 20, height: 10, channels: 3, background: "#c04080" } }).toFile(picture);
});
after(() => rm(folder, { recursive: true, force: true }));

test("upscale writes a larger picture and its name", async () => {
  const file = path.join(folder, "large.png");
  const { code, stdout, stderr } = await sdcpp(["upscale", picture, "--model", await passingEsrgan(4), "--threads", "1", "-o", file]);
  assert.equal(code, 0, stderr);
  assert.equal(stdout, `${file}\n`);
  const { data, info } = await sharp(file).raw().toBuffer({ resolveWithObject: true });
  assert.deepEqual([info.width, info.height], [80, 40]);
  assert.ok([0xc0, 0x40, 0x80].every((value, channel) => Math.abs(value - (data[channel] ?? 0)) <= 2));
});

test("upscale names mistakes before it loads, and files that are no network", async () => {
  const wrong = await sdcpp(["upscale", picture, "--model", "x.gguf", "--tile-size", "5"]);
  assert.deepEqual([wrong.code, /--tile-size: expected/.test(wrong.stderr)], [2, true], wrong.stderr);
  const missing = await sdcpp(["upscale", picture, "--model", "no-such.pth"]);
  assert.deepEqual([missing.code, /no-such\.pth.*ERR_MODEL_FILE/.test(missing.stderr)], [1, true], missing.stderr);
});

const draw = ["generate", "a red circle", "--model", "demo", "--threads", "1", "--steps", "2", "--seed", "5"];

test("generate keeps the latest preview in a file", async () => {
  const preview = path.join(folder, "preview.png");
  const args = [...draw, "--preview-mode", "taesd", "--preview-file", preview, "--json", "-o", path.join(folder, "done.png")];
  const { code, stdout, stderr } = await sdcpp(args);
  assert.equal(code, 0, stderr);
  const events = stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line))
    .filter(({ type }) => type === "preview");
  assert.deepEqual(
    events.map(({ image, step, width, height, file }) => ({ image, step, width, height, file })),
    [1, 2].map((step) => ({ image: 0, step, width: 128, height: 128, file: preview })),
  );
  assert.equal((await sharp(preview).metadata()).width, 128);
  assert.deepEqual(
    (await readdir(folder)).filter((name) => name.endsWith(".tmp")),
    [],
  );
});

test("preview flags without a file are a mistake; hires flags make a larger picture", async () => {
  const wrong = await sdcpp([...draw, "--preview-every", "2"]);
  assert.deepEqual([wrong.code, /--preview-file: expected/.test(wrong.stderr)], [2, true], wrong.stderr);
  const file = path.join(folder, "hires.png");
  const larger = await sdcpp([...draw, "--hires-width", "160", "--hires-steps", "1", "--quiet", "-o", file]);
  assert.equal(larger.code, 0, larger.stderr);
  const { width, height } = await sharp(file).metadata();
  assert.deepEqual([width, height], [160, 160]);
});
