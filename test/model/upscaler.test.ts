import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import sharp from "sharp";
import {
  DisposedError,
  Image,
  InvalidOptionError,
  loadUpscaler,
  ModelFileError,
  type ProgressEvent,
  type Upscaler,
  upscale,
} from "../../lib/index.js";
import { checkpoint, clipL, esrgan, passingEsrgan, truncated } from "../helpers/checkpoints.js";
import { esrgan as esrganTensors } from "../helpers/layouts.js";
import { meanDifference, pictureHash } from "../helpers/pixels.js";
import { loadSmall, quick } from "../helpers/runs.js";

/** Smooth colors with one bright square. */
function sample(width: number, height: number, shift = 0): Image {
  const data = Uint8Array.from({ length: width * height * 3 }, (_, i) => {
    const [x, y, c] = [Math.floor(i / 3) % width, Math.floor(i / 3 / width), i % 3];
    if (x > width / 2 && x < width * 0.75 && y > height / 4 && y < height / 2) return [250, 200, 40][c] ?? 0;
    return ([x * 3, y * 4, (x + y) * 2 + shift][c] ?? 0) % 200;
  });
  return new Image(data, width, height, 3, "the parameters");
}

async function enlarged(picture: Image, factor: number): Promise<Image> {
  const size = { width: picture.width * factor, height: picture.height * factor };
  return new Image(
    await picture
      .toSharp()
      .resize({ ...size, kernel: "nearest" })
      .raw()
      .toBuffer(),
    size.width,
    size.height,
    3,
  );
}

describe("upscale with random weights", () => {
  let upscaler: Upscaler;
  before(async () => {
    upscaler = await loadUpscaler({ model: await esrgan(2), threads: 1 });
  });
  after(() => upscaler.dispose());

  it("doubles the size, the same way each time, and differently for another picture", async () => {
    assert.deepEqual({ ...upscaler.info, bytes: 0, parameters: 0 }, { scale: 2, blocks: 1, bytes: 0, parameters: 0, device: "cpu" });
    const [first, again, other] = [
      await upscaler.upscale(sample(40, 24)),
      await upscaler.upscale(sample(40, 24)),
      await upscaler.upscale(sample(40, 24, 50)),
    ];
    assert.deepEqual([first.width, first.height, first.channels, first.data.length], [80, 48, 3, 80 * 48 * 3]);
    assert.equal(pictureHash(first), pictureHash(again));
    assert.ok(meanDifference(first, other) > 0.5);
    assert.equal(first.parameters, "the parameters");
  });

  it("tiles give nearly what the whole gives, and report their progress", async () => {
    const picture = sample(96, 64);
    const whole = await upscaler.upscale(picture);
    await using tiled = await loadUpscaler({ model: await esrgan(2), threads: 1, tileSize: 48 });
    const events: ProgressEvent[] = [];
    const result = await tiled.upscale(picture, { onProgress: (event) => events.push(event) });
    const difference = meanDifference(whole, result);
    assert.ok(difference < 1, `mean difference ${difference}`);
    const { length } = events;
    assert.ok(length >= 4, `${length} tiles`);
    assert.deepEqual(
      events.map(({ phase, step, steps }) => [phase, step, steps]),
      events.map((_, index) => ["upscale", index + 1, length]),
    );
  });

  it("cancel between two tiles rejects with the reason; the upscaler stays usable", async () => {
    await using tiled = await loadUpscaler({ model: await esrgan(2), threads: 1, tileSize: 32 });
    const reference = pictureHash(await tiled.upscale(sample(64, 32)));
    const controller = new AbortController();
    const steps: number[] = [];
    const run = tiled.upscale(sample(160, 160), {
      signal: controller.signal,
      onProgress: ({ step, steps: total }) => {
        steps.push(step / total);
        controller.abort(new Error("enough"));
      },
    });
    await assert.rejects(run, { message: "enough" });
    assert.ok((steps.at(-1) ?? 1) < 0.5);
    assert.equal(pictureHash(await tiled.upscale(sample(64, 32))), reference);
  });

  it("waits in the same line as pictures", async () => {
    await using model = await loadSmall();
    const order: string[] = [];
    const picture = model.generate(quick).then(() => order.push("picture"));
    const larger = upscaler.upscale(sample(16, 16)).then(() => order.push("larger"));
    await Promise.all([picture, larger]);
    assert.deepEqual(order, ["picture", "larger"]);
  });

  it("dispose stops a call and refuses the next", async () => {
    const other = await loadUpscaler({ model: await esrgan(2), threads: 1, tileSize: 32 });
    const run = other.upscale(sample(200, 200), { onProgress: () => void other.dispose() });
    await assert.rejects(run, DisposedError);
    await assert.rejects(other.upscale(sample(16, 16)), DisposedError);
  });
});

describe("upscale with weights that repeat pixels", () => {
  for (const scale of [1, 2, 4] as const) {
    it(`x${scale} resembles the picture`, async () => {
      const picture = sample(24, 20);
      const result = await upscale(picture, { model: await passingEsrgan(scale), threads: 1 });
      assert.deepEqual([result.width, result.height], [24 * scale, 20 * scale]);
      const difference = meanDifference(result, await enlarged(picture, scale));
      assert.ok(difference < 1, `mean difference ${difference}`);
    });
  }

  it("scale resizes to another size, transparency goes along, and any picture is taken", async () => {
    const model = await passingEsrgan(2);
    await using upscaler = await loadUpscaler({ model, threads: 1 });
    const data = Uint8Array.from({ length: 20 * 20 * 4 }, (_, i) => (i % 4 < 3 ? 180 : Math.floor(i / 4) % 20 < 10 ? 0 : 255));
    const raw = { data, width: 20, height: 20, channels: 4 } as const;
    const result = await upscaler.upscale(raw, { scale: 3 });
    assert.deepEqual([result.width, result.height, result.channels], [60, 60, 4]);
    const at = (x: number, y: number) => [...result.data.subarray((y * 60 + x) * 4, (y * 60 + x) * 4 + 4)];
    assert.equal(at(5, 30)[3], 0);
    assert.equal(at(55, 30)[3], 255);
    assert.ok(Math.abs((at(55, 30)[0] ?? 0) - 180) <= 2);
    const gray = await upscaler.upscale(
      await sharp({ create: { width: 8, height: 8, channels: 3, background: "#808080" } })
        .grayscale()
        .png()
        .toBuffer(),
    );
    assert.deepEqual([gray.width, gray.height, gray.channels], [16, 16, 3]);
    assert.ok(gray.data.every((value) => Math.abs(value - 128) <= 2));
  });
});

describe("upscale refuses", () => {
  it("files that hold no ESRGAN network", async () => {
    const load = (model: string) => loadUpscaler({ model, threads: 1 });
    await assert.rejects(
      load("missing.gguf"),
      (error) => error instanceof ModelFileError && /missing\.gguf does not exist/.test(error.message),
    );
    const foreign = await clipL();
    await assert.rejects(
      load(foreign),
      (error) => error instanceof ModelFileError && /is a CLIP-L text encoder, expected an ESRGAN network/.test(error.message),
    );
    const almost = await checkpoint("esrgan-almost", () => esrganTensors(2).filter(({ name }) => name !== "conv_hr.bias"));
    await assert.rejects(
      load(almost),
      (error) => error instanceof ModelFileError && /no ESRGAN network.*no tensor conv_hr/.test(error.message),
    );
    const cut = await truncated(await esrgan(2), -5000);
    await assert.rejects(load(cut), ModelFileError);
  });

  it("wrong options and pictures", async () => {
    const model = await passingEsrgan(2);
    const refuse = (options: object, path: string, picture: unknown = sample(8, 8)) =>
      assert.rejects(
        upscale(picture as Image, { model, ...options }),
        (error) => error instanceof InvalidOptionError && error.path === path,
      );
    await refuse({ scale: 0 }, "scale");
    await refuse({ tileSize: 16 }, "tileSize");
    await refuse({ scales: 2 }, "scales");
    await refuse({ model: undefined }, "model");
    await refuse({ threads: 1 }, "image", "no-such-picture.png");
    await refuse({ threads: 1 }, "image", 5);
    await refuse({ threads: 1 }, "image.data", { data: new Uint8Array(5), width: 2, height: 2, channels: 3 });
    await refuse({ threads: 1, scale: 16 }, "image", { data: new Uint8Array(2048 * 2048), width: 2048, height: 2048, channels: 1 });
  });
});
