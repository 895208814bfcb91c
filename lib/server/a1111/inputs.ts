import { InvalidOptionError } from "../../errors.js";
import { Image } from "../../picture/image.js";
import { openImage, sizeFor } from "../../picture/inputs.js";
import { pictureOf } from "../body.js";
import type { Core } from "../core.js";
import { checkPicture, type DrawOptions, type DrawRequest } from "../draw.js";
import { HttpError } from "../errors.js";
import type { ServedModel } from "../models.js";
import { fitSize, type Size } from "../size.js";
import { type Fields, flagIn, integerIn, numberIn } from "./fields.js";
import { type Area, blur, cut, extend, fillMasked, paste, type Raw, readColor, readMask, resize, toPng } from "./raw.js";

/** What an img2img request draws from, and what is made of the result. */
export interface Inputs extends Pick<DrawRequest, "crop" | "finish"> {
  options: Pick<DrawOptions, "initImage" | "mask" | "keepUnmasked" | "strength" | "width" | "height">;
  size: Size;
  warnings: string[];
}

/** A positive number of pixels, and not more than the server draws. */
export function checkSize(core: Core, { width, height }: Size): Size {
  for (const [name, side] of Object.entries({ width, height }))
    if (!(side >= 1)) throw new HttpError(422, "HTTPException", `${name}: expected 1 or more, received ${side}.`, name);
  const { maxPixels } = core.options;
  if (width * height <= maxPixels) return { width, height };
  throw new HttpError(400, "over_limit", `width: this server allows at most ${maxPixels} pixels, received ${width}x${height}.`, "width");
}

let line: Promise<unknown> = Promise.resolve();

/** Pictures are decoded one after the other, as many at once would fill the memory; what waits for its job is files alone. */
function inTurn<T>(work: () => Promise<T>): Promise<T> {
  const result = line.then(work);
  line = result.catch(() => {});
  return result;
}

/**
 * Reads init_images and mask, in the web UI's ways to bring them to the size that is drawn: `resize_mode`, `inpaint_full_res` (only the masked
 * part, drawn in the whole size and put back), `inpainting_fill`, `mask_blur`.
 * @throws HttpError, InvalidOptionError
 */
export async function readInputs(core: Core, fields: Fields, served: ServedModel): Promise<Inputs> {
  const warnings: string[] = [];
  const images = Array.isArray(fields.init_images) ? fields.init_images : [];
  if (images.length === 0) throw new HttpError(404, "HTTPException", "Init image not found", "init_images");
  if (images.length > 1) warnings.push("Only the first of init_images was used.");
  const bytes = pictureOf(images[0], "init_images");
  await checkPicture(bytes, "init_images");
  const given = { width: integerIn(fields, "width"), height: integerIn(fields, "height") };
  const limits = { defaults: served.defaults, maxSide: served.maxSide ?? 16_384 };
  const size = checkSize(core, { ...sizeFor(await openImage(bytes, "init_images"), {}, limits), ...defined(given) });
  const mode = integerIn(fields, "resize_mode") ?? 0;
  const strength = numberIn(fields, "denoising_strength") ?? 0.75;
  const { crop, ...drawn } = fitSize(size);
  const common = { size, crop, warnings };

  if (fields.mask === undefined || fields.mask === null || fields.mask === "") {
    const prepare = async () => toPng(await extend(await resize(await readColor(bytes, "init_images"), size, mode), drawn));
    return { ...common, options: { ...drawn, initImage: await inTurn(prepare), strength } };
  }
  const area = await readArea(fields);
  const fill = integerIn(fields, "inpainting_fill") ?? 0;
  if (fill > 1) warnings.push("inpainting_fill: latent noise is not there; the masked part began with the colors around it.");
  const alone = flagIn(fields, "inpaint_full_res", true);
  const padding = integerIn(fields, "inpaint_full_res_padding") ?? 0;
  /** Both in their own size, or that of the drawing; and the part of the own one that is drawn. */
  const read = async () => {
    const image = await readColor(bytes, "init_images");
    const mask = await readMaskOf(area, image);
    if (alone) return { image, mask, region: regionOf(mask, padding, size) };
    return { image: await resize(image, size, mode), mask: await resize(mask, size, mode) };
  };

  const prepare = async () => {
    const { image, mask, region } = await read();
    const [shown, painted] = region
      ? [await resize(await cut(image, region), size, 0), await resize(await cut(mask, region), size, 0)]
      : [image, mask];
    const begin = fill === 1 ? shown : await fillMasked(shown, painted);
    return { initImage: await toPng(await extend(begin, drawn)), mask: await toPng(await extend(painted, drawn)) };
  };
  const finish = (result: Image) =>
    inTurn(async () => {
      const { image, mask, region } = await read();
      const soft = await blur(mask, area.sigma);
      const { data, width, height } = region
        ? await paste(await resize(result, region, 0), await cut(soft, region), image, region)
        : await paste(result, soft, image, { left: 0, top: 0 });
      return new Image(data, width, height, 3, result.parameters);
    });
  return { ...common, finish, options: { ...drawn, ...(await inTurn(prepare)), strength, keepUnmasked: false } };
}

const defined = (size: Partial<Size>) => Object.fromEntries(Object.entries(size).filter(([, side]) => side !== undefined && side !== 0));

interface MaskArea {
  bytes: Buffer;
  invert: boolean;
  /** Pixels by which its edge is blurred. */
  sigma: number;
}

async function readArea(fields: Fields): Promise<MaskArea> {
  const bytes = pictureOf(fields.mask, "mask");
  await checkPicture(bytes, "mask");
  const both = numberIn(fields, "mask_blur");
  const sigma = both ?? Math.max(numberIn(fields, "mask_blur_x") ?? 4, numberIn(fields, "mask_blur_y") ?? 4);
  return { bytes, invert: flagIn(fields, "inpainting_mask_invert"), sigma };
}

/** In the picture's size, 255 where it is to be painted. */
async function readMaskOf({ bytes, invert }: MaskArea, image: Raw): Promise<Raw> {
  const read = await readMask(bytes, "mask");
  const same = read.width === image.width && read.height === image.height ? read : await resize(read, image, 0);
  const mask = invert
    ? new Image(
        same.data.map((value) => 255 - value),
        same.width,
        same.height,
        1,
      )
    : same;
  if (mask.data.includes(255)) return mask;
  throw new InvalidOptionError("mask", "expected white parts, which are to be painted, but there are none");
}

/** Around the white part, with some pixels more, in the proportions of the size that is drawn as far as the picture goes. */
function regionOf(mask: Raw, padding: number, { width, height }: Size): Area {
  const rows = Array.from({ length: mask.height }, (_, y) =>
    Buffer.from(mask.data.buffer, mask.data.byteOffset + y * mask.width, mask.width),
  );
  const firsts = rows.map((row) => row.indexOf(255));
  const top = firsts.findIndex((x) => x >= 0);
  const bottom = firsts.findLastIndex((x) => x >= 0);
  const left = firsts.reduce((least, x) => (x >= 0 && x < least ? x : least), mask.width);
  const right = rows.reduce((most, row) => Math.max(most, row.lastIndexOf(255)), 0);
  const pad = Math.max(0, padding);
  const x = { start: Math.max(0, left - pad), end: Math.min(mask.width, right + 1 + pad) };
  const y = { start: Math.max(0, top - pad), end: Math.min(mask.height, bottom + 1 + pad) };
  const ratio = width / height;
  const [w, h] = [x.end - x.start, y.end - y.start];
  if (w / h > ratio) widen(y, Math.round(w / ratio), mask.height);
  else widen(x, Math.round(h * ratio), mask.width);
  return { left: x.start, top: y.start, width: x.end - x.start, height: y.end - y.start };
}

/** To this length, to both sides, within 0 to `most`. */
function widen(range: { start: number; end: number }, length: number, most: number): void {
  const more = Math.max(0, length - (range.end - range.start));
  range.start = Math.max(0, Math.min(range.start - Math.floor(more / 2), most - length));
  range.end = Math.min(most, Math.max(range.end, range.start + length));
}
