import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type GenerateOptions, type Image, type Model, readParameters } from "../../lib/index.js";
import { betaSigmas } from "../../lib/options/beta.js";
import { normalSigmas } from "../../lib/options/schedule.js";
import { meanDifference } from "../helpers/pixels.js";
import { drawHash, loadSmall, quick } from "../helpers/runs.js";

const initImage = { data: Uint8Array.from({ length: 64 * 64 * 3 }, (_, i) => (i * 7) % 200), width: 64, height: 64, channels: 3 } as const;
let model: Model;
before(async () => {
  model = await loadSmall();
});
after(() => model.dispose());

const hash = (options: Partial<GenerateOptions>) => drawHash(model, { initImage, steps: 4, ...options });

test("a level of the schedule draws the bytes of the strength that begins there", async () => {
  const levels = normalSigmas(4, 3);
  for (const [skipped, strength] of [
    [1, 0.75],
    [2, 0.5],
    [3, 0.25],
  ] as const)
    assert.equal(await hash({ noiseLevel: levels[skipped] as number }), await hash({ strength }), `${strength}`);
  const beta = { scheduler: "beta" } as const;
  assert.equal(await hash({ ...beta, noiseLevel: betaSigmas(4, 3)[2] as number }), await hash({ ...beta, strength: 0.5 }));
});

test("level 1 is text to image, and the picture is left more of the less noise there is", async () => {
  const { initImage: _, ...text } = { initImage, steps: 4 };
  assert.equal(await hash({ noiseLevel: 1 }), await drawHash(model, text));
  const away: number[] = [];
  for (const noiseLevel of [0.05, 0.3, 0.6, 0.95]) {
    const { images } = await model.generate({ ...quick, steps: 4, initImage, noiseLevel });
    away.push(meanDifference(images[0] as Image, { ...initImage, channels: 3 } as never));
    assert.equal((await readParameters(images[0] as Image))?.noiseLevel, noiseLevel);
  }
  assert.deepEqual(
    away,
    [...away].sort((a, b) => a - b),
  );
});

test("the steps that are drawn are that level and those below it; windows count them", async () => {
  const steps: number[] = [];
  const guided: number[] = [];
  const run = model.generate({ ...quick, steps: 8, cfgScale: 2, initImage, noiseLevel: 0.5, guidance: { end: 0.5 } });
  for await (const event of run) {
    if (event.type === "progress" && event.phase === "sample") steps.push(event.steps);
    const found = event.type === "log" && /^Guiding at step (\d+)/.exec(event.text);
    if (found) guided.push(Number(found[1]));
  }
  const drawn = 1 + normalSigmas(8, 3).filter((level) => level > 0 && level < 0.5).length;
  assert.deepEqual(new Set(steps), new Set([drawn]));
  assert.deepEqual(
    guided,
    Array.from({ length: Math.ceil(drawn / 2) }, (_, i) => i + 1),
  );
});
