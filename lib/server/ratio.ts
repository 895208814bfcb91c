import type { Size } from "./size.js";

const block = 16;

/** The size of this ratio (width by height) with about as many pixels: sides are multiples of 16, none longer than `maxSide`. */
export function sizeOfRatio(ratio: number, pixels: number, maxSide = Infinity): Size {
  const fitting = Math.min(1, maxSide / Math.sqrt(pixels * Math.max(ratio, 1 / ratio)));
  const side = (length: number) => Math.max(block, Math.round((length * fitting) / block) * block);
  return { width: side(Math.sqrt(pixels * ratio)), height: side(Math.sqrt(pixels / ratio)) };
}

/** "1366x768" → its sides; undefined for anything else. */
export function parseSize(text: unknown): Size | undefined {
  const [, width, height] = (typeof text === "string" && /^(\d{1,5})x(\d{1,5})$/i.exec(text.trim())) || [];
  return Number(width) > 0 && Number(height) > 0 ? { width: Number(width), height: Number(height) } : undefined;
}
