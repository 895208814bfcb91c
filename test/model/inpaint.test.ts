import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type GenerateOptions, type Image, loadModel, type Model, readParameters } from "../../lib/index.js";
import { center, nearestColor, pictureHash } from "../helpers/pixels.js";

const side = 128;
const half = side / 2;
let model: Model;
let circle: Image;

before(async () => {
  model = await loadModel({ preset: "demo", threads: 1 });
  const { images } = await model.generate({ prompt: "a red circle on a blue background", seed: 1 });
  circle = images[0] as Image;
});
after(() => model.dispose());

async function paint(options: Partial<GenerateOptions>): Promise<Image> {
  const prompt = "a yellow circle on a blue background";
  const { images } = await model.generate({ prompt, seed: 5, initImage: circle, strength: 1, ...options });
  return images[0] as Image;
}

function maskOf(isPainted: (x: number, y: number) => boolean) {
  const data = Uint8Array.from({ length: side * side }, (_, i) => (isPainted(i % side, Math.floor(i / side)) ? 255 : 0));
  return { data, width: side, height: side, channels: 1 } as const;
}
const rightHalf = maskOf((x) => x >= half);

const isChanged = ({ data }: Image, x: number, y: number) =>
  [0, 1, 2].some((channel) => data[(y * side + x) * 3 + channel] !== circle.data[(y * side + x) * 3 + channel]);

/** How many pixels of each column differ from the picture that was painted on. */
const changes = (picture: Image) =>
  Array.from({ length: side }, (_, x) => Array.from({ length: side }, (_, y) => isChanged(picture, x, y)).filter(Boolean).length);

test("outside the mask every byte is kept, inside the prompt is followed", async () => {
  const isPainted = (x: number, y: number) => Math.min(x, y) >= 20 && Math.max(x, y) < 108; // not on the grid of 8x8 blocks
  const painted = await paint({ prompt: "a yellow square on a blue background", mask: maskOf(isPainted) });
  let changed = 0;
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      if (isPainted(x, y)) changed += Number(isChanged(painted, x, y));
      else assert.ok(!isChanged(painted, x, y), `${x}, ${y}`);
    }
  }
  assert.ok(changed > 0.6 * 88 * 88, `${changed} pixels changed`);
  assert.deepEqual([nearestColor(circle, center), nearestColor(painted, center)], ["red", "yellow"]);
  const read = await readParameters(painted);
  assert.deepEqual([read?.strength, read?.keepUnmasked, read?.maskFeather], [1, true, 0]);
});

test("without keepUnmasked the rest has passed through the autoencoder", async () => {
  const free = await paint({ mask: rightHalf, keepUnmasked: false, steps: 2 });
  const columns = changes(free);
  assert.ok(columns.slice(0, half).some((count) => count > 0));
  assert.deepEqual(nearestColor(free, { left: 0, top: 0, right: 0.1, bottom: 0.05 }), "blue");
});

test("a feathered edge fades over that many pixels on both sides", async () => {
  const feather = 6;
  const painted = await paint({ mask: rightHalf, maskFeather: feather });
  const columns = changes(painted);
  assert.ok(columns.slice(0, half - feather).every((count) => count === 0));
  // Red becomes yellow step by step; without feather it jumps at the edge.
  const green = (x: number) => painted.data[(half * side + x) * 3 + 1] ?? 0;
  const ramp = Array.from({ length: 2 * feather + 1 }, (_, i) => green(half - feather - 1 + i));
  assert.ok(
    ramp.every((value, i) => i === 0 || (value > (ramp[i - 1] ?? 0) && value < (ramp[i - 1] ?? 0) + 30)),
    ramp.join(" "),
  );
  assert.ok((ramp[0] ?? 0) < 50 && (ramp.at(-1) ?? 0) > 110, ramp.join(" "));
});

test("the picture's transparent part is the mask", async () => {
  const transparent = Uint8Array.from({ length: side * side * 4 }, (_, i) => {
    const pixel = i >> 2;
    return i % 4 === 3 ? 255 - (rightHalf.data[pixel] ?? 0) : (circle.data[pixel * 3 + (i % 4)] ?? 0);
  });
  const initImage = { data: transparent, width: side, height: side, channels: 4 } as const;
  const columns = changes(await paint({ prompt: "a yellow circle on a green background", initImage, mask: "alpha", steps: 4 }));
  assert.ok(columns.slice(0, half).every((count) => count === 0));
  assert.ok(columns.slice(half).every((count) => count > side / 2));
});

test("a batch puts the same pixels back, with other paint", async () => {
  const { images } = await model.generate({ prompt: "a green star", seed: 3, steps: 2, initImage: circle, mask: rightHalf, batchCount: 2 });
  assert.equal(images.length, 2);
  for (const image of images)
    assert.ok(
      changes(image)
        .slice(0, half)
        .every((count) => count === 0),
    );
  assert.notEqual(pictureHash(images[0] as Image), pictureHash(images[1] as Image));
});
