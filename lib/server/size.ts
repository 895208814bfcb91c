import { Image } from "../picture/image.js";
import type { Image as PublicImage } from "../types/index.js";

export interface Size {
  width: number;
  height: number;
}

const unit = 16;

/**
 * What is drawn for a picture of any size: sides are multiples of 16, of which the middle is kept.
 * @returns `crop` where the drawn size is another one than what was asked for
 */
export function fitSize(width: number, height: number): { drawn: Size; crop?: Size } {
  const up = (side: number) => Math.max(unit, Math.ceil(side / unit) * unit);
  const drawn = { width: up(width), height: up(height) };
  return drawn.width === width && drawn.height === height ? { drawn } : { drawn, crop: { width, height } };
}

/** The size of this ratio (width by height) with about as many pixels: sides are multiples of 16, none longer than `maxSide`. */
export function sizeOfRatio(ratio: number, pixels: number, maxSide = Infinity): Size {
  const fitting = Math.min(1, maxSide / Math.sqrt(pixels * Math.max(ratio, 1 / ratio)));
  const side = (length: number) => Math.max(unit, Math.round((length * fitting) / unit) * unit);
  return { width: side(Math.sqrt(pixels * ratio)), height: side(Math.sqrt(pixels / ratio)) };
}

/** "1366x768" → its sides; undefined for anything else. */
export function parseSize(text: unknown): Size | undefined {
  const [, width, height] = (typeof text === "string" && /^(\d{1,5})x(\d{1,5})$/i.exec(text.trim())) || [];
  return width && height && Number(width) > 0 && Number(height) > 0 ? { width: Number(width), height: Number(height) } : undefined;
}

/** The middle of a picture; its parameters stay, and tell the size that was drawn. */
export async function cropped(image: PublicImage, { width, height }: Size): Promise<Image> {
  const area = { left: Math.floor((image.width - width) / 2), top: Math.floor((image.height - height) / 2), width, height };
  return new Image(await image.toSharp().extract(area).raw().toBuffer(), width, height, image.channels, image.parameters);
}
