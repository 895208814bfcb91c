import { usualFlowShift } from "./catalog/families.js";
import { InvalidOptionError } from "./errors.js";
import type { Model } from "./model.js";
import { generateOptions } from "./options/index.js";
import { tagsOf } from "./options/loras.js";
import { Image } from "./picture/image.js";
import { openImage } from "./picture/inputs.js";
import { parseParameters, readParameters } from "./picture/parameters.js";
import { isPast, pastDifferences } from "./picture/past.js";
import type { GenerateOptions, ImageParameters, Image as Picture } from "./types/index.js";

/** A field of the parameters text that is not what it was, for example `Model fingerprints` or `Engine`. */
export interface FieldChange {
  field: string;
  /** Absent when only the other text has the field. */
  before?: string;
  now?: string;
}

export interface Reproduction {
  /** Every pixel is equal. */
  identical: boolean;
  pixels: number;
  differingPixels: number;
  /** Of one channel, 0 to 255. */
  largestDifference: number;
  /** Why it may differ: what the parameters of the two pictures do not share. */
  changes: FieldChange[];
  /** Why it cannot be equal: what this version does in another way than the one that drew the picture, as sentences. Empty when it is. */
  notices: string[];
  /** The picture that was drawn. */
  image: Image;
}

/**
 * Draws a picture again from the parameters inside it, and compares the pixels. With the same model files, package, processor and options
 * they are equal (for a file without loss: PNG, or lossless WebP); if not, `changes` says what is not the same.
 * @param image a file's path, a data URL, the bytes of a file, or an `Image`
 * @throws InvalidOptionError when the image holds no parameters, or such that no option takes
 * @throws whatever `Model.generate` rejects with
 */
export async function reproduce(
  image: string | Uint8Array | ArrayBuffer | Picture,
  model: Model,
  { signal }: Pick<GenerateOptions, "signal"> = {},
): Promise<Reproduction> {
  const parameters = await readPicture(image);
  const { images } = await model.generate({ ...optionsOf(parameters), signal });
  const drawn = images[0] as Image;
  const now = parseParameters(drawn.parameters ?? "");
  const pixels = comparePixels(await pixelsOf(image), drawn);
  const notices = pixels.identical ? [] : await noticesOf(parameters, model);
  return { ...pixels, changes: compareFields(parameters.fields, now.fields), notices, image: drawn };
}

async function noticesOf(parameters: ImageParameters, model: Model): Promise<string[]> {
  if (!isPast(parameters)) return [];
  const { prompt, negativePrompt, t5Prompt, negativeT5Prompt, cfgScale } = parameters;
  const texts = [{ prompt, t5Prompt }, ...(cfgScale === 1 ? [] : [{ prompt: negativePrompt, t5Prompt: negativeT5Prompt }])];
  let t5Tokens = 0;
  for (const { prompt, t5Prompt } of texts) {
    const { t5xxl } = await model.countTokens(prompt, t5Prompt === undefined ? {} : { t5Prompt });
    t5Tokens = Math.max(t5Tokens, t5xxl?.tokens ?? 0);
  }
  return pastDifferences(parameters, { parts: Object.keys(model.info.parts), t5Tokens });
}

/** The parameters of a picture that can be drawn again. */
export async function readPicture(image: string | Uint8Array | ArrayBuffer | Picture): Promise<ImageParameters & { seed: bigint }> {
  const parameters = await readParameters(image);
  if (!parameters) throw new InvalidOptionError("image", "expected a picture with its generation parameters inside, but it has none");
  const { seed } = parameters;
  if (seed === undefined) throw new InvalidOptionError("image", "expected parameters with a seed, but the picture's text names none");
  return { ...parameters, seed };
}

function optionsOf({ loras, ...parameters }: ImageParameters): GenerateOptions {
  const names = Object.keys(generateOptions) as (keyof typeof parameters)[];
  const given = names.filter((name) => name in parameters).map((name) => [name, parameters[name]]);
  // LoRAs are known by name, as in tags: loraDir has their files.
  if (loras?.length) given.push(["prompt", `${parameters.prompt} ${tagsOf(loras)}`]);
  const options: GenerateOptions = Object.fromEntries(given);
  return { ...options, flowShift: options.flowShift ?? usualFlowShift }; // which texts leave out
}

async function pixelsOf(image: string | Uint8Array | ArrayBuffer | Picture): Promise<Image> {
  const source = await openImage(image, "image");
  const { data, info } = await source.open().removeAlpha().toColourspace("srgb").raw().toBuffer({ resolveWithObject: true });
  return new Image(data, info.width, info.height, info.channels as 3);
}

function comparePixels(before: Image, now: Image): Omit<Reproduction, "changes" | "notices"> {
  const pixels = now.width * now.height;
  if (before.width !== now.width || before.height !== now.height) {
    return { identical: false, pixels, differingPixels: pixels, largestDifference: 255, image: now };
  }
  let [differingPixels, largestDifference] = [0, 0];
  for (let pixel = 0; pixel < pixels; pixel++) {
    let difference = 0;
    for (let channel = 0; channel < 3; channel++) {
      const at = (image: Image) => image.data[pixel * image.channels + Math.min(channel, image.channels - 1)] ?? 0;
      difference = Math.max(difference, Math.abs(at(before) - at(now)));
    }
    if (difference > 0) differingPixels++;
    largestDifference = Math.max(largestDifference, difference);
  }
  return { identical: differingPixels === 0, pixels, differingPixels, largestDifference, image: now };
}

function compareFields(before: Record<string, string>, now: Record<string, string>): FieldChange[] {
  const names = [...new Set([...Object.keys(before), ...Object.keys(now)])].filter((field) => before[field] !== now[field]);
  return names.map((field) => ({ field, before: before[field], now: now[field] }));
}
