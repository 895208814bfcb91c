import type { Sharp } from "sharp";
import type { NativeImage, NativeImages } from "../engine/binding.js";
import { InvalidOptionError, NoBinaryError, shortened } from "../errors.js";
import { isBytes } from "../options/check.js";
import { type GivenImages, type ModelLimits, resolveHires } from "../options/index.js";
import type { Fit, GenerationParameters, ImageInput, RawImage } from "../types/index.js";
import { readImageFile } from "./file.js";
import { extended, fullMargins } from "./outpaint.js";
import { sharp } from "./sharp.js";

const white = { r: 255, g: 255, b: 255, alpha: 1 };
const clear = { r: 255, g: 255, b: 255, alpha: 0 };
const black = { r: 0, g: 0, b: 0, alpha: 1 };

/** A picture that has been found readable; `open` begins a pipeline with it, upright. */
interface Source {
  open(): Sharp;
  width: number;
  height: number;
  hasAlpha: boolean;
}

interface Target {
  width: number;
  height: number;
  fit: Fit;
}

/** Whatever sharp or the file system says becomes an error of this option. */
async function readable<T>(option: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof NoBinaryError) throw error;
    throw new InvalidOptionError(option, `expected an image that can be read: ${shortened((error as Error).message)}`);
  }
}

/** Reads the header; throws InvalidOptionError when there is no picture. */
export function openImage(input: ImageInput, option: string): Promise<Source> {
  return readable(option, async () => {
    const open = await opener(input);
    const { autoOrient, hasAlpha } = await open().metadata();
    return { open: () => open().autoOrient(), width: autoOrient.width, height: autoOrient.height, hasAlpha };
  });
}

async function opener(input: ImageInput): Promise<() => Sharp> {
  if (typeof input === "string") return opener(await readImageFile(input));
  if (isBytes(input)) return () => sharp(input);
  if ("clone" in input) {
    // The caller's pipeline comes first, whole; ours begins with its pixels.
    const pipeline = input.clone().autoOrient().toColourspace("srgb").raw({ depth: "uchar" });
    const { data, info } = await pipeline.toBuffer({ resolveWithObject: true });
    return () => sharp(data, { raw: { width: info.width, height: info.height, channels: info.channels } });
  }
  const { data, width, height, channels } = input as RawImage;
  return () => sharp(data, { raw: { width, height, channels } });
}

/** Pixels in sRGB, with the color and the transparency apart. */
export interface Picture {
  color: NativeImage;
  /** One byte a pixel; absent when the picture is opaque. */
  alpha?: NativeImage;
}

/** Reads a picture in its own size, upright; throws InvalidOptionError when it is none. */
export async function readPicture(input: ImageInput, option: string): Promise<Picture> {
  const source = await openImage(input, option);
  return readable(option, async () => {
    const upright = () => source.open().toColourspace("srgb");
    const color = await pixels(upright().removeAlpha(), 3);
    if (!source.hasAlpha) return { color };
    const alpha = await pixels(upright().extractChannel("alpha"), 1);
    return alpha.data.every((value) => value === 255) ? { color } : { color, alpha };
  });
}

/** The picture in RGB, over white. */
function readColor(source: Source, { width, height, fit }: Target): Promise<NativeImage> {
  const flat = source.open().flatten({ background: white }).toColourspace("srgb");
  return pixels(flat.resize(width, height, { fit, background: white }), 3);
}

/** 255 where the mask is white, else 0. */
function readMask(source: Source, { width, height, fit }: Target): Promise<NativeImage> {
  const gray = source.open().flatten({ background: black }).toColourspace("srgb");
  return pixels(gray.resize(width, height, { fit, background: white }).threshold(128).extractChannel(0), 1);
}

/** 255 where the picture is transparent, else 0. */
async function readTransparency(source: Source, { width, height, fit }: Target): Promise<NativeImage> {
  const colors = source.open().toColourspace("srgb").ensureAlpha();
  const alpha = await pixels(colors.resize(width, height, { fit, background: clear }).extractChannel("alpha"), 1);
  return { ...alpha, data: alpha.data.map((value) => (value < 128 ? 255 : 0)) };
}

async function pixels(pipeline: Sharp, channels: number): Promise<NativeImage> {
  const { data, info } = await pipeline.raw({ depth: "uchar" }).toBuffer({ resolveWithObject: true });
  if (info.channels !== channels) throw new Error(`${info.channels} channels where ${channels} were expected`);
  return { data, width: info.width, height: info.height, channels };
}

/**
 * Reads the pictures of a run and puts its size, where the caller left it open, into `parameters`.
 * @throws InvalidOptionError with the option's name
 */
export async function readImages(
  { initImage, mask, width, height, hires, outpaint }: GivenImages,
  parameters: GenerationParameters,
  limits: Pick<ModelLimits, "defaults" | "maxSide">,
): Promise<NativeImages> {
  const source = await openImage(initImage, "initImage");
  if (outpaint) {
    const { width, height } = source;
    const margins = fullMargins(source, outpaint, limits.maxSide);
    const picture = await readable("initImage", () => readColor(source, { width, height, fit: "fill" }));
    const images = extended(picture, margins, parameters.seed);
    Object.assign(parameters, { outpaint: margins, width: images.mask.width, height: images.mask.height });
    if (hires) parameters.hires = resolveHires(hires, parameters, limits.maxSide);
    return images;
  }
  Object.assign(parameters, sizeFor(source, { width, height }, limits));
  if (hires) parameters.hires = resolveHires(hires, parameters, limits.maxSide);
  const target = { ...parameters, fit: parameters.fit ?? "cover" };
  const picture = await readable("initImage", () => readColor(source, target));
  if (mask === undefined) return { initImage: picture };

  const area = mask === "alpha" ? source : await openImage(mask, "mask");
  const painted = await readable("mask", () => (mask === "alpha" ? readTransparency : readMask)(area, target));
  if (!painted.data.includes(255)) {
    const where = mask === "alpha" ? `transparent parts in initImage${source.hasAlpha ? "" : " (it has no alpha)"}` : "white parts";
    throw new InvalidOptionError("mask", `expected ${where}, which are to be painted, but there are none`);
  }
  return { initImage: picture, mask: painted };
}

/** The size to draw a picture in: what was given, else its own, no larger than the family's number of pixels. */
export function sizeFor(
  { width, height }: { width: number; height: number },
  given: { width?: number; height?: number },
  { defaults, maxSide }: Pick<ModelLimits, "defaults" | "maxSide">,
): { width: number; height: number } {
  const side = (length: number) => Math.min(maxSide, Math.max(16, Math.round(length / 16) * 16));
  if (given.width && given.height) return { width: given.width, height: given.height };
  if (given.width) return { width: given.width, height: side((given.width * height) / width) };
  if (given.height) return { width: side((given.height * width) / height), height: given.height };
  const pixels = Math.sqrt((defaults.width * defaults.height) / (width * height));
  const scale = Math.min(1, pixels, maxSide / width, maxSide / height);
  return { width: side(width * scale), height: side(height * scale) };
}
