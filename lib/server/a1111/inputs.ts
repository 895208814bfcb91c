import { InvalidOptionError } from "../../errors.js";
import { Image } from "../../picture/image.js";
import { sizeFor } from "../../picture/inputs.js";
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
  const image = await readColor(bytes, "init_images");
  const given = { width: integerIn(fields, "width"), height: integerIn(fields, "height") };
  const size = checkSize(core, {
    ...sizeFor(image, {}, { defaults: served.defaults, maxSide: served.maxSide ?? 16_384 }),
    ...defined(given),
  });
  const mode = integerIn(fields, "resize_mode") ?? 0;
  const strength = numberIn(fields, "denoising_strength") ?? 0.75;
  const { crop, ...drawn } = fitSize(size);
  const common = { size, crop, warnings };

  if (fields.mask === undefined || fields.mask === null || fields.mask === "") {
    const initImage = await toPng(await extend(await resize(image, size, mode), drawn));
    return { ...common, options: { ...drawn, initImage, strength } };
  }
  const { mask, sigma } = await readArea(fields, image);
  const fill = integerIn(fields, "inpainting_fill") ?? 0;
  if (fill > 1) warnings.push("inpainting_fill: latent noise is not there; the masked part began with the colors around it.");
  const region = flagIn(fields, "inpaint_full_res", true)
    ? regionOf(mask, integerIn(fields, "inpaint_full_res_padding") ?? 0, size)
    : undefined;
  const [base, area] = region
    ? await Promise.all([cut(image, region), cut(mask, region)])
    : await Promise.all([resize(image, size, mode), resize(mask, size, mode)]);
  const [shown, painted] = region ? await Promise.all([resize(base, size, 0), resize(area, size, 0)]) : [base, area];
  const begin = fill === 1 ? shown : await fillMasked(shown, painted);
  const [initImage, latentMask] = await Promise.all([extend(begin, drawn).then(toPng), extend(painted, drawn).then(toPng)]);

  const finish = async (result: Image): Promise<Image> => {
    const { data, width, height } = region
      ? await paste(await resize(result, region, 0), await cut(await blur(mask, sigma), region), image, region)
      : await paste(result, await blur(area, sigma), base, { left: 0, top: 0 });
    return new Image(data, width, height, 3, result.parameters);
  };
  return { ...common, finish, options: { ...drawn, initImage, strength, mask: latentMask, keepUnmasked: false } };
}

const defined = (size: Partial<Size>) => Object.fromEntries(Object.entries(size).filter(([, side]) => side !== undefined && side !== 0));

/** The mask in the picture's size, 255 where it is to be painted, and by how much its edge is blurred. */
async function readArea(fields: Fields, image: Raw): Promise<{ mask: Raw; sigma: number }> {
  const bytes = pictureOf(fields.mask, "mask");
  await checkPicture(bytes, "mask");
  const read = await readMask(bytes, "mask");
  const fits = read.width === image.width && read.height === image.height;
  const same = fits ? read : await resize(read, image, 0);
  const invert = flagIn(fields, "inpainting_mask_invert");
  const mask = invert
    ? new Image(
        same.data.map((value) => 255 - value),
        same.width,
        same.height,
        1,
      )
    : same;
  if (!mask.data.includes(255)) throw new InvalidOptionError("mask", "expected white parts, which are to be painted, but there are none");
  const both = numberIn(fields, "mask_blur");
  const sigma = both ?? Math.max(numberIn(fields, "mask_blur_x") ?? 4, numberIn(fields, "mask_blur_y") ?? 4);
  return { mask, sigma };
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
