import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import sharp from "sharp";
import { InvalidOptionError } from "../../../lib/errors.js";
import { Image } from "../../../lib/picture/image.js";
import { readParameters } from "../../../lib/picture/parameters.js";
import type { ImageFormat } from "../../../lib/types/index.js";

const width = 24;
const height = 16;
const pixels = Uint8Array.from({ length: width * height * 3 }, (_, index) => (index * 7) % 256);
const texts = {
  ASCII: "a\nSteps: 8, Seed: 7",
  Unicode: "Größe 中文 😀\nSteps: 8, Seed: 7",
  long: `${"x".repeat(32_000)}é\nSteps: 8, Seed: 7`,
};

describe("Image", () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(path.join(os.tmpdir(), "sdcpp-image-"));
  });
  after(() => rm(folder, { recursive: true }));

  const formats: [ImageFormat, string][] = [
    ["png", "png"],
    ["jpg", "jpeg"],
    ["jpeg", "jpeg"],
    ["webp", "webp"],
    ["avif", "heif"],
  ];
  for (const [format, name] of formats) {
    for (const [kind, text] of Object.entries(texts)) {
      it(`encodes ${format} with ${kind} parameters`, async () => {
        const bytes = await new Image(pixels, width, height, 3, text).encode(format);
        const metadata = await sharp(bytes).metadata();
        assert.deepEqual([metadata.format, metadata.width, metadata.height], [name, width, height]);
        assert.equal((await sharp(bytes).raw().toBuffer()).length, pixels.length);
        assert.equal((await readParameters(bytes))?.text, text);
      });
    }

    it(`encodes ${format} without parameters`, async () => {
      assert.equal(await readParameters(await new Image(pixels, width, height, 3).encode(format)), null);
      assert.equal(await readParameters(await new Image(pixels, width, height, 3, "secret").encode(format, { metadata: false })), null);
    });
  }

  it("writes a PNG chunk that libpng reads, and keeps every pixel", async () => {
    for (const text of [texts.ASCII, texts.Unicode]) {
      const png = await new Image(pixels, width, height, 3, text).encode("png");
      assert.deepEqual((await sharp(png).metadata()).comments, [{ keyword: "parameters", text }]);
      assert.deepEqual(new Uint8Array(await sharp(png, { failOn: "warning" }).raw().toBuffer()), pixels);
    }
  });

  it("passes quality and lossless on", async () => {
    const image = new Image(pixels, width, height, 3);
    assert.ok((await image.encode("jpg", { quality: 5 })).length < (await image.encode("jpg", { quality: 100 })).length);
    const lossless = await image.encode("webp", { lossless: true });
    assert.deepEqual(new Uint8Array(await sharp(lossless).raw().toBuffer()), pixels);
  });

  it("hands the pixels to sharp", async () => {
    const { info, data } = await new Image(pixels, width, height, 3)
      .toSharp()
      .extract({ left: 0, top: 0, width: 1, height: 1 })
      .raw()
      .toBuffer({ resolveWithObject: true });
    assert.equal(info.channels, 3);
    assert.deepEqual([...data], [0, 7, 14]);
  });

  it("refuses wrong formats and options", async () => {
    const image = new Image(pixels, width, height, 3);
    const invalid = (path: string) => (error: unknown) => error instanceof InvalidOptionError && error.path === path;
    await assert.rejects(image.encode("gif" as never), invalid("format"));
    await assert.rejects(image.encode("jpg", { quality: 101 }), invalid("quality"));
    await assert.rejects(image.encode("jpg", { qualty: 1 } as never), invalid("qualty"));
    await assert.rejects(image.toFile(path.join(folder, "a.bmp")), invalid("format"));
    await assert.rejects(image.toFile(path.join(folder, "noending")), invalid("format"));
    await assert.rejects(image.toFile("" as never), invalid("path"));
    assert.deepEqual(await readdir(folder), []);
  });

  it("writes the format of the ending, replacing an older file", async () => {
    const file = path.join(folder, "A.WebP");
    await writeFile(file, "old");
    await new Image(pixels, width, height, 3, texts.ASCII).toFile(file);
    assert.equal((await sharp(await readFile(file)).metadata()).format, "webp");
    assert.equal((await readParameters(file))?.seed, 7n);
    assert.deepEqual(await readdir(folder), ["A.WebP"]);
    await rm(file);
  });

  it("leaves nothing behind when writing fails", async () => {
    const image = new Image(pixels, width, height, 3);
    await mkdir(path.join(folder, "taken.png", "in"), { recursive: true });
    const refused = async (target: string, reason: string) => {
      const message = `path: ${target} cannot be written: ${reason}`;
      await assert.rejects(image.toFile(target), (error: unknown) => {
        assert.ok(error instanceof InvalidOptionError && error.cause instanceof Error);
        assert.equal(error.message, message);
        return true;
      });
    };
    await refused(path.join(folder, "taken.png"), "it is a folder");
    assert.deepEqual(await readdir(folder), ["taken.png"]);
    await refused(path.join(folder, "missing", "a.png"), "its folder does not exist");
  });
});
