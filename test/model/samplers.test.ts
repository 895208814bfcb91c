import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { type GenerateOptions, type Image, loadModel, type Model } from "../../lib/index.js";
import { refusedSamplers, refusedSchedulers, samplers, schedulers } from "../../lib/options/samplers.js";
import { normalSigmas } from "../../lib/options/schedule.js";
import { center, edge, meanDifference, nearestColor } from "../helpers/pixels.js";
import { drawHash, loadSmall } from "../helpers/runs.js";

/** A model that knows what a red circle is, and one with random weights, whose picture shows every difference. */
let demo: Model;
let small: Model;
let reference: Image;

before(async () => {
  demo = await loadModel({ preset: "demo", threads: 1 });
  small = await loadSmall();
  reference = await draw({});
});
after(async () => {
  await demo.dispose();
  await small.dispose();
});

async function draw(options: Partial<GenerateOptions>): Promise<Image> {
  const { images } = await demo.generate({ prompt: "a red circle on a blue background", seed: 3, steps: 4, ...options });
  if (!images[0]) throw new Error("no picture");
  return images[0];
}

/** The unsuitable schedules are 65 and 140 away from the reference; the suitable samplers at most 15, at four steps. */
function checkPicture(picture: Image): void {
  assert.deepEqual([nearestColor(picture, center), nearestColor(picture, edge)], ["red", "blue"]);
  const difference = meanDifference(picture, reference);
  assert.ok(difference < 20, `${difference} away from the picture of euler and normal`);
}

for (const sampler of samplers) {
  test(`sampler ${sampler} draws the prompt`, async () => {
    checkPicture(await draw(sampler === "euler_cfg_pp" ? { sampler, cfgScale: 1.5 } : { sampler }));
  });
}

for (const scheduler of schedulers) {
  test(`scheduler ${scheduler} draws the prompt`, async () => checkPicture(await draw({ scheduler, steps: 3 })));
}

/** Names that draw the same picture as another one of the list. */
async function twins<Name extends string>(names: readonly Name[], optionsOf: (name: Name) => Partial<GenerateOptions>): Promise<string[]> {
  const byHash = new Map<string, string[]>();
  for (const name of names) {
    const hash = await drawHash(small, { steps: 3, ...optionsOf(name) });
    byHash.set(hash, [...(byHash.get(hash) ?? []), name]);
  }
  return [...byHash.values()].filter((same) => same.length > 1).flat();
}

test("samplers and schedulers differ from each other", async () => {
  const alike = await twins(samplers, (sampler) => ({ sampler, cfgScale: sampler === "euler_cfg_pp" ? 1.5 : 1 }));
  assert.deepEqual(new Set([...alike, "euler", "ddim_trailing"]), new Set(["euler", "ddim_trailing"]), "equal but for rounding");
  const schedules = await twins(schedulers, (scheduler) => ({ scheduler }));
  assert.deepEqual(schedules, ["sgm_uniform", "simple"], "equal when 999 is a multiple of the steps");
});

test("unsuitable samplers and schedulers are refused with the list of those that suit", async () => {
  const refused = [
    ...Object.keys(refusedSamplers).map((sampler) => ({ options: { sampler: sampler as never }, list: samplers as readonly string[] })),
    ...Object.keys(refusedSchedulers).map((scheduler) => ({
      options: { scheduler: scheduler as never },
      list: schedulers as readonly string[],
    })),
  ];
  for (const { options, list } of refused) {
    await assert.rejects(demo.generate({ prompt: "a", ...options }), (error: Error & { code?: string }) => {
      return error.code === "ERR_INVALID_OPTION" && list.every((name) => error.message.includes(`"${name}"`));
    });
  }
});

test("the schedule's own sigmas give its bytes", async () => {
  // discrete with 4 steps: t = 999, 666, 333, 0 and sigma = shift·t' / (1 + (shift − 1)·t') with t' = (t + 1) / 1000, in 32-bit floats.
  const float = Math.fround;
  const sigmas = [999, 666, 333, 0].map((t) => {
    const part = float(float(t + 1) / float(1000));
    return float(float(3 * part) / float(1 + float(2 * part)));
  });
  const discrete = { scheduler: "discrete", steps: 4 } as const;
  assert.equal(await drawHash(small, { sigmas: [...sigmas, 0], steps: 4 }), await drawHash(small, discrete));
  sigmas[2] = (sigmas[2] ?? 0) * 0.9;
  assert.notEqual(await drawHash(small, { sigmas: [...sigmas, 0], steps: 4 }), await drawHash(small, discrete));
  for (const flowShift of [3, 1.5]) {
    const normal = await drawHash(small, { steps: 4, flowShift });
    assert.equal(await drawHash(small, { sigmas: normalSigmas(4, flowShift), steps: 4 }), normal, "the default");
  }
});

test("eta acts on those samplers of which the documentation says so", async () => {
  const rows = (await readFile("docs/samplers.md", "utf8")).matchAll(/^\| `([^`]+)` \| [^|]+ \| [^|]+ \| (no|yes[^|]*) \|/gm);
  const table = new Map(Array.from(rows, ([, name = "", eta = ""]) => [name, eta.startsWith("yes")]));
  assert.deepEqual([...table.keys()].sort(), [...samplers].sort(), "the documentation has every sampler");
  for (const sampler of samplers) {
    const options = { sampler, steps: 2, cfgScale: sampler === "euler_cfg_pp" ? 1.5 : 1 };
    const differs = (await drawHash(small, { ...options, eta: 0 })) !== (await drawHash(small, { ...options, eta: 0.8 }));
    assert.equal(differs, table.get(sampler), sampler);
  }
});
