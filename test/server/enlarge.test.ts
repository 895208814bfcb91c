import assert from "node:assert/strict";
import { copyFile, mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import sharp from "sharp";
import { Image, readParameters } from "../../lib/index.js";
import { type Core, createCore } from "../../lib/server/core.js";
import { type EnlargeRequest, enlarge } from "../../lib/server/enlarge.js";
import { esrgan, passingEsrgan } from "../helpers/checkpoints.js";

let folder: string;
let core: Core;
before(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), "enlarge-"));
  await copyFile(await passingEsrgan(4), path.join(folder, "repeats.safetensors"));
  await copyFile(await esrgan(2), path.join(folder, "random.safetensors"));
  core = createCore({ upscalerDir: folder, load: { threads: 1, isolate: false }, maxPixels: 512 * 512 });
});
after(async () => {
  await core.jobs.close();
  await rm(folder, { recursive: true });
});

/** Red on the left, blue on the right. */
async function halves(width: number, height: number, options: { alpha?: boolean; parameters?: string } = {}): Promise<Buffer> {
  const channels = options.alpha ? 4 : 3;
  const data = Uint8Array.from({ length: width * height * channels }, (_, at) => {
    const left = Math.floor(at / channels) % width < width / 2;
    return [left ? 230 : 20, 20, left ? 20 : 230, left ? 255 : 0][at % channels] as number;
  });
  return new Image(data, width, height, channels, options.parameters).encode("png");
}

const ask = (request: Partial<EnlargeRequest>) =>
  enlarge(core, { owner: "somebody", upscaler: "repeats", image: new Uint8Array(), ...request });

/** Channels and size, with the pixel in the middle of each half. */
async function look(png: Buffer) {
  const { data, info } = await sharp(png).raw().toBuffer({ resolveWithObject: true });
  const at = (x: number) => [...data.subarray((Math.floor(info.height / 2) * info.width + x) * info.channels).subarray(0, info.channels)];
  const [left, right] = [at(Math.floor(info.width / 4)), at(Math.floor(info.width * 0.75))];
  return { width: info.width, height: info.height, left, right };
}

const isRed = ([r = 0, , b = 0]: number[]) => r > b + 150;
const isBlue = ([r = 0, , b = 0]: number[]) => b > r + 150;

test("a network of the folder enlarges by its own factor, and by another one", async () => {
  const image = await halves(24, 16, { parameters: "a house\nSteps: 5, Seed: 9" });
  for (const [scale, width] of [
    [undefined, 96],
    [1.5, 36],
  ] as const) {
    const job = await ask({ image, scale });
    const [picture] = await job.result();
    assert.ok(picture);
    const { left, right, ...size } = await look(await picture.png());
    assert.deepEqual(size, { width, height: (width * 2) / 3 });
    assert.ok(isRed(left) && isBlue(right), `${left} ${right}`);
    assert.equal((await readParameters(await picture.png()))?.seed, 9n, "the file's parameters go along");
    assert.equal(job.kind, "upscale");
  }
});

test("without a network, and transparent; several pictures are one job", async () => {
  for (const upscaler of ["lanczos", "nearest"]) {
    const job = await ask({ upscaler, image: [await halves(8, 8, { alpha: true }), await halves(10, 6)] });
    const [first, second] = await Promise.all((await job.result()).map(async (picture) => look(await picture.png())));
    assert.deepEqual([first?.width, first?.height, second?.width, second?.height], [16, 16, 20, 12]);
    assert.ok(first && second && isRed(first.left) && isBlue(second.right));
    assert.deepEqual([first.left[3], first.right[3]], [255, 0], "alpha");
  }
});

test("tells of its tiles, and is stopped between them", async () => {
  const image = await halves(400, 400);
  const client = new AbortController();
  const job = await ask({ upscaler: "random", image, signal: client.signal });
  let tiles = 0;
  for await (const { event } of job.events()) {
    if (event.type !== "progress" || event.phase !== "upscale") continue;
    tiles = event.steps;
    client.abort();
    break;
  }
  assert.ok(tiles > 4, `${tiles} tiles`);
  await assert.rejects(job.result(), { name: "AbortError" });
  assert.equal(job.status, "canceled");
  const last = job.last("progress");
  assert.ok(last && last.step < last.steps, `${last?.step} of ${last?.steps}`);
});

test("waits behind what is in work, and belongs to its owner", async () => {
  const image = await halves(200, 200);
  const [first, second] = [await ask({ upscaler: "random", image }), await ask({ upscaler: "lanczos", image })];
  assert.deepEqual([first.status, second.status, second.position], ["running", "queued", 1]);
  assert.equal(core.jobs.list("somebody").includes(second), true);
  assert.equal(core.jobs.list("another").length, 0);
  second.cancel();
  first.cancel();
  await assert.rejects(first.result(), { name: "AbortError" });
  await assert.rejects(second.result(), { name: "AbortError" });
});

test("what is wrong is named before anything waits", async () => {
  const image = await halves(8, 8);
  for (const [request, pattern] of [
    [{ image, upscaler: "gone" }, /no upscaler named "gone"; known are random, repeats/],
    [{ image, upscaler: "../random" }, /no upscaler/],
    [{ image, scale: 17 }, /scale.*16/],
    [{ image, scale: 0 }, /scale/],
    [{ image: Buffer.from("no picture") }, /image/],
    [{ image: [] }, /image/],
    [{ image: Array(11).fill(image) }, /at most 10, received 11/],
    [{ image: await halves(520, 512) }, /at most 262144 pixels, received 520x512/],
    [{ image: await halves(512, 512), scale: 4.5 }, /at most 4194304 pixels, received 2304x2304/],
  ] as const) {
    await assert.rejects(
      ask(request as Partial<EnlargeRequest>),
      (error: Error) => pattern.test(error.message) || assert.fail(error.message),
    );
  }
  assert.equal(core.jobs.waiting, 0);
});

test("a file that is no network fails as a job, and no later one with it", async () => {
  await copyFile(__filename, path.join(folder, "text.pth"));
  const image = await halves(8, 8);
  await assert.rejects((await ask({ image, upscaler: "text" })).result(), { name: "ModelFileError" });
  assert.equal((await (await ask({ image })).result()).length, 1);
});
