import sharp from "sharp";
import { InvalidOptionError } from "./errors.js";
import { Image } from "./image.js";
import type { ImageInput, RawImage } from "./types.js";

/** Pixels in sRGB, with the color and the transparency apart. */
export interface Picture {
  width: number;
  height: number;
  /** Three bytes a pixel. */
  rgb: Buffer;
  /** One byte a pixel; absent when the picture is opaque. */
  alpha?: Buffer;
}

/**
 * Reads a picture, upright as its EXIF orientation says.
 * @param path of the option, for the message
 * @throws InvalidOptionError when it is none
 */
export async function readPicture(input: ImageInput, path: string): Promise<Picture> {
  const opened = open(input, path);
  try {
    const upright = opened.autoOrient().toColorspace("srgb");
    const { data: rgb, info } = await upright.clone().removeAlpha().raw().toBuffer({ resolveWithObject: true });
    const { width, height, channels } = info;
    if (channels !== 3) throw new InvalidOptionError(path, `expected a color picture, received one of ${channels} channels`);
    const { isOpaque } = await upright.clone().stats();
    return isOpaque ? { width, height, rgb } : { width, height, rgb, alpha: await alphaOf(upright) };
  } catch (error) {
    if (error instanceof InvalidOptionError) throw error;
    const text = typeof input === "string" ? ` ${JSON.stringify(input)}` : "";
    throw new InvalidOptionError(path, `cannot read the picture${text}: ${(error as Error).message}`);
  }
}

function alphaOf(picture: sharp.Sharp): Promise<Buffer> {
  return picture.clone().ensureAlpha().extractChannel("alpha").raw().toBuffer();
}

function open(input: ImageInput, path: string): sharp.Sharp {
  if (typeof input === "string" || input instanceof Uint8Array) return sharp(input);
  if (input instanceof Image) return input.toSharp();
  if (isRaw(input)) {
    const { data, width, height, channels } = input;
    const bytes = width * height * channels;
    if (![width, height].every((side) => Number.isInteger(side) && side > 0) || ![1, 2, 3, 4].includes(channels) || data.length !== bytes) {
      throw new InvalidOptionError(path, `expected width x height x channels (1 to 4) bytes, received ${data.length}`);
    }
    return sharp(data, { raw: { width, height, channels } });
  }
  if (typeof (input as sharp.Sharp | null)?.toBuffer === "function" && typeof input.clone === "function") return input.clone();
  throw new InvalidOptionError(path, "expected a path, the bytes of an image file, an Image, raw pixels or a sharp pipeline");
}

function isRaw(input: unknown): input is RawImage {
  const data = (input as RawImage | null)?.data;
  return data instanceof Uint8Array || data instanceof Uint8ClampedArray;
}
