/**
 * What a weight type costs: pictures with one part of the model in it, against the same with all in single precision. Prints the table of
 * docs/quality.md and writes its sheet of pictures; about 40 minutes and 6 GB of disk. `npm run quality`; `-- --only demo --types q8_0,q4_k` runs some of it.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import sharp from "sharp";
import { demoFiles } from "../lib/catalog/demo.js";
import { packageRoot } from "../lib/engine/binding.js";
import { type ConvertOptions, convert, type GenerateOptions, type Image, loadModel, type ModelFiles } from "../lib/index.js";
import type { TensorSpec } from "../test/helpers/gguf.js";
import { clip, mmdit, t5 } from "../test/helpers/layouts.js";
import { partFile } from "../test/reference/models.js";
import { writeWeights } from "../test/reference/weights.js";
import { Table } from "./table.js";

type WeightType = ConvertOptions["type"];

const allTypes = "f32 f16 bf16 q8_0 q6_k q5_k q5_1 q5_0 q4_k iq4_xs iq4_nl q4_1 q4_0 q3_k q2_k".split(" ") as WeightType[];

/** A part that is quantized while the others stay as they are. */
interface Trial {
  title: string;
  option: "diffusionModel" | "clipL" | "t5xxl";
  files: ModelFiles;
  pictures: Partial<GenerateOptions>[];
}

const colors = ["a red circle on a blue background", "a green star on a white background", "a small yellow heart on a purple background"];
const scenes = ["a lighthouse in a storm", "an old map of a city", "two boats on calm water"];

const folder = mkdtemp(path.join(tmpdir(), "sdcpp-quality-"));

/** A file of random weights that are spread as trained ones are, nearly normally. */
async function random(name: string, tensors: TensorSpec[]): Promise<string> {
  const file = path.join(await folder, `${name}.safetensors`);
  const weights = tensors.map(({ name, shape, mean = 0, std = 0.02 }) => ({
    name,
    shape: [...shape].reverse(),
    mean,
    std,
    half: shape.length > 2,
    bell: true,
  }));
  await writeWeights(file, weights);
  return file;
}

async function converted(input: string, type: WeightType): Promise<{ file: string; bytes: number }> {
  const file = path.join(await folder, `${path.parse(input).name}-${type}.gguf`);
  const { bytes } = await convert({ input, output: file, type, threads: 1 });
  return { file, bytes };
}

const trials: Record<string, () => Promise<Trial>> = {
  demo: async () => ({ title: "diffusion model: demo", option: "diffusionModel", ...(await demo()) }),
  wide: async () => {
    const wide = await random("wide", mmdit({ depth: 24, hidden: 768, dual: 13, type: "f32" }));
    const files = { diffusionModel: wide, clipL: await partFile("clipL"), taesd: await partFile("taesd") };
    return {
      title: "random, width 768",
      option: "diffusionModel",
      files,
      pictures: [{ prompt: "a lighthouse in a storm", steps: 4 }],
    };
  },
  t5: async () => {
    const t5xxl = await random("t5", t5({ layers: 1, vocabulary: 32128, feedForward: 1024, type: "f32" }));
    const files = { diffusionModel: await partFile("medium"), clipL: await partFile("clipL"), t5xxl, taesd: await partFile("taesd") };
    return { title: "T5: random, one layer", option: "t5xxl", files, pictures: scenes.map((prompt) => ({ prompt, steps: 8 })) };
  },
  clip: async () => {
    const clipL = await random("clip", clip("l", "f32"));
    const files = { diffusionModel: await partFile("large"), clipL, taesd: await partFile("taesd") };
    return { title: "CLIP-L: random", option: "clipL", files, pictures: scenes.map((prompt) => ({ prompt, steps: 8 })) };
  },
};

async function demo(): Promise<Pick<Trial, "files" | "pictures">> {
  const files = await demoFiles();
  return { files, pictures: colors.map((prompt) => ({ prompt, width: 128, height: 128, steps: 8 })) };
}

async function draw(files: ModelFiles, pictures: Trial["pictures"]): Promise<Image[]> {
  await using model = await loadModel({ ...files, threads: 1, rng: "cpu", flashAttention: false });
  const drawn: Image[] = [];
  for (const options of pictures) {
    const { images } = await model.generate({ width: 64, height: 64, seed: 7, cfgScale: 1, ...options } as GenerateOptions);
    drawn.push(...images);
  }
  return drawn;
}

/** Peak signal to noise ratio over all pictures. */
function decibels(pictures: Image[], originals: Image[]): number {
  let [sum, count] = [0, 0];
  for (const [i, { data }] of pictures.entries()) {
    for (const [at, value] of data.entries()) sum += (value - (originals[i]?.data[at] ?? 0)) ** 2;
    count += data.length;
  }
  return 10 * Math.log10((255 * 255 * count) / Math.max(sum, 1));
}

/** For each type a picture and, below it, sixteen times its difference from the first; five in a row. */
async function writeSheet(shown: Map<WeightType, Image>): Promise<void> {
  const [side, line, columns] = [128, 20, 5];
  const [original] = shown.values();
  const parts: sharp.OverlayOptions[] = [];
  for (const [i, [type, image]] of [...shown].entries()) {
    const [left, top] = [(i % columns) * side, Math.floor(i / columns) * (2 * side + line)];
    const difference = image.data.map((value, at) => Math.min(255, 16 * Math.abs(value - (original?.data[at] ?? 0))));
    const label = `<svg width="${side}" height="${line}"><text x="64" y="14" font-family="sans-serif" font-size="13" text-anchor="middle">${type}</text></svg>`;
    const tiles = [image.toSharp(), sharp(difference, { raw: { width: side, height: side, channels: 3 } }), sharp(Buffer.from(label))];
    for (const [row, tile] of tiles.entries()) parts.push({ input: await tile.png().toBuffer(), left, top: top + row * side });
  }
  const size = { width: columns * side, height: Math.ceil(shown.size / columns) * (2 * side + line) };
  const sheet = sharp({ create: { ...size, channels: 3, background: "white" } }).composite(parts);
  await sheet.png({ palette: true, colors: 128 }).toFile(path.join(packageRoot, "docs", "quality.png"));
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { only: { type: "string" }, types: { type: "string" } } });
  const types = (values.types?.split(",") as WeightType[] | undefined) ?? allTypes.slice(1);
  const names = values.only?.split(",") ?? Object.keys(trials);
  const columns = new Map<string, Map<WeightType, { decibels: number; bits: number }>>();
  for (const name of names) {
    const trial = trials[name];
    if (!trial) throw new Error(`no part '${name}', expected ${Object.keys(trials).join(", ")}`);
    const { title, option, files, pictures } = await trial();
    const original = files[option] as string;
    const single = await converted(original, "f32");
    const others = name === "demo" ? { clipL: (await converted(files.clipL as string, "f32")).file } : {};
    const originals = await draw({ ...files, ...others, [option]: single.file }, pictures);
    const shown = new Map<WeightType, Image>([["f32", originals[1] as Image]]);
    const column = new Map<WeightType, { decibels: number; bits: number }>();
    for (const type of types) {
      const { file, bytes } = await converted(original, type);
      const drawn = await draw({ ...files, ...others, [option]: file }, pictures);
      await rm(file);
      column.set(type, { decibels: decibels(drawn, originals), bits: (32 * bytes) / single.bytes });
      shown.set(type, drawn[1] as Image);
      console.error(`${title}, ${type}: ${column.get(type)?.decibels.toFixed(1)} dB`);
    }
    columns.set(title, column);
    if (name === "demo") await writeSheet(shown);
  }
  const table = new Table("quality", ["type", "bits a weight", ...[...columns.keys()].map((title) => `${title}, dB`)]);
  for (const type of types) {
    const cells = [...columns.values()].map((column) => column.get(type));
    const bits = (columns.get("random, width 768") ?? [...columns.values()][0])?.get(type)?.bits ?? Number.NaN;
    table.row([type, bits.toFixed(1), ...cells.map((cell) => cell?.decibels.toFixed(1) ?? "")], cells);
  }
}

main().finally(async () => rm(await folder, { recursive: true, force: true }));
