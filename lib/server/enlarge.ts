import { InvalidOptionError } from "../errors.js";
import { checkValue, type Option } from "../options/check.js";
import { upscaleOptions } from "../options/tables.js";
import { Image } from "../picture/image.js";
import { openImage } from "../picture/inputs.js";
import { readTexts } from "../picture/metadata.js";
import type { ProgressEvent } from "../types/index.js";
import { loadUpscaler } from "../upscaler.js";
import type { Core } from "./core.js";
import { HttpError } from "./errors.js";
import { Job, type JobControl } from "./job.js";

/** What enlarges without a network. A network of the same name goes before them. */
export const resizers = ["lanczos", "nearest"] as const;
type Resizer = (typeof resizers)[number];

export interface EnlargeRequest {
  /** Whose it is. */
  owner: string;
  /** Name of a network in the server's folder of upscalers, or one of `resizers`. */
  upscaler: string;
  /** Bytes of an image file; several are enlarged one after the other. */
  image: Uint8Array | readonly Uint8Array[];
  /** Factor of both sides, above 0, at most 16. Default: the network's own; of resizers 2. */
  scale?: number;
  /** What the owner sees of it in lists. Default: upscaler and scale. */
  request?: object;
  /** What the client is told, beside the pictures. */
  warnings?: readonly string[];
  /** The client is gone: the job is canceled. */
  signal?: AbortSignal;
}

/** Of the pixels that a picture of this server may have, how many times more an enlarged one may have. */
const mostLarger = 16;

/**
 * Checks a request and puts it into the line: pictures are enlarged one after the other, with the parameters in their files going along.
 * @throws HttpError 404 for an upscaler that is not there, InvalidOptionError for a picture or scale that cannot be used, QueueFullError, DisposedError
 */
export async function enlarge(
  core: Core,
  { owner, upscaler, image, scale: given, request, warnings = [], signal }: EnlargeRequest,
): Promise<Job> {
  const scale = given === undefined ? undefined : (checkValue(upscaleOptions.scale as Option, given, "scale") as number);
  const resizer = await resizerOf(core, upscaler);
  const network = resizer ? undefined : await core.upscalers.find(upscaler, "upscaler");
  const images = (Array.isArray(image) ? image : [image]) as readonly Uint8Array[];
  if (images.length === 0) throw new InvalidOptionError("image", "expected at least one picture");
  if (images.length > core.options.maxImages)
    throw new HttpError(
      400,
      "over_limit",
      `image: this server allows at most ${core.options.maxImages}, received ${images.length}.`,
      "image",
    );
  for (const one of images) await checkSize(core, one, scale ?? 1);

  const job = new Job(owner, "upscale", undefined, request ?? { upscaler, ...(scale === undefined ? {} : { scale }) });
  job.stopWith(signal);
  const work = async (control: JobControl) => {
    for (const text of warnings) control.emit({ type: "warning", text });
    if (network !== undefined) await byNetwork(core, network, images, scale, control);
    else await byResizer(core, resizer as Resizer, images, scale, control);
  };
  return core.jobs.submit(job, work, { held: images.reduce((sum, { byteLength }) => sum + byteLength, 0) });
}

async function resizerOf(core: Core, name: string): Promise<Resizer | undefined> {
  const found = resizers.find((resizer) => resizer === name);
  return found && !(await core.upscalers.names()).includes(name) ? found : undefined;
}

/** @throws InvalidOptionError when it is no picture, HttpError when it, or what would be made of it, is too large */
async function checkSize(core: Core, image: Uint8Array, scale: number): Promise<void> {
  const { width, height } = await openImage(image, "image");
  const { maxPixels } = core.options;
  const refuse = (what: string, most: number, factor: number) => {
    const found = `${Math.round(width * factor)}x${Math.round(height * factor)}`;
    throw new HttpError(400, "over_limit", `image: this server ${what} at most ${most} pixels, received ${found}.`, "image");
  };
  if (width * height > maxPixels) refuse("enlarges pictures of", maxPixels, 1);
  if (width * height * scale ** 2 > maxPixels * mostLarger) refuse("makes pictures of", maxPixels * mostLarger, scale);
}

async function byNetwork(core: Core, model: string, images: readonly Uint8Array[], scale: number | undefined, control: JobControl) {
  const { signal, emit, add } = control;
  const { threads, backend, isolate } = core.options.load;
  emit({ type: "phase", phase: "load", image: 0 });
  await using upscaler = await loadUpscaler({ model, threads, backend, isolate, signal, onProgress: emit });
  for (const [index, bytes] of images.entries()) {
    await checkSize(core, bytes, scale ?? upscaler.info.scale);
    const onProgress = (event: ProgressEvent) => emit({ ...event, image: index, images: images.length });
    emit({ type: "phase", phase: "upscale", image: index });
    await add(await upscaler.upscale(await decode(bytes), { scale, signal, onProgress }), { name: "enlarged" });
  }
}

async function byResizer(core: Core, kind: Resizer, images: readonly Uint8Array[], scale = 2, { signal, emit, add }: JobControl) {
  for (const [index, bytes] of images.entries()) {
    signal.throwIfAborted();
    await checkSize(core, bytes, scale);
    emit({ type: "phase", phase: "upscale", image: index });
    const image = await decode(bytes);
    const [width, height] = [image.width, image.height].map((side) => Math.max(1, Math.round(side * scale))) as [number, number];
    const kernel = kind === "lanczos" ? "lanczos3" : "nearest";
    const data = await image.toSharp().resize({ width, height, fit: "fill", kernel }).raw().toBuffer();
    signal.throwIfAborted();
    await add(new Image(data, width, height, image.channels, image.parameters), { name: "enlarged" });
  }
}

/** Upright pixels in sRGB, with the file's text of how the picture was made. */
async function decode(bytes: Uint8Array): Promise<Image> {
  const source = await openImage(bytes, "image");
  const { parameters, UserComment } = await readTexts(bytes);
  try {
    const { data, info } = await source.open().toColourspace("srgb").raw({ depth: "uchar" }).toBuffer({ resolveWithObject: true });
    return new Image(data, info.width, info.height, info.channels as 3 | 4, parameters ?? UserComment);
  } catch {
    throw new InvalidOptionError("image", "expected an image that can be read to its end");
  }
}
