import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { createContext, runInContext } from "node:vm";
import sharp from "sharp";
import type { NativeImages } from "../../../lib/engine/binding.js";
import { InvalidOptionError } from "../../../lib/errors.js";
import { checkGenerateOptions } from "../../../lib/options/index.js";
import { Image } from "../../../lib/picture/image.js";
import { readImages, sizeFor } from "../../../lib/picture/inputs.js";
import type { GenerateOptions, RawImage } from "../../../lib/types/index.js";

const defaults = { width: 128, height: 128, steps: 8, cfgScale: 1, sampler: "euler", scheduler: "discrete", flowShift: 3 } as const;
const limits = { defaults, maxSide: 256, depth: 24 };

async function read(options: Partial<GenerateOptions>): Promise<NativeImages & { size: string }> {
  const { images, parameters } = checkGenerateOptions({ prompt: "", ...options }, limits);
  assert.ok(images);
  return { ...(await readImages(images, parameters, limits)), size: `${parameters.width}x${parameters.height}` };
}

async function refused(options: object, option: string, message: RegExp): Promise<void> {
  await assert.rejects(read(options), (error: unknown) => {
    assert.ok(error instanceof InvalidOptionError, String(error));
    assert.equal(error.path, option);
    assert.match(error.message, message);
    return true;
  });
}

/** A picture whose pixel (x, y) is what `color` says. */
function draw(width: number, height: number, channels: 1 | 3 | 4, color: (x: number, y: number) => number[]): RawImage {
  const data = Uint8Array.from({ length: width * height }, (_, i) => i).reduce<number[]>((all, _, i) => {
    all.push(...color(i % width, Math.floor(i / width)));
    return all;
  }, []);
  return { data: Uint8Array.from(data), width, height, channels };
}
const encoded = (image: RawImage) =>
  sharp(image.data, { raw: { width: image.width, height: image.height, channels: image.channels } })
    .png()
    .toBuffer();
/** The color in the middle of the picture. */
const middle = ({ data, width, height, channels }: NativeImages["initImage"]) => {
  const at = (Math.floor(height / 2) * width + Math.floor(width / 2)) * channels;
  return [...data.subarray(at, at + channels)];
};
const plain = (...color: number[]) => draw(32, 32, color.length as 1 | 3 | 4, () => color);

let folder: string;
before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "sdcpp-inputs-"));
});
after(() => rm(folder, { recursive: true, force: true }));

describe("pictures as options", () => {
  it("works out a hires fix from the picture's size", async () => {
    const options = { prompt: "", initImage: draw(48, 32, 3, () => [1, 2, 3]), hires: { scale: 1.5 } };
    const { images, parameters } = checkGenerateOptions(options, limits);
    assert.ok(images);
    await readImages(images, parameters, limits);
    assert.deepEqual([parameters.hires?.width, parameters.hires?.height], [80, 48]);
    await refused({ ...options, hires: { scale: 8 } }, "hires.scale", /from the first pass's 48 to 256, received 384/);
  });

  it("reads every form to the same pixels", async () => {
    const raw = draw(48, 32, 3, (x, y) => [x * 5, y * 7, (x * y) % 256]);
    const png = await encoded(raw);
    const file = path.join(folder, "picture.png");
    await writeFile(file, png);
    const clamped = { ...raw, data: new Uint8ClampedArray(raw.data) };
    const withAlpha = await sharp(png).ensureAlpha().png().toBuffer();
    const forms = [file, png, new Uint8Array(png), new Image(raw.data as Uint8Array, 48, 32, 3), raw, clamped, sharp(png), withAlpha];
    for (const initImage of forms) {
      const { initImage: picture, size } = await read({ initImage });
      assert.equal(size, "48x32");
      assert.equal(picture.channels, 3);
      assert.deepEqual(Uint8Array.from(picture.data), raw.data);
    }
  });

  it("reads bytes and pixels of another realm, and an ArrayBuffer", async () => {
    const image = plain(10, 20, 30);
    const png = await encoded(image);
    const other = createContext({ bytes: [...png], pixels: [...image.data] });
    const foreign = (code: string) => runInContext(code, other);
    const wanted = { data: (await read({ initImage: image })).initImage.data };
    for (const initImage of [
      foreign("Uint8Array.from(bytes)"),
      foreign("Uint8Array.from(bytes).buffer"),
      png.buffer.slice(png.byteOffset, png.byteOffset + png.length),
      foreign("new Uint8Array([0, ...bytes, 0]).subarray(1, bytes.length + 1)"),
      { data: foreign("Uint8Array.from(pixels)"), width: 32, height: 32, channels: 3 },
      { data: foreign("Uint8ClampedArray.from(pixels)"), width: 32, height: 32, channels: 3 },
    ]) {
      assert.deepEqual((await read({ initImage })).initImage.data, wanted.data);
    }
    await refused({ initImage: foreign("Float32Array.from(pixels)") }, "initImage", /received an object/);
    await refused({ initImage: foreign("new Uint8Array(0)") }, "initImage", /without a byte/);
    await refused({ initImage: { ...image, data: foreign("Array.from(pixels)") } }, "initImage", /expected a path/);
  });

  it("reads data URLs, and repeats none of them whole", async () => {
    const image = plain(10, 20, 30);
    const text = (await encoded(image)).toString("base64");
    const wanted = (await read({ initImage: image })).initImage.data;
    const wrapped = text.replace(/.{60}/g, "$&\n");
    for (const url of [
      `data:image/png;base64,${text}`,
      `DATA:image/png;name=a;BASE64,${wrapped}`,
      `data:;base64,${encodeURIComponent(text)}`,
      `data:image/png;base64,${text.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "")}`,
    ]) {
      assert.deepEqual((await read({ initImage: url })).initImage.data, wanted);
    }
    const svg = '<svg xmlns="http://www.w3.org/2000/svg" width="32" height="32"><rect width="32" height="32" fill="rgb(10,20,30)"/></svg>';
    assert.deepEqual(middle((await read({ initImage: `data:image/svg+xml,${encodeURIComponent(svg)}` })).initImage), [10, 20, 30]);
    const short = (error: unknown) => error instanceof InvalidOptionError && error.message.length < 400;
    const long = "A".repeat(2_000_000);
    for (const url of [
      `data:image/png;base64,${long}`,
      `data:${long}`,
      `data:image/png;base64,${long}*`,
      `/${long}`,
      `https://example.com/${long}`,
    ]) {
      await assert.rejects(read({ initImage: url }), short);
    }
    await refused({ initImage: "data:image/png" }, "initImage", /has no comma/);
    await refused({ initImage: "data:image/png;base64,a*b" }, "initImage", /holds no base64/);
    await refused({ initImage: "https://example.com/a.png" }, "initImage", /URL, which is not fetched/);
  });

  it("takes the caller's sharp pipeline whole", async () => {
    const half = draw(64, 32, 3, (x) => (x < 32 ? [255, 0, 0] : [0, 0, 255]));
    const pipeline = sharp(await encoded(half)).extract({ left: 32, top: 0, width: 32, height: 32 });
    const { initImage, size } = await read({ initImage: pipeline });
    assert.equal(size, "32x32");
    assert.deepEqual(middle(initImage), [0, 0, 255]);
    assert.equal((await pipeline.metadata()).width, 64, "the pipeline is still the caller's");
  });

  it("turns it upright, makes gray RGB and 16 bits 8, and lays transparency over white", async () => {
    const top = draw(64, 32, 3, (_, y) => (y < 16 ? [255, 0, 0] : [0, 0, 255]));
    const turned = await sharp(await encoded(top))
      .withMetadata({ orientation: 6 }) // to be shown turned clockwise: what is at the top goes right
      .png()
      .toBuffer();
    for (const initImage of [turned, sharp(turned)]) {
      const { initImage: picture, size } = await read({ initImage });
      assert.equal(size, "32x64");
      assert.deepEqual([...picture.data.subarray(0, 3)], [0, 0, 255]);
      assert.deepEqual([...picture.data.subarray(31 * 3, 32 * 3)], [255, 0, 0]);
    }
    assert.deepEqual(middle((await read({ initImage: plain(77) })).initImage), [77, 77, 77]);
    const gray = await sharp(await encoded(plain(77)))
      .toColourspace("b-w")
      .png()
      .toBuffer();
    assert.equal((await sharp(gray).metadata()).channels, 1);
    assert.deepEqual(middle((await read({ initImage: gray })).initImage), [77, 77, 77]);
    const deep = await sharp(await encoded(plain(200, 100, 50)))
      .toColourspace("rgb16")
      .png()
      .toBuffer();
    assert.equal((await sharp(deep).metadata()).depth, "ushort");
    for (const initImage of [deep, sharp(deep), sharp(deep).toColourspace("rgb16")])
      assert.deepEqual(middle((await read({ initImage })).initImage), [200, 100, 50]);
    assert.deepEqual(middle((await read({ initImage: plain(200, 100, 50, 0) })).initImage), [255, 255, 255]);
    const [red = 0] = middle((await read({ initImage: plain(0, 0, 0, 128) })).initImage);
    assert.ok(Math.abs(red - 127) <= 1, String(red));
  });

  it("fits by cutting, with white bars, or by stretching", async () => {
    const wide = draw(128, 64, 3, (x) => (x < 16 || x >= 112 ? [255, 0, 0] : [0, 0, 255]));
    const corner = async (fit: GenerateOptions["fit"]) => {
      const { initImage } = await read({ initImage: wide, width: 64, height: 64, fit });
      assert.deepEqual([initImage.width, initImage.height], [64, 64]);
      assert.deepEqual(middle(initImage), [0, 0, 255]);
      return [...initImage.data.subarray(0, 3)];
    };
    assert.deepEqual(await corner(undefined), [0, 0, 255]);
    assert.deepEqual(await corner("cover"), [0, 0, 255]);
    assert.deepEqual(await corner("contain"), [255, 255, 255]);
    assert.deepEqual(await corner("fill"), [255, 0, 0]);
  });

  it("chooses the size", () => {
    const size = (width: number, height: number, given = {}) => Object.values(sizeFor({ width, height }, given, limits)).join("x");
    assert.equal(size(128, 128), "128x128");
    assert.equal(size(100, 60), "96x64");
    assert.equal(size(4000, 4000), "128x128");
    assert.equal(size(4000, 1000), "256x64");
    assert.equal(size(10_000, 10), "256x16");
    assert.equal(size(5, 5), "16x16");
    assert.equal(size(4000, 2000, { width: 64 }), "64x32");
    assert.equal(size(4000, 2000, { height: 64 }), "128x64");
    assert.equal(size(4000, 1, { height: 64 }), "256x64");
    assert.equal(size(4000, 2000, { width: 16, height: 256 }), "16x256");
  });

  it("says what is wrong with it", async () => {
    await refused({ initImage: path.join(folder, "missing.png") }, "initImage", /can be read: ENOENT/);
    await refused({ initImage: folder }, "initImage", /not a regular file/);
    await refused({ initImage: Buffer.from("no picture") }, "initImage", /can be read: .*unsupported image format/);
    const png = await encoded(plain(1, 2, 3));
    await refused({ initImage: (await sharp(png).resize(512).png().toBuffer()).subarray(0, 90) }, "initImage", /can be read/);
    await refused({ initImage: sharp(Buffer.from("no picture")) }, "initImage", /can be read/);
    await refused({ initImage: png, mask: "missing.png" }, "mask", /can be read: ENOENT/);
  });
});

describe("masks", () => {
  const picture = plain(10, 20, 30);
  const painted = async (options: Partial<GenerateOptions>) => {
    const { mask } = await read({ initImage: picture, ...options });
    assert.ok(mask);
    assert.equal(mask.channels, 1);
    assert.equal(mask.data.length, mask.width * mask.height);
    assert.ok(mask.data.every((value) => value === 0 || value === 255));
    return (x: number, y: number) => mask.data[y * mask.width + x] === 255;
  };

  it("paints where it is white, whatever its form", async () => {
    const left = (channels: 1 | 3 | 4, white: number[], rest: number[]) => draw(32, 32, channels, (x) => (x < 16 ? white : rest));
    const masks: GenerateOptions["mask"][] = [
      left(1, [255], [0]),
      left(1, [128], [127]),
      left(3, [255, 255, 255], [0, 0, 0]),
      left(4, [255, 255, 255, 255], [255, 255, 255, 0]),
      await encoded(left(1, [255], [0])),
      await encoded(left(4, [255, 255, 255, 255], [0, 0, 0, 0])),
      await sharp(await encoded(left(1, [200], [50])))
        .toColourspace("grey16")
        .png()
        .toBuffer(),
    ];
    for (const mask of masks) {
      const at = await painted({ mask });
      assert.ok(at(0, 5) && at(15, 31) && !at(16, 0) && !at(31, 31));
    }
  });

  it("takes what is transparent in the picture", async () => {
    const hole = draw(32, 32, 4, (x, y) => [9, 9, 9, x < 16 && y < 16 ? 0 : 255]);
    const deep = await sharp(await encoded(hole))
      .toColourspace("rgb16")
      .png()
      .toBuffer();
    for (const initImage of [hole, await encoded(hole), deep, sharp(await encoded(hole))]) {
      const at = await painted({ initImage, mask: "alpha" });
      assert.ok(at(0, 0) && at(15, 15) && !at(16, 15) && !at(15, 16));
    }
  });

  it("fits as the picture does; bars are to be painted", async () => {
    const wide = draw(64, 32, 1, (x) => [x >= 32 ? 255 : 0]);
    const square = { width: 64, height: 64 };
    const stretched = await painted({ mask: wide, ...square, fit: "fill" });
    assert.ok(stretched(40, 2) && !stretched(20, 2));
    const barred = await painted({ mask: wide, ...square, fit: "contain" });
    assert.ok(barred(20, 2) && barred(40, 32) && !barred(20, 32));
    const outpainting = await painted({ initImage: draw(64, 32, 3, () => [1, 2, 3]), mask: "alpha", ...square, fit: "contain" });
    assert.ok(outpainting(20, 2) && !outpainting(20, 32) && outpainting(20, 62));
  });

  it("refuses one that paints nothing", async () => {
    await refused({ initImage: picture, mask: plain(127) }, "mask", /expected white parts.*none/);
    await refused({ initImage: picture, mask: "alpha" }, "mask", /expected transparent parts in initImage \(it has no alpha\)/);
    await refused({ initImage: plain(1, 2, 3, 255), mask: "alpha" }, "mask", /transparent parts in initImage, which/);
  });
});
