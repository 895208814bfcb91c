import type { Sharp } from "sharp";
import { InvalidOptionError } from "../../errors.js";
import { Image } from "../../picture/image.js";
import { openImage } from "../../picture/inputs.js";
import { sharp } from "../../picture/sharp.js";
import { middle, type Size } from "../size.js";

/** A part of a picture. */
export interface Area extends Size {
  left: number;
  top: number;
}

/** Pixels in memory: RGB, or one channel for a mask. */
export type Raw = Image;

export async function rawOf(pipeline: Sharp): Promise<Raw> {
  const { data, info } = await pipeline.raw({ depth: "uchar" }).toBuffer({ resolveWithObject: true });
  return new Image(data, info.width, info.height, info.channels as 1 | 3 | 4);
}

/** The picture upright over white, as RGB. */
export async function readColor(bytes: Uint8Array, param: string): Promise<Raw> {
  const source = await openImage(bytes, param);
  const pipeline = source.open().flatten({ background: "#fff" }).toColourspace("srgb");
  return rawOf(pipeline).catch(() => {
    throw new InvalidOptionError(param, "expected an image that can be read to its end");
  });
}

/** 255 where it is opaque, if it has transparent parts, else where it is white; 0 elsewhere. As the web UI reads masks. */
export async function readMask(bytes: Uint8Array, param: string): Promise<Raw> {
  const source = await openImage(bytes, param);
  const upright = () => source.open().toColourspace("srgb");
  const read = async () => {
    const alpha = source.hasAlpha ? await rawOf(upright().extractChannel("alpha")) : undefined;
    const shown = alpha?.data.some((value) => value < 255) ? alpha : await rawOf(upright().removeAlpha().greyscale().extractChannel(0));
    return rawOf(shown.toSharp().threshold(129).extractChannel(0));
  };
  return read().catch(() => {
    throw new InvalidOptionError(param, "expected an image that can be read to its end");
  });
}

/** In the web UI's ways: 0 stretches, 1 fills the size and cuts, 2 fits inside and goes on with the edge's colors, 3 is 0 (of latents there). */
export async function resize(image: Raw, size: Size, mode: number): Promise<Raw> {
  const { width, height } = size;
  const one = (pipeline: Sharp) => (image.channels === 1 ? pipeline.extractChannel(0) : pipeline);
  if (mode !== 2) return rawOf(one(image.toSharp().resize({ width, height, fit: mode === 1 ? "cover" : "fill" })));
  const inside = await rawOf(one(image.toSharp().resize({ width, height, fit: "inside" })));
  return extend(inside, size);
}

/** Larger, with the picture in the middle and its edge's colors around. */
export async function extend(image: Raw, size: Size): Promise<Raw> {
  const { left, top } = middle(size, image);
  const [right, bottom] = [size.width - image.width - left, size.height - image.height - top];
  if (left + top + right + bottom === 0) return image;
  const pipeline = image.toSharp().extend({ left, top, right, bottom, extendWith: "copy" });
  return rawOf(image.channels === 1 ? pipeline.extractChannel(0) : pipeline);
}

export async function cut(image: Raw, { left, top, width, height }: Area): Promise<Raw> {
  const pipeline = image.toSharp().extract({ left, top, width, height });
  return rawOf(image.channels === 1 ? pipeline.extractChannel(0) : pipeline);
}

export async function blur(mask: Raw, sigma: number): Promise<Raw> {
  return sigma < 0.3 ? mask : rawOf(mask.toSharp().blur(Math.min(sigma, 500)).extractChannel(0));
}

export function toPng(image: Raw): Promise<Buffer> {
  return image.encode("png", { compressionLevel: 1 });
}

/** The part with the mask as its transparency, laid over the picture. Where the mask is 0 no byte changes. */
export async function paste(part: Raw, mask: Raw, onto: Raw, { left, top }: { left: number; top: number }): Promise<Raw> {
  const { width, height } = part;
  const rgba = await part
    .toSharp()
    .joinChannel(Buffer.from(mask.data), { raw: { width, height, channels: 1 } })
    .raw()
    .toBuffer();
  const over = { input: rgba, raw: { width, height, channels: 4 as const }, left, top };
  return rawOf(onto.toSharp().composite([over]).removeAlpha());
}

/** Several blurs of what is around the masked part, the widest below, put into it: what the web UI calls "fill". */
export async function fillMasked(image: Raw, mask: Raw): Promise<Raw> {
  const { width, height } = image;
  const kept = Buffer.from(mask.data.map((value) => 255 - value));
  const joined = await image
    .toSharp()
    .joinChannel(kept, { raw: { width, height, channels: 1 } })
    .raw()
    .toBuffer();
  const layers: { input: Buffer; raw: { width: number; height: number; channels: 4 } }[] = [];
  for (const [radius, times] of [
    [256, 1],
    [64, 1],
    [16, 2],
    [4, 4],
    [2, 2],
  ] as const) {
    const factor = Math.max(1, radius / 4); // a wide blur of a small picture looks the same
    const small = { width: Math.max(1, Math.round(width / factor)), height: Math.max(1, Math.round(height / factor)) };
    const raw = (size: Size) => ({ raw: { ...size, channels: 4 as const } });
    const shrunk = await sharp(joined, raw({ width, height }))
      .resize({ ...small, fit: "fill" })
      .raw()
      .toBuffer();
    const blurred = await sharp(shrunk, raw(small))
      .blur(radius / factor)
      .raw()
      .toBuffer();
    const input = await sharp(blurred, raw(small)).resize({ width, height, fit: "fill", kernel: "linear" }).raw().toBuffer();
    for (let time = 0; time < times; time++) layers.push({ input, ...raw({ width, height }) });
  }
  const gray = new Image(Buffer.alloc(width * height * 3, 128), width, height, 3);
  const around = await rawOf(gray.toSharp().composite(layers).removeAlpha());
  return paste(around, mask, image, { left: 0, top: 0 });
}
