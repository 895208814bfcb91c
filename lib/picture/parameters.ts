import { modelName, usualFlowShift } from "../catalog/families.js";
import { InvalidOptionError } from "../errors.js";
import { isBytes } from "../options/check.js";
import { fits } from "../options/index.js";
import { readTags, writeTags } from "../options/loras.js";
import type {
  GenerationParameters,
  HiresParameters,
  HiresUpscaler,
  ImageParameters,
  Image as Picture,
  SkipLayerGuidance,
  StepCache,
  StepCacheMode,
} from "../types/index.js";
import { readForeign } from "./foreign.js";
import { jsonable } from "./json.js";
import { readTexts, type Texts } from "./metadata.js";

const negativeMark = "Negative prompt: ";
const version = `node-sd-cpp ${(require("../../package.json") as { version: string }).version}`;

/** What the text says of the model, beside its name. */
export interface ModelText {
  name: string;
  rng?: string;
  weightType?: string;
  flashAttention?: boolean;
  device?: string;
  fingerprints?: Record<string, string>;
  engine?: string;
}

/** The text in the form that AUTOMATIC1111's web UI made common. `parameters.seed` is that of the picture. */
export function writeParameters(parameters: GenerationParameters, model: ModelText): string {
  const { prompt, negativePrompt, steps, sampler, scheduler, cfgScale, seed, width, height } = parameters;
  const { flowShift, clipSkip, eta, sigmas, guidance, skipLayerGuidance, loras, vaeTiling, cache } = parameters;
  const fields: Record<string, unknown> = { Steps: steps, Sampler: sampler, "Schedule type": scheduler, "CFG scale": cfgScale };
  Object.assign(fields, { Seed: seed, Size: `${width}x${height}` });
  const { variationSeed, variationStrength } = parameters;
  if (variationStrength !== undefined)
    Object.assign(fields, { "Variation seed": variationSeed, "Variation seed strength": variationStrength });
  if (flowShift !== usualFlowShift) fields.Shift = flowShift;
  if (clipSkip !== 2) fields["Clip skip"] = clipSkip;
  if (eta !== undefined) fields.Eta = eta;
  if (sigmas) fields.Sigmas = sigmas.join(" ");
  if (guidance) fields["Guidance window"] = writeMembers(guidance);
  if (skipLayerGuidance) {
    const { layers, scale, start, end } = skipLayerGuidance;
    fields["Skip layer guidance"] = `layers ${layers.join(" ")}, scale ${scale}, start ${start}, end ${end}`;
  }
  if (loras) fields.LoRA = writeTags(loras);
  if (vaeTiling) fields["VAE tiling"] = writeMembers(vaeTiling);
  if (cache) fields["Step cache"] = writeMembers(cache);
  if (parameters.t5Prompt !== undefined) fields["T5 prompt"] = parameters.t5Prompt;
  if (parameters.negativeT5Prompt !== undefined) fields["Negative T5 prompt"] = parameters.negativeT5Prompt;
  const { strength, noiseLevel, fit, keepUnmasked, maskFeather } = parameters;
  if (strength !== undefined) fields["Denoising strength"] = strength;
  if (noiseLevel !== undefined) fields["Noise level"] = noiseLevel;
  if (fit) fields["Init image fit"] = fit;
  if (parameters.outpaint) fields.Outpaint = writeMembers(parameters.outpaint);
  if (maskFeather !== undefined) Object.assign(fields, { "Mask feather": maskFeather, "Keep unmasked": keepUnmasked });
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
  if (model.weightType) fields["Weight type"] = model.weightType;
  if (model.flashAttention !== undefined) fields["Flash attention"] = model.flashAttention;
  // The text has no way to quote its own marks, so a prompt that contains one gives its length.
  if (prompt.includes(negativeMark.trimEnd())) fields["Prompt length"] = prompt.length;
  fields.Model = model.name;
  if (model.fingerprints) {
    const prints = Object.entries(model.fingerprints).map(([option, digits]) => `${option} ${digits}`);
    fields["Model fingerprints"] = prints.join(", ");
  }
  if (model.device) fields.Device = model.device;
  if (model.engine) fields.Engine = model.engine;
  fields.Version = version;
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

/** Reads the text of this package and of others that write the same form (AUTOMATIC1111's). */
export function parseParameters(text: string): ImageParameters {
  const { lines, fields } = splitText(text);
  const body = `\n${lines.join("\n")}`;
  const length = number(fields["Prompt length"]);
  const mark = length === undefined ? body.indexOf(`\n${negativeMark}`) : length + 1;
  const end = mark < 0 ? body.length : mark;
  const [width, height] = (fields.Size ?? "").split("x").map(number);
  const skipping = /^layers ([\d ]+), scale (\S+), start (\S+), end (\S+)$/.exec(fields["Skip layer guidance"] ?? "");
  const parsed: ImageParameters = {
    text,
    prompt: body.slice(1, end),
    negativePrompt: body.slice(end + 1 + negativeMark.length),
    steps: number(fields.Steps),
    sampler: fields.Sampler,
    scheduler: fields["Schedule type"],
    cfgScale: number(fields["CFG scale"]),
    seed: seedOf(fields.Seed),
    variationSeed: seedOf(fields["Variation seed"]),
    variationStrength: number(fields["Variation seed strength"]),
    width,
    height,
    flowShift: number(fields.Shift),
    clipSkip: number(fields["Clip skip"]),
    eta: number(fields.Eta),
    sigmas: fields.Sigmas?.split(" ").map(Number),
    hires: fields["Hires resize"] ? readHires(fields) : undefined,
    guidance: fields["Guidance window"] ? readMembers(fields["Guidance window"]) : undefined,
    skipLayerGuidance: skipping ? readGuidance(skipping) : undefined,
    loras: fields.LoRA ? readTags(fields.LoRA) : undefined,
    vaeTiling: fields["VAE tiling"] ? readMembers(fields["VAE tiling"]) : undefined,
    cache: fields["Step cache"] ? readCache(fields["Step cache"]) : undefined,
    t5Prompt: fields["T5 prompt"],
    negativeT5Prompt: fields["Negative T5 prompt"],
    strength: number(fields["Denoising strength"]),
    noiseLevel: number(fields["Noise level"]),
    fit: fits.find((fit) => fit === fields["Init image fit"]),
    outpaint: fields.Outpaint ? readMembers(fields.Outpaint) : undefined,
    keepUnmasked: fields["Keep unmasked"] ? fields["Keep unmasked"] === "true" : undefined,
    maskFeather: number(fields["Mask feather"]),
    rng: fields.RNG,
    model: fields.Model,
    fingerprints: readFingerprints(fields["Model fingerprints"]),
    weightType: fields["Weight type"],
    flashAttention: fields["Flash attention"] === undefined ? undefined : fields["Flash attention"] === "true",
    device: fields.Device,
    engine: fields.Engine,
    version: fields.Version,
    fields,
  };
  for (const name of Object.keys(parsed) as (keyof ImageParameters)[]) if (parsed[name] === undefined) delete parsed[name];
  return parsed;
}

function seedOf(text = ""): bigint | undefined {
  return /^\d{1,19}$/.test(text) ? BigInt(text) : undefined;
}

function number(text: string | undefined): number | undefined {
  return text?.trim() && Number.isFinite(Number(text)) ? Number(text) : undefined;
}

/**
 * The lines before the fields, and the fields. Those are in the last line that begins with "Steps: 20"; what others write behind it is no
 * part of them. A text with CRLF at the end of each line is one with LF.
 */
function splitText(text: string): { lines: string[]; fields: Record<string, string> } {
  const plain = /\r\n/.test(text) && !/(?<!\r)\n/.test(text) ? text.replaceAll("\r\n", "\n") : text;
  const lines = plain.trimEnd().split("\n");
  const at = lines.findLastIndex((line) => /^Steps: \d/.test(line));
  return at < 0 ? { lines, fields: {} } : { lines: lines.slice(0, at), fields: splitFields(lines[at] as string) };
}

/**
 * "Steps: 20, Model: a, b, LoRA: \"x: 1\", Civitai: [{…}]" by name. A value ends at a comma with another name behind it, outside quotes and
 * brackets; of two fields of one name the first counts.
 */
function splitFields(line: string): Record<string, string> {
  const fields: Record<string, string> = {};
  const name = /\s*(\w[\w .+\-/]*):(?:\s+|$)/y;
  for (let at = 0; at < line.length; ) {
    name.lastIndex = at;
    const found = name.exec(line);
    if (!found) break;
    const end = endOfValue(line, name.lastIndex, name);
    const [, field = ""] = found;
    if (!Object.hasOwn(fields, field)) fields[field] = unquote(line.slice(found.index + found[0].length, end).trim());
    at = end + 1;
  }
  return fields;
}

/** Where the comma behind a value is, or the line's end. */
function endOfValue(line: string, start: number, name: RegExp): number {
  let depth = 0;
  let open = false; // where one quote has no end, none behind it has
  for (let at = start; at < line.length; at++) {
    const mark = line[at] as string;
    if (mark === '"' && !open && (depth > 0 || line.slice(start, at).trim() === "")) {
      const closed = /"(?:\\.|[^\\"])*"/y;
      closed.lastIndex = at;
      if (closed.test(line)) at = closed.lastIndex - 1;
      else open = true;
    } else if ("[{".includes(mark) && (depth > 0 || line.slice(start, at).trim() === "")) depth++;
    else if ("]}".includes(mark) && depth > 0) depth--;
    else if (mark === "," && depth === 0) {
      name.lastIndex = at + 1;
      if (name.test(line)) return at;
    }
  }
  return line.length;
}

/** "tileSize 256, overlap 0.5" */
function writeMembers(members: object): string {
  return Object.entries(members)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name} ${value}`)
    .join(", ");
}

function readMembers(text: string): Record<string, number> {
  return Object.fromEntries(
    Array.from(text.matchAll(/(?<!\w)(\w+) (-?[\d.e+-]+)(?:,|$)/g), ([, name = "", value]) => [name, Number(value)]),
  );
}

function readCache(text: string): StepCache {
  const mode = /^mode ([\w-]+)/.exec(text)?.[1] as StepCacheMode | undefined;
  return { ...(mode ? { mode } : {}), ...readMembers(text) };
}

function readFingerprints(text: string | undefined): Record<string, string> | undefined {
  const found = Array.from(text?.matchAll(/(?<!\w)(\w+) ([0-9a-f]{10})\b/g) ?? [], ([, option = "", digits = ""]) => [option, digits]);
  return found.length ? Object.fromEntries(found) : undefined;
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
 * The generation parameters inside a PNG, JPEG, WebP or AVIF; `null` when there are none. Besides this package's, the texts of AUTOMATIC1111
 * and what writes the same form are read, and the JSON of ComfyUI, SwarmUI, Fooocus and InvokeAI.
 * @param image a file's path, a data URL, the bytes of a file, or an `Image`
 * @throws InvalidOptionError when it is none of these, or not an image
 */
export async function readParameters(image: string | Uint8Array | ArrayBuffer | Picture): Promise<ImageParameters | null> {
  if (isBytes(image)) return parametersIn(await readTexts(new Uint8Array(image)));
  if (typeof image === "string") return parametersIn(await readTexts(image));
  if (typeof image !== "object" || image === null || !("data" in image)) {
    throw new InvalidOptionError("image", "expected a path, the bytes of an image file or an Image");
  }
  return typeof image.parameters === "string" ? parametersIn({ parameters: image.parameters }) : null;
}

/** What the texts of a file say; by the tool that wrote them. */
function parametersIn(texts: Texts): ImageParameters | null {
  const foreign = readForeign(texts);
  const text = texts.parameters ?? texts.UserComment;
  if (!foreign && text === undefined) return null;
  const found = foreign ? { prompt: "", negativePrompt: "", fields: {}, ...foreign } : parseParameters(text as string);
  return jsonable({ ...found, raw: texts });
}
