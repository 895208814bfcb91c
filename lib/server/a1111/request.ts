import { randomInt } from "node:crypto";
import type { ImageFormat } from "../../types/index.js";
import type { Core } from "../core.js";
import type { DrawOptions, DrawRequest } from "../draw.js";
import { HttpError } from "../errors.js";
import type { ServedModel } from "../models.js";
import { fitSize, type Size } from "../size.js";
import { type Fields, flagIn, imageToImageFields, integerIn, known, numberIn, objectOf, textIn, textToImageFields } from "./fields.js";
import { checkSize, readInputs } from "./inputs.js";
import { latentModes, readSampler, resizerLabels } from "./names.js";
import { findModel, readSettings, type Settings } from "./settings.js";

/** A txt2img or img2img request, read. */
export interface Wish extends Required<Pick<DrawRequest, "options" | "warnings">>, Pick<DrawRequest, "crop" | "finish"> {
  served: ServedModel;
  /** Of the first picture; the next one's is one more. */
  seed: number;
  /** Pictures. */
  count: number;
  /** Of the pictures, as asked for. */
  size: Size;
  batchSize: number;
  sendImages: boolean;
  format: ImageFormat;
  quality: number;
  /** The fields of the request that the web UI knows, pictures left out. */
  parameters: Fields;
}

const mostSeed = Number.MAX_SAFE_INTEGER;

/** @throws HttpError, InvalidOptionError for what is wrong with it */
export async function readRequest(core: Core, fields: Fields, ofOwner: Settings, kind: "txt2img" | "img2img"): Promise<Wish> {
  const settings = { ...ofOwner, ...(await readSettings(core, objectOf(fields, "override_settings"))) };
  const served = await findModel(core, settings.model);
  const warnings = ignored(fields);
  const script = textIn(fields, "script_name");
  if (script && script !== "None") throw new HttpError(422, "HTTPException", `Script '${script.slice(0, 80)}' not found`, "script_name");
  const chosen = readSampler(textIn(fields, "sampler_name") ?? textIn(fields, "sampler_index") ?? "", textIn(fields, "scheduler") ?? "");
  const { sampler, scheduler } = chosen;
  warnings.push(...chosen.warnings);

  const [batchSize, rounds] = [countIn(fields, "batch_size"), countIn(fields, "n_iter")];
  const [steps, cfgScale, eta] = [integerIn(fields, "steps"), numberIn(fields, "cfg_scale"), numberIn(fields, "eta")];
  const { clipSkip } = settings;
  const seed = seedIn(fields);
  const { crop, finish, ...pictures } = kind === "img2img" ? await readInputs(core, fields, served) : await readSize(core, fields, served);
  warnings.push(...pictures.warnings);
  const options: DrawOptions = {
    prompt: textIn(fields, "prompt") ?? "",
    negativePrompt: textIn(fields, "negative_prompt") ?? "",
    seed,
    batchCount: batchSize * rounds,
    ...(steps !== undefined && { steps }),
    ...(cfgScale !== undefined && { cfgScale }),
    ...(sampler && { sampler }),
    ...(scheduler && { scheduler }),
    ...(eta !== undefined && { eta }),
    ...(clipSkip > 1 && { clipSkip }), // 1 is the web UI's way to leave it to the model
    ...pictures.options,
    preview: true,
  };
  const table = kind === "img2img" ? imageToImageFields : textToImageFields;
  const withPictures = kind === "img2img" && flagIn(fields, "include_init_images");
  const parameters = { ...known(table, fields), ...(kind === "img2img" && !withPictures && { init_images: null, mask: null }) };
  const sendImages = flagIn(fields, "send_images", true);
  const { format, quality } = settings;
  const { size } = pictures;
  return {
    served,
    options,
    crop,
    finish,
    warnings,
    seed,
    count: batchSize * rounds,
    size,
    batchSize,
    sendImages,
    format,
    quality,
    parameters,
  };
}

/** -1 is a random one, as is none. */
function seedIn(fields: Fields): number {
  const seed = integerIn(fields, "seed");
  if (seed === undefined || seed < 0) return randomInt(2 ** 32);
  if (seed <= mostSeed) return seed;
  throw new HttpError(422, "HTTPException", `seed: expected at most ${mostSeed}.`, "seed");
}

function countIn(fields: Fields, name: string): number {
  const count = integerIn(fields, name) ?? 1;
  if (count >= 1) return count;
  throw new HttpError(422, "HTTPException", `${name}: expected 1 or more, received ${count}.`, name);
}

/** Fields that ask for something that is not there; what has no influence at its usual value is not spoken of. */
function ignored(fields: Fields): string[] {
  const scripts = Object.keys(objectOf(fields, "alwayson_scripts"));
  const asked: Record<string, boolean> = {
    styles: Array.isArray(fields.styles) && fields.styles.length > 0,
    "subseed (variation)": Number(fields.subseed_strength ?? 0) > 0,
    restore_faces: fields.restore_faces === true,
    tiling: fields.tiling === true,
    refiner_checkpoint: Boolean(fields.refiner_checkpoint),
    hr_prompt: fields.enable_hr === true && Boolean(fields.hr_prompt),
    hr_negative_prompt: fields.enable_hr === true && Boolean(fields.hr_negative_prompt),
    hr_checkpoint_name: fields.enable_hr === true && Boolean(fields.hr_checkpoint_name),
    hr_sampler_name: fields.enable_hr === true && Boolean(fields.hr_sampler_name),
  };
  const names = Object.keys(asked).filter((name) => asked[name]);
  return [
    ...(names.length > 0 ? [`Not supported, and passed over: ${names.join(", ")}.`] : []),
    ...(scripts.length > 0 ? [`Scripts are passed over: ${scripts.slice(0, 10).join(", ")}.`] : []),
  ];
}

interface Sized extends Pick<DrawRequest, "crop" | "finish"> {
  options: Pick<DrawOptions, "width" | "height" | "hires">;
  size: Size;
  warnings: string[];
}

/** Width and height of txt2img, and those of its second pass. */
async function readSize(core: Core, fields: Fields, { defaults }: ServedModel): Promise<Sized> {
  const side = (name: "width" | "height") => integerIn(fields, name) || defaults[name];
  const size = checkSize(core, { width: side("width"), height: side("height") });
  const { crop, ...drawn } = fitSize(size);
  if (!flagIn(fields, "enable_hr")) return { size, crop, warnings: [], options: drawn };
  const [x, y] = [integerIn(fields, "hr_resize_x") || undefined, integerIn(fields, "hr_resize_y") || undefined];
  const given = x || y ? Math.max((x ?? 0) / size.width, (y ?? 0) / size.height) : undefined; // the other proportions are cut
  const scale = given ?? numberIn(fields, "hr_scale") ?? 2;
  const larger = { width: Math.floor(size.width * scale + 1e-6), height: Math.floor(size.height * scale + 1e-6) };
  const target = checkSize(core, { width: x ?? larger.width, height: y ?? larger.height });
  const { crop: _, ...second } = fitSize({ width: Math.max(larger.width, target.width), height: Math.max(larger.height, target.height) });
  const steps = integerIn(fields, "hr_second_pass_steps") || undefined;
  const strength = Math.max(0.01, numberIn(fields, "denoising_strength") ?? 0.75);
  const hires = { ...second, strength, ...(steps && { steps }), ...(await readUpscaler(core, textIn(fields, "hr_upscaler") ?? "Latent")) };
  const whole = second.width === target.width && second.height === target.height;
  return { size, crop: whole ? undefined : target, warnings: [], options: { ...drawn, hires } };
}

/** @throws HttpError 404 for a network that is not in the folder */
async function readUpscaler(core: Core, name: string) {
  const latent = latentModes.get(name || "Latent");
  if (latent) return { upscaler: latent };
  const resizer = name === "None" ? "lanczos" : resizerLabels.get(name);
  if (resizer) return { upscaler: resizer };
  await core.upscalers.find(name, "hr_upscaler");
  return { model: name };
}
