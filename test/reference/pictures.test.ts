import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { after, test } from "node:test";
import sharp from "sharp";
import { type GenerateOptions, type Image, loadModel, type Model, type ModelOptions } from "../../lib/index.js";
import { type PartId, partFile } from "./models.js";

/** Each row of rows.json against the picture that diffusers draws (reference.py), from the same weights and noise, in single precision. */

interface Row {
  name: string;
  model: ModelId;
  options: Omit<GenerateOptions, "prompt" | "loras"> & { prompt?: string; loras?: PartId[] };
  /** dB, where it is not that of all rows. */
  floor?: number;
}
type ModelId = keyof typeof files;
type Files = Partial<Record<"diffusionModel" | "clipL" | "clipG" | "t5xxl" | "taesd" | "vae", PartId>>;

const files = {
  large: { diffusionModel: "large", clipL: "clipL", taesd: "taesd" },
  large38: { diffusionModel: "large38", clipL: "clipL", taesd: "taesd" },
  medium: { diffusionModel: "medium", clipL: "clipL", t5xxl: "t5", taesd: "taesd" },
  all: { diffusionModel: "medium", clipL: "clipL", clipG: "clipG", t5xxl: "t5", taesd: "taesd" },
  vae: { diffusionModel: "large", clipL: "clipL", vae: "vae" },
  demo: undefined,
} satisfies Record<string, Files | undefined>;

/** 58 dB is a deviation of 0.32 of 255, which is that of rounding to whole numbers. */
const floor = 58;

const here = path.join("test", "reference");
const table = JSON.parse(readFileSync(path.join(here, "rows.json"), "utf8")) as {
  defaults: { prompt: string; seed: number };
  rows: Row[];
};

let loaded: { id: ModelId; model: Model } | undefined;
after(() => loaded?.model.dispose());

/** One model is in memory at a time: rows of one are beside each other. */
async function modelOf(id: ModelId): Promise<Model> {
  if (loaded?.id === id) return loaded.model;
  await loaded?.model.dispose();
  const options: ModelOptions = { preset: "demo", weightType: "f32" };
  const parts: Files | undefined = files[id];
  if (parts) {
    delete options.preset;
    for (const [option, part] of Object.entries(parts)) options[option as keyof Files] = await partFile(part);
  }
  loaded = { id, model: await loadModel({ ...options, threads: 1, rng: "cpu", flashAttention: false }) };
  return loaded.model;
}

async function draw({ model, options }: Row): Promise<Image> {
  const { loras = [], initImage, mask, ...others } = options;
  const given: GenerateOptions = { ...table.defaults, width: 64, height: 64, ...others };
  if (loras.length) given.loras = await Promise.all(loras.map(async (part) => ({ path: await partFile(part) })));
  if (initImage) given.initImage = path.join(here, "pictures", initImage as string);
  if (mask) Object.assign(given, { mask: path.join(here, "pictures", mask as string), keepUnmasked: false });
  const { images } = await (await modelOf(model)).generate(given);
  assert.ok(images[0]);
  return images[0];
}

/** Peak signal to noise ratio. */
async function decibels(picture: Image, file: string): Promise<number> {
  const { data, info } = await sharp(file).removeAlpha().raw().toBuffer({ resolveWithObject: true });
  assert.deepEqual([picture.width, picture.height], [info.width, info.height]);
  let sum = 0;
  for (const [i, value] of picture.data.entries()) sum += (value - (data[i] ?? 0)) ** 2;
  return 10 * Math.log10((255 * 255 * data.length) / Math.max(sum, 1));
}

const all = process.env.SDCPP_TEST_CLIP_G ? false : "CLIP-G takes 2.8 GB in single precision: SDCPP_TEST_CLIP_G=1 compares it";

for (const row of table.rows) {
  test(`${row.name} is the picture of diffusers`, { skip: row.model === "all" && all }, async (context) => {
    const found = await decibels(await draw(row), path.join(here, "pictures", `${row.name}.png`));
    context.diagnostic(`${found.toFixed(1)} dB`);
    assert.ok(found >= (row.floor ?? floor), `${found.toFixed(1)} dB, expected at least ${row.floor ?? floor}`);
  });
}
