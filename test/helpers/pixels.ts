import { createHash } from "node:crypto";

/** What an `Image` and a raw image have in common. */
export interface Pixels {
  data: Uint8Array;
  width: number;
  height: number;
  channels: number;
}

export type Rgb = [red: number, green: number, blue: number];

/** The colors the demo model was trained on. */
export const demoColors = {
  red: [220, 30, 35],
  orange: [255, 140, 0],
  yellow: [250, 220, 30],
  green: [30, 150, 60],
  teal: [30, 190, 190],
  blue: [35, 70, 220],
  purple: [130, 40, 170],
  pink: [255, 150, 200],
  white: [250, 250, 250],
  black: [15, 15, 18],
  gray: [130, 130, 135],
} satisfies Record<string, Rgb>;

export type DemoColor = keyof typeof demoColors;

/** A rectangle in parts of the picture: 0 to 1. */
export interface Region {
  left: number;
  top: number;
  right: number;
  bottom: number;
}

/** The middle, where the demo model draws its shape, and a strip at the upper edge, which is background. */
export const center: Region = { left: 0.44, top: 0.44, right: 0.56, bottom: 0.56 };
export const edge: Region = { left: 0, top: 0, right: 1, bottom: 0.05 };

export function meanColor({ data, width, height, channels }: Pixels, region: Region = { left: 0, top: 0, right: 1, bottom: 1 }): Rgb {
  const sum: Rgb = [0, 0, 0];
  let count = 0;
  for (let y = Math.floor(region.top * height); y < Math.ceil(region.bottom * height); y++) {
    for (let x = Math.floor(region.left * width); x < Math.ceil(region.right * width); x++) {
      const at = (y * width + x) * channels;
      const value = (channel: number) => data[at + Math.min(channel, channels - 1)] ?? 0; // one channel counts as gray
      sum[0] += value(0);
      sum[1] += value(1);
      sum[2] += value(2);
      count++;
    }
  }
  return [sum[0] / count, sum[1] / count, sum[2] / count];
}

/** The demo color next to the mean of a region. */
export function nearestColor(picture: Pixels, region: Region): DemoColor {
  const [red, green, blue] = meanColor(picture, region);
  const distance = (name: DemoColor) => Math.hypot(demoColors[name][0] - red, demoColors[name][1] - green, demoColors[name][2] - blue);
  const names = Object.keys(demoColors) as DemoColor[];
  return names.reduce((best, name) => (distance(name) < distance(best) ? name : best));
}

/** SHA-256 of the pixels: equal pictures, equal hash. */
export function pictureHash({ data }: Pixels): string {
  return createHash("sha256").update(data).digest("hex");
}

/** 0 for equal pictures, 255 for black and white. */
export function meanDifference(a: Pixels, b: Pixels): number {
  if (a.data.length !== b.data.length) throw new RangeError("pictures of different sizes");
  let sum = 0;
  for (const [i, value] of a.data.entries()) sum += Math.abs(value - (b.data[i] ?? 0));
  return sum / a.data.length;
}

/** Standard deviation of all values: near 0 for a picture of one color, such as a black one. */
export function contrast({ data }: Pixels): number {
  const mean = data.reduce((sum, value) => sum + value, 0) / data.length;
  return Math.sqrt(data.reduce((sum, value) => sum + (value - mean) ** 2, 0) / data.length);
}
