import { splitTags } from "../../options/loras.js";
import type { Core } from "../core.js";
import type { DrawOptions, NamedLora } from "../draw.js";
import { HttpError } from "../errors.js";
import type { ServedModel } from "../models.js";
import { fitSize, type Size } from "../size.js";
import { type Fields, invalid } from "./fields.js";
import { prepare, readGiven } from "./pictures.js";

export type Kind = "generation" | "edit" | "variation";

/** What was asked for, and how it is answered. */
export interface ImageRequest {
  kind: Kind;
  served: ServedModel;
  options: DrawOptions;
  crop?: Size;
  warnings: string[];
  answer: Answer;
}

export interface Answer {
  b64: boolean;
  url: boolean;
  format: Format;
  /** Of JPEG and WebP, 1 to 100. */
  compression: number;
  quality: "low" | "medium" | "high";
  stream: boolean;
  /** 0 to 3. */
  partials: number;
  /** The prompt without LoRA tags, to count its tokens. */
  text: string;
  /** Whether a picture was sent along. */
  pictured: boolean;
}

const formats = ["png", "jpeg", "webp"] as const;
export type Format = (typeof formats)[number];

/** What clients ask for who know OpenAI alone. */
const theirs = /^(dall-e-[23]|gpt-image-[\w.-]+|chatgpt-image-latest)$/;
/** They answered with URLs, and some clients still read nothing else. */
const withUrls = /^dall-e-/;

const qualities = ["auto", "low", "medium", "high", "xhigh", "max", "standard", "hd"] as const;
/** Of the model's usual steps. */
const effort = { low: 0.5, medium: 1, high: 1.5 };
const levels: Partial<Record<(typeof qualities)[number], Answer["quality"]>> = {
  low: "low",
  high: "high",
  xhigh: "high",
  max: "high",
  hd: "high",
};

/** How much of a picture is drawn anew. */
const strengths = { masked: 1, faithful: 0.5, variation: 0.6 };

/**
 * @throws HttpError 400 naming the field, 404 for a model that is neither served nor one of OpenAI's; InvalidOptionError for what is no picture
 */
export async function readRequest(core: Core, fields: Fields, kind: Kind): Promise<ImageRequest> {
  const warnings: string[] = [];
  const prompt = readPrompt(fields, kind);
  const name = fields.text("model");
  const served = await findModel(core, name, warnings);
  const answer = readAnswer(fields, name, prompt, kind);
  const size = readSize(fields, served, core.options.maxPixels);
  const given = kind === "generation" ? undefined : readGiven(fields);
  const usual = served.defaults;
  const prepared = given && (await prepare(given, { size, usual, transparent: kind === "edit" }));
  if (given && given.count > 1) warnings.push(`The model takes one picture: of ${given.count} the first was used.`);
  const { crop, ...drawn } = prepared ? { ...prepared.drawn, crop: prepared.crop } : size ? fitSize(size) : {};
  const loras = readLoras(fields);
  const most = core.options.maxSteps;
  const options: DrawOptions = {
    prompt,
    negativePrompt: fields.text("negative_prompt"),
    ...drawn,
    batchCount: fields.integer("n", 1, 10) ?? 1,
    steps: fields.number("steps") ?? Math.min(most, Math.max(1, Math.round(usual.steps * effort[answer.quality]))),
    cfgScale: fields.number("cfg_scale"),
    seed: fields.seed("seed"),
    sampler: fields.text("sampler") as DrawOptions["sampler"],
    scheduler: fields.text("scheduler") as DrawOptions["scheduler"],
    ...(loras && { loras }),
    ...(answer.stream && answer.partials > 0 && { preview: true }),
  };
  const strength = fields.number("strength");
  if (prepared) Object.assign(options, { initImage: prepared.initImage, mask: prepared.mask });
  if (prepared) options.strength = strength ?? usualStrength(fields, kind, prepared.mask !== undefined);
  const filled = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as unknown as DrawOptions;
  return { kind, served, options: filled, crop, warnings, answer };
}

function readPrompt(fields: Fields, kind: Kind): string {
  const { prompt } = fields.values;
  if (kind === "variation") return typeof prompt === "string" ? prompt : "";
  if (prompt === undefined) throw invalid("prompt", "Missing required parameter: 'prompt'.", "missing_required_parameter");
  if (typeof prompt !== "string") throw invalid("prompt", "Invalid type for 'prompt': expected a string.", "invalid_type");
  if (prompt.trim() === "") throw invalid("prompt", "Invalid 'prompt': expected a text, received an empty string.", "empty_string");
  return prompt;
}

/** OpenAI's own names mean the default model, unless one is served by that name. */
async function findModel(core: Core, name: string | undefined, warnings: string[]): Promise<ServedModel> {
  try {
    return await core.models.find(name);
  } catch (error) {
    if (name === undefined || !theirs.test(name) || !(error instanceof HttpError)) throw error;
    const served = await core.models.find(undefined);
    warnings.push(`There is no model named "${name}" here: ${served.id} was used.`);
    return served;
  }
}

function readAnswer(fields: Fields, model = "", prompt: string, kind: Kind): Answer {
  const form = fields.choice("response_format", ["url", "b64_json"]);
  const format = fields.choice("output_format", formats) ?? "png";
  const compression = fields.integer("output_compression", 0, 100) ?? 100;
  if (format === "png" && compression < 100)
    throw invalid("output_compression", "Compression less than 100 is not supported for PNG output format.");
  if (fields.choice("background", ["auto", "opaque", "transparent"]) === "transparent")
    throw invalid("background", "Transparent background is not supported for this model.");
  fields.choice("style", ["vivid", "natural"]);
  const stream = fields.flag("stream");
  const partials = fields.integer("partial_images", 0, 3) ?? 0;
  if (partials > 0 && !stream) throw invalid("partial_images", "Invalid 'partial_images': it goes with 'stream' alone.");
  return {
    b64: form !== "url" || stream,
    url: form === "url" || (form === undefined && withUrls.test(model)),
    format,
    compression: Math.max(1, compression),
    quality: levels[fields.choice("quality", qualities) ?? "auto"] ?? "medium",
    stream,
    partials,
    text: splitTags(prompt).prompt,
    pictured: kind !== "generation",
  };
}

/** "1024x768"; undefined for "auto". Its limits hold before any picture is brought to it. */
function readSize(fields: Fields, { maxSide = 16_384 }: ServedModel, maxPixels: number): Size | undefined {
  const text = fields.text("size");
  if (text === undefined || text === "auto") return undefined;
  const [, width = "", height = ""] = /^\s*(\d{1,5})\s*[x×]\s*(\d{1,5})\s*$/i.exec(text) ?? [];
  const size = { width: Number(width), height: Number(height) };
  if (!(size.width > 0 && size.height > 0))
    throw invalid("size", `Invalid value: '${text.slice(0, 40)}'. Expected 'auto' or a size as '1024x768'.`);
  if (Math.max(size.width, size.height) > maxSide)
    throw invalid("size", `Invalid 'size': the model draws at most ${maxSide} pixels a side, received '${text}'.`);
  const drawn = fitSize(size);
  if (drawn.width * drawn.height > maxPixels)
    throw invalid("size", `Invalid 'size': this server allows at most ${maxPixels} pixels, received '${text}'.`);
  return size;
}

function usualStrength(fields: Fields, kind: Kind, masked: boolean): number | undefined {
  const fidelity = fields.choice("input_fidelity", ["low", "high"]);
  if (kind === "variation") return strengths.variation;
  if (masked) return strengths.masked;
  return fidelity === "high" ? strengths.faithful : undefined;
}

function readLoras(fields: Fields): NamedLora[] | undefined {
  return fields.list("loras")?.map((item, at) => {
    const { name, weight } = typeof item === "string" ? { name: item, weight: undefined } : ((item ?? {}) as NamedLora);
    if (typeof name !== "string" || (weight !== undefined && typeof weight !== "number"))
      throw invalid(`loras[${at}]`, `Invalid 'loras[${at}]': expected { name, weight }, with a name of /v1/loras.`);
    return weight === undefined ? { name } : { name, weight };
  });
}
