import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { flagsOf, readFlags } from "../../lib/cli/flags.js";
import { type GenerateOptions, type Image, loadModel, type Model, readParameters } from "../../lib/index.js";
import { generateOptions } from "../../lib/options/index.js";
import { readRequest } from "../../lib/server/native/request.js";
import { nearestColor, pictureHash } from "../helpers/pixels.js";

const prompt = "a red circle on a blue background";
let model: Model;
let circle: Image;

before(async () => {
  model = await loadModel({ preset: "demo", threads: 1 });
  const { images } = await model.generate({ prompt, seed: 1, width: 96, height: 80 });
  circle = images[0] as Image;
});
after(() => model.dispose());

async function extend(options: Partial<GenerateOptions>): Promise<Image> {
  const { images } = await model.generate({ prompt, seed: 5, initImage: circle, ...options });
  return images[0] as Image;
}

/** Pixels of the picture that are not where they were before, shifted by the margins; those within `near` pixels of a margin do not count. */
function moved(picture: Image, left: number, top: number, near = 0): number {
  let count = 0;
  for (let y = near; y < circle.height - near; y++) {
    for (let x = near; x < circle.width - near; x++) {
      const [here, there] = [(y * circle.width + x) * 3, ((y + top) * picture.width + x + left) * 3];
      if ([0, 1, 2].some((channel) => circle.data[here + channel] !== picture.data[there + channel])) count++;
    }
  }
  return count;
}

test("the margins are painted, as the prompt says, and the picture's pixels are those they were", async () => {
  const picture = await extend({ outpaint: { left: 16, top: 32, right: 16, bottom: 16 } });
  assert.deepEqual([picture.width, picture.height], [128, 128]);
  assert.equal(moved(picture, 16, 32), 0);
  for (const region of [
    { left: 0, top: 0, right: 0.1, bottom: 1 },
    { left: 0.9, top: 0, right: 1, bottom: 1 },
    { left: 0, top: 0, right: 1, bottom: 0.2 },
    { left: 0, top: 0.9, right: 1, bottom: 1 },
  ])
    assert.equal(nearestColor(picture, region), "blue");
  const other = await extend({ outpaint: { left: 16, top: 32, right: 16, bottom: 16 }, prompt: "a yellow background", strength: 1 });
  assert.equal(moved(other, 16, 32), 0);
  assert.notEqual(pictureHash(other), pictureHash(picture));
});

test("the server's form and the command's flags make the same option", () => {
  const fields = readRequest({ outpaint: '{"left":16}' }).options;
  assert.deepEqual(fields.outpaint, { left: 16 });
  assert.deepEqual(readFlags(flagsOf(generateOptions), { "outpaint-left": "16", "outpaint-top": "32" }).outpaint, { left: 16, top: 32 });
});

test("what the margins begin with shows below strength 1 alone", async () => {
  const outpaint = { right: 32 };
  const drawn = async (initImage: GenerateOptions["initImage"], strength: number) => {
    const picture = await extend({ outpaint, initImage, strength, steps: 4, keepUnmasked: false });
    return nearestColor(picture, { left: 0.8, top: 0, right: 1, bottom: 1 });
  };
  const flat = (red: number, green: number, blue: number) => ({
    data: Uint8Array.from({ length: 96 * 96 * 3 }, (_, i) => [red, green, blue][i % 3] ?? 0),
    width: 96,
    height: 96,
    channels: 3 as const,
  });
  assert.equal(await drawn(flat(30, 150, 60), 0.25), "green", "the edge's color goes on");
});

test("the margins grow to sides of multiples of 16, and are told", async () => {
  const picture = await extend({ outpaint: { left: 10, top: 3 }, maskFeather: 4 });
  assert.deepEqual([picture.width, picture.height], [112, 96]);
  const read = await readParameters(picture);
  assert.deepEqual(read?.outpaint, { left: 16, top: 16, right: 0, bottom: 0 });
  assert.deepEqual([read?.strength, read?.keepUnmasked, read?.maskFeather], [0.9, true, 4]);
  assert.equal(moved(picture, 16, 16, 4), 0);
  assert.ok(moved(picture, 16, 16) > 0, "the edge fades");
});

test("what cannot be drawn is refused by name", async () => {
  const refuse = (options: Partial<GenerateOptions>, message: RegExp) =>
    assert.rejects(extend(options), { code: "ERR_INVALID_OPTION", message });
  await refuse({ outpaint: {} }, /^outpaint: expected left, top, right or bottom above 0/);
  const most = model.info.maxSide;
  await refuse({ outpaint: { left: most } }, /^outpaint\.left: expected a width of at most \d+ with the picture's 96, received \d+/);
  await refuse({ outpaint: { left: 16 }, width: 128 }, /^width: expected none beside outpaint/);
  await refuse({ outpaint: { left: 16 }, mask: circle }, /^mask: expected either mask or outpaint/);
  await refuse({ outpaint: { left: 16 }, hires: true }, /^hires: expected keepUnmasked: false beside outpaint/);
  await refuse({ outpaint: { left: 16 }, initImage: undefined }, /^outpaint: expected initImage too/);
  const odd = { data: new Uint8Array(90 * 90 * 3), width: 90, height: 90, channels: 3 } as const;
  await refuse(
    { outpaint: { left: 16 }, initImage: odd },
    /^outpaint\.bottom: expected bottom or top too, .* 90 is no multiple of 16: bottom: 6 would do/,
  );
});
