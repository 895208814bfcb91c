import { InvalidOptionError } from "./errors.js";
import { modelName } from "./families.js";
import { Image } from "./image.js";
import { readText } from "./metadata.js";
import type { GenerationParameters, HiresParameters, HiresUpscaler, SkipLayerGuidance } from "./types.js";

/** What an image file says about how it was made. Fields that the text does not name are absent. */
export interface ImageParameters {
  /** The whole text, as it is in the file. */
  text: string;
  prompt: string;
  negativePrompt: string;
  steps?: number;
  sampler?: string;
  scheduler?: string;
  cfgScale?: number;
  seed?: bigint;
  width?: number;
  height?: number;
  flowShift?: number;
  clipSkip?: number;
  eta?: number;
  sigmas?: number[];
  skipLayerGuidance?: Required<SkipLayerGuidance>;
  /** `model` is the file's name alone. */
  hires?: Partial<HiresParameters>;
  rng?: string;
  model?: string;
  version?: string;
  /** Every field of the last line by its name in the text. */
  fields: Record<string, string>;
}

const negativeMark = "Negative prompt: ";
const version = `node-sd-cpp ${(require("../package.json") as { version: string }).version}`;

/** The text in the form that AUTOMATIC1111's web UI made common. `parameters.seed` is that of the picture. */
export function writeParameters(parameters: GenerationParameters, model: { name: string; rng?: string }): string {
  const { prompt, negativePrompt, steps, sampler, scheduler, cfgScale, seed, width, height } = parameters;
  const { flowShift, clipSkip, eta, sigmas, skipLayerGuidance } = parameters;
  const fields: Record<string, unknown> = { Steps: steps, Sampler: sampler, "Schedule type": scheduler, "CFG scale": cfgScale };
  Object.assign(fields, { Seed: seed, Size: `${width}x${height}` });
  if (flowShift !== 3) fields.Shift = flowShift;
  if (clipSkip !== 2) fields["Clip skip"] = clipSkip;
  if (eta !== undefined) fields.Eta = eta;
  if (sigmas) fields.Sigmas = sigmas.join(" ");
  if (skipLayerGuidance) {
    const { layers, scale, start, end } = skipLayerGuidance;
    fields["Skip layer guidance"] = `layers ${layers.join(" ")}, scale ${scale}, start ${start}, end ${end}`;
  }
  if (parameters.hires) {
    const { width, height, steps, strength, upscaler, model, tileSize } = parameters.hires;
    Object.assign(fields, {
      "Hires resize": `${width}x${height}`,
      "Hires upscaler": upscaler,
      "Hires steps": steps,
      "Hires strength": strength,
    });
    if (model) Object.assign(fields, { "Hires model": modelName(model), "Hires tile size": tileSize });
  }
  if (model.rng && model.rng !== "cuda") fields.RNG = model.rng;
  // The text has no way to quote its own marks, so a prompt that contains one gives its length.
  if (prompt.includes(negativeMark.trimEnd())) fields["Prompt length"] = prompt.length;
  Object.assign(fields, { Model: model.name, Version: version });
  const line = Object.entries(fields).map(([name, value]) => `${name}: ${quote(String(value))}`);
  return [prompt, ...(negativePrompt ? [`${negativeMark}${negativePrompt}`] : []), line.join(", ")].join("\n");
}

function quote(value: string): string {
  return /^[^\s,:"\\]+( [^\s,:"\\]+)*$/.test(value) ? value : JSON.stringify(value);
}

function unquote(value: string): string {
  try {
    return value.startsWith('"') ? String(JSON.parse(value)) : value;
  } catch {
    return value;
  }
}

/** Reads the text of this package and of others that write the same form. */
export function parseParameters(text: string): ImageParameters {
  const lines = text.trimEnd().split("\n");
  const last = lines.at(-1)?.startsWith("Steps: ") ? (lines.pop() as string) : "";
  const found = last.matchAll(/(\w[\w \-/]*):\s*("(?:\\.|[^\\"])*"|[^,]*)(?:,|$)/g);
  const fields = Object.fromEntries(Array.from(found, ([, name = "", value = ""]) => [name, unquote(value.trim())]));

  const body = `\n${lines.join("\n")}`;
  const length = number(fields["Prompt length"]);
  const mark = length === undefined ? body.indexOf(`\n${negativeMark}`) : length + 1;
  const end = mark < 0 ? body.length : mark;
  const [width, height] = (fields.Size ?? "").split("x").map(number);
  const guidance = /^layers ([\d ]+), scale (\S+), start (\S+), end (\S+)$/.exec(fields["Skip layer guidance"] ?? "");
  const parsed: ImageParameters = {
    text,
    prompt: body.slice(1, end),
    negativePrompt: body.slice(end + 1 + negativeMark.length),
    steps: number(fields.Steps),
    sampler: fields.Sampler,
    scheduler: fields["Schedule type"],
    cfgScale: number(fields["CFG scale"]),
    seed: /^\d{1,19}$/.test(fields.Seed ?? "") ? BigInt(fields.Seed as string) : undefined,
    width,
    height,
    flowShift: number(fields.Shift),
    clipSkip: number(fields["Clip skip"]),
    eta: number(fields.Eta),
    sigmas: fields.Sigmas?.split(" ").map(Number),
    hires: fields["Hires resize"] ? readHires(fields) : undefined,
    skipLayerGuidance: guidance ? readGuidance(guidance) : undefined,
    rng: fields.RNG,
    model: fields.Model,
    version: fields.Version,
    fields,
  };
  for (const name of Object.keys(parsed) as (keyof ImageParameters)[]) if (parsed[name] === undefined) delete parsed[name];
  return parsed;
}

function number(text: string | undefined): number | undefined {
  return text?.trim() && Number.isFinite(Number(text)) ? Number(text) : undefined;
}

function readHires(fields: Record<string, string>): Partial<HiresParameters> {
  const [width, height] = (fields["Hires resize"] ?? "").split("x").map(number);
  const hires: Partial<HiresParameters> = {
    width,
    height,
    steps: number(fields["Hires steps"]),
    strength: number(fields["Hires strength"]),
    upscaler: fields["Hires upscaler"] as HiresUpscaler | undefined,
    model: fields["Hires model"],
    tileSize: number(fields["Hires tile size"]),
  };
  for (const name of Object.keys(hires) as (keyof HiresParameters)[]) if (hires[name] === undefined) delete hires[name];
  return hires;
}

function readGuidance([, layers = "", ...rest]: RegExpExecArray): Required<SkipLayerGuidance> {
  const [scale = 0, start = 0, end = 0] = rest.map(Number);
  return { layers: layers.split(" ").map(Number), scale, start, end };
}

/**
 * The generation parameters inside a PNG, JPEG, WebP or AVIF; `null` when there are none.
 * @param image a file's path, its content, or an `Image`
 * @throws InvalidOptionError when it is none of these, or not an image
 */
export async function readParameters(image: string | Uint8Array | Image): Promise<ImageParameters | null> {
  if (image instanceof Image) return image.parameters === undefined ? null : parseParameters(image.parameters);
  if (typeof image !== "string" && !(image instanceof Uint8Array)) {
    throw new InvalidOptionError("image", "expected a path, the bytes of an image file or an Image");
  }
  const text = await readText(image);
  return text === undefined ? null : parseParameters(text);
}
