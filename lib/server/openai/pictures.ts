import { SdcppError } from "../../errors.js";
import { openImage } from "../../picture/inputs.js";
import { sharp } from "../../picture/sharp.js";
import { pictureOf } from "../body.js";
import { HttpError } from "../errors.js";
import { fitSize, middle, type Size } from "../size.js";
import { type Fields, invalid } from "./fields.js";

const mostPictures = 16;
const mostPixels = 64 * 2 ** 20;
/** Alpha below this is redrawn. */
const opaque = 128;

export interface Given {
  image: Buffer;
  mask?: Buffer;
  /** How many were sent; all but the first are left out. */
  count: number;
}

/**
 * The pictures of an edit or a variation: files of a form (`image`, `image[]`, `mask`), or in JSON base64 and data URLs
 * (`image`, or `images` of `{ image_url }`).
 * @throws HttpError 400
 */
export function readGiven(fields: Fields): Given {
  const found = fields.get("image") ?? fields.get("images");
  const list = Array.isArray(found) ? found : found === undefined ? [] : [found];
  if (list.length === 0) throw invalid("image", "Missing required parameter: 'image'.", "missing_required_parameter");
  if (list.length > mostPictures) throw invalid("image", `Invalid 'image': at most ${mostPictures}, received ${list.length}.`);
  if (fields.get("markup") !== undefined) throw invalid("markup", "This server draws no markup over pictures; use 'mask'.");
  const mask = fields.get("mask");
  return {
    image: bytesOf(list[0], "image"),
    ...(mask === undefined ? {} : { mask: bytesOf(mask, "mask") }),
    count: list.length,
  };
}

function bytesOf(value: unknown, param: string): Buffer {
  if (typeof value !== "object" || value === null || Buffer.isBuffer(value)) return pictureOf(value, param);
  const { image_url: url, file_id: id } = value as { image_url?: unknown; file_id?: unknown };
  if (id !== undefined) throw invalid(param, `${param}: this server keeps no files; send the picture itself.`);
  const inner = typeof url === "object" && url !== null ? (url as { url?: unknown }).url : url;
  return pictureOf(inner, param);
}

export interface Prepared {
  /** RGB PNG in the size that is drawn. */
  initImage: Buffer;
  /** White where it is redrawn. */
  mask?: Buffer;
  drawn: Size;
  /** The part that is asked for. */
  crop?: Size;
}

/**
 * Brings a picture to the size that is drawn, so that a size which cannot be drawn as it is gets its border from the picture's edges, and pixels
 * that are kept stay as they are.
 * @param size what is asked for; default: the picture's own, with no more pixels than `usual` has
 * @param transparent whether the picture's own transparency says what is redrawn, when there is no mask
 * @throws HttpError 400, InvalidOptionError for what is no picture
 */
export async function prepare(given: Given, target: Target): Promise<Prepared> {
  try {
    return await place(given, target);
  } catch (error) {
    if (error instanceof HttpError || error instanceof SdcppError) throw error;
    throw invalid("image", "Invalid 'image' or 'mask': expected pictures that can be read to their end.", "invalid_image");
  }
}

interface Target {
  size?: Size;
  usual: Size;
  transparent: boolean;
}

async function place({ image, mask }: Given, { size, usual, transparent }: Target): Promise<Prepared> {
  const source = await openImage(image, "image");
  if (source.width * source.height > mostPixels)
    throw invalid("image", `Invalid 'image': at most ${mostPixels} pixels, received ${source.width}x${source.height}.`);
  const asked = size ?? ownSize(source, usual);
  const { crop, ...drawn } = fitSize(asked);
  const { left, top } = middle(drawn, asked);
  const border = { left, top, right: drawn.width - asked.width - left, bottom: drawn.height - asked.height - top };
  const put = async (pixels: ReturnType<typeof sharp>) => {
    const scaled = await pixels.resize(asked.width, asked.height, { fit: "cover" }).png().toBuffer();
    return sharp(scaled)
      .extend({ ...border, extendWith: "copy" })
      .png()
      .toBuffer();
  };
  const readColor = () => source.open().flatten({ background: "white" }).toColourspace("srgb");
  const area = mask ? await readMask(mask, source) : transparent && source.hasAlpha ? await redrawn(image) : undefined;
  return {
    initImage: await put(readColor()),
    ...(area && { mask: await put(sharp(area)) }),
    drawn,
    crop,
  };
}

function ownSize({ width, height }: Size, usual: Size): Size {
  const scale = Math.min(1, Math.sqrt((usual.width * usual.height) / (width * height)));
  return { width: Math.max(1, Math.round(width * scale)), height: Math.max(1, Math.round(height * scale)) };
}

async function readMask(mask: Buffer, image: Size): Promise<Buffer> {
  const { width, height, hasAlpha } = await openImage(mask, "mask");
  if (!hasAlpha)
    throw invalid("mask", "Invalid 'mask': it has no alpha channel; what is to be redrawn has to be transparent.", "invalid_image");
  if (width !== image.width || height !== image.height)
    throw invalid("mask", `Invalid 'mask': expected the size of 'image', ${image.width}x${image.height}, received ${width}x${height}.`);
  const area = await redrawn(mask);
  if (!area) throw invalid("mask", "Invalid 'mask': nothing in it is transparent, so nothing would be redrawn.");
  return area;
}

/** White where the picture is transparent, as a PNG; undefined when that is nowhere. */
async function redrawn(picture: Buffer): Promise<Buffer | undefined> {
  const { open } = await openImage(picture, "mask");
  const area = open().toColourspace("srgb").extractChannel("alpha").toColourspace("b-w").threshold(opaque).negate();
  const { data, info } = await area.raw().toBuffer({ resolveWithObject: true });
  if (!data.includes(255)) return undefined;
  return sharp(data, { raw: { width: info.width, height: info.height, channels: info.channels } })
    .png()
    .toBuffer();
}
