import { InvalidOptionError } from "../errors.js";
import { checkValue, type Option } from "../options/check.js";
import { checkGenerateOptions, generateOptions, widestLimits } from "../options/index.js";
import { splitTags } from "../options/loras.js";
import { Image } from "../picture/image.js";
import { openImage } from "../picture/inputs.js";
import type { GenerateOptions, GenerationParameters } from "../types/index.js";
import type { Core } from "./core.js";
import { HttpError } from "./errors.js";
import { Job } from "./job.js";
import { middle, type Size } from "./size.js";

const mostInputPixels = 64 * 2 ** 20;

/** A LoRA by its name in the server's folder. */
export interface NamedLora {
  name: string;
  /** Default: 1. */
  weight?: number;
}

/** `GenerateOptions` as a request may have them: files by name, pictures as bytes. */
export interface DrawOptions extends Omit<GenerateOptions, "loras" | "initImage" | "mask" | "signal" | "force" | "hires"> {
  loras?: NamedLora[];
  initImage?: Uint8Array;
  mask?: Uint8Array | "alpha";
  /** `model` is the name of an upscaler. */
  hires?: GenerateOptions["hires"];
}

export interface DrawRequest {
  /** Whose it is. */
  owner: string;
  /** Name of a served model. Default: the server's. */
  model?: string;
  options: DrawOptions;
  /** What the owner sees of it in lists. Default: the options without pictures. */
  request?: object;
  /** The middle of each picture, of this size, is kept instead of all of it. Default: all. */
  crop?: Size;
  /** What is done to each picture, after that, before it is kept. Default: nothing. */
  finish?: (image: Image) => Promise<Image>;
  /** What the client is told, beside the pictures. */
  warnings?: readonly string[];
  /** The client is gone: the job is canceled. */
  signal?: AbortSignal;
}

/**
 * Checks a request and puts it into the line.
 * @throws HttpError, InvalidOptionError for what is wrong with it, QueueFullError, DisposedError
 */
export async function draw(core: Core, request: DrawRequest): Promise<Job> {
  const { owner, model: name, options, crop, finish, warnings = [], signal } = request;
  const served = await core.models.find(name);
  const run = await resolveNames(core, options);
  const limits = { ...widestLimits, ...(served.maxSide !== undefined && { maxSide: served.maxSide }), defaults: served.defaults };
  const { parameters, images } = checkGenerateOptions(run, limits);
  if (images) await checkPicture(images.initImage, "initImage");
  if (images?.mask && images.mask !== "alpha") await checkPicture(images.mask, "mask");
  checkLimits(core, parameters);

  const { initImage, mask, ...shown } = options;
  const job = new Job(owner, "generate", served.id, request.request ?? shown);
  job.stopWith(signal);

  return core.jobs.submit(
    job,
    async ({ signal, emit, add }) => {
      for (const text of warnings) emit({ type: "warning", text });
      await core.models.use(served, { signal, onLoad: emit }, async (model) => {
        const generation = model.generate({ ...run, signal });
        for await (const event of generation) {
          if (event.type === "image") {
            const image = crop ? await cropped(event.image, crop) : (event.image as Image);
            await add(finish ? await finish(image) : image, { seed: event.seed, name: parameters.prompt });
          } else if (event.type === "phase" || event.type === "progress" || event.type === "preview") emit(event);
        }
        await generation;
      });
    },
    { priority: options.priority, held: bytesOf(initImage) + bytesOf(mask) },
  );
}

const bytesOf = (picture: Uint8Array | "alpha" | undefined) => (picture instanceof Uint8Array ? picture.byteLength : 0);

async function cropped(image: Image, size: Size): Promise<Image> {
  const pixels = image.toSharp().extract(middle(image, size)).raw();
  const { data, info } = await pixels.toBuffer({ resolveWithObject: true });
  return new Image(data, info.width, info.height, image.channels, image.parameters);
}

/** Names of files become paths of the server's folders; the prompt's LoRA tags become LoRAs. */
async function resolveNames(core: Core, { loras = [], hires, ...options }: DrawOptions): Promise<GenerateOptions> {
  const whole = checkValue(generateOptions.prompt as Option, options.prompt, "prompt") as string;
  const { tags, prompt } = splitTags(whole);
  const named = [
    ...loras.map(({ name, weight }, at) => ({ name: String(name), param: `loras[${at}].name`, weight })),
    ...tags.map(({ name, weight }) => ({ name, param: "prompt", weight })),
  ];
  const { max: mostLoras } = generateOptions.loras as Extract<Option, { kind: "list" }>;
  if (named.length > mostLoras) throw new InvalidOptionError("loras", `expected at most ${mostLoras}, received ${named.length}`);
  const paths = await core.loras.findAll(named);
  const found = named.map(({ weight }, at) => ({ path: paths[at] as string, ...(weight === undefined ? {} : { weight }) }));
  const network = typeof hires === "object" && typeof hires?.model === "string" ? hires.model : undefined;
  const model = network === undefined ? undefined : await core.upscalers.find(network, "hires.model");
  return {
    ...options,
    prompt,
    ...(found.length > 0 && { loras: found }),
    ...(hires !== undefined && { hires: model ? { ...(hires as object), model } : hires }),
  };
}

/** @throws InvalidOptionError when it is no picture, or one that would fill the memory */
export async function checkPicture(picture: GenerateOptions["initImage"], option: string): Promise<void> {
  const { width, height } = await openImage(picture as Uint8Array, option);
  if (width * height > mostInputPixels)
    throw new InvalidOptionError(option, `expected at most ${mostInputPixels} pixels, received ${width}x${height}`);
}

function checkLimits(core: Core, { width, height, steps, batchCount, hires }: GenerationParameters): void {
  const { maxPixels, maxSteps, maxImages } = core.options;
  const refuse = (param: string, most: number, found: string | number) => {
    throw new HttpError(400, "over_limit", `${param}: this server allows at most ${most}, received ${found}.`, param);
  };
  if (width * height > maxPixels) refuse("width", maxPixels, `${width}x${height}`);
  if (hires && hires.width * hires.height > maxPixels) refuse("hires", maxPixels, `${hires.width}x${hires.height}`);
  if (steps > maxSteps) refuse("steps", maxSteps, steps);
  if (hires && hires.steps > maxSteps) refuse("hires.steps", maxSteps, hires.steps);
  if (batchCount > maxImages) refuse("batchCount", maxImages, batchCount);
}
