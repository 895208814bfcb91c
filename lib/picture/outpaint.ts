import type { NativeImage } from "../engine/binding.js";
import { InvalidOptionError } from "../errors.js";
import type { Outpaint } from "../types/index.js";

/** A picture that gets margins to be painted: how large, and with what they are filled before. */

/** Most that the filling differs from the edge's pixel: enough that no stripes are left for the model to go on with. */
const grain = 48;

/**
 * The margins that bring the picture to sides of multiples of 16: what is missing is added where there is a margin already, at the right and the
 * bottom first.
 * @throws InvalidOptionError when a side without margins is no such multiple, or a side gets longer than `maxSide`
 */
export function fullMargins({ width, height }: { width: number; height: number }, outpaint: Outpaint, maxSide: number): Required<Outpaint> {
  const margins = { left: 0, top: 0, right: 0, bottom: 0, ...outpaint };
  const complete = (name: "width" | "height", length: number, first: "left" | "top", last: "right" | "bottom") => {
    const all = margins[first] + length + margins[last];
    const missing = (16 - (all % 16)) % 16;
    if (missing && !margins[first] && !margins[last]) {
      const detail = `expected ${last} or ${first} too, as the picture's ${name} of ${length} is no multiple of 16: ${last}: ${missing} would do`;
      throw new InvalidOptionError(`outpaint.${last}`, detail);
    }
    if (missing) margins[margins[last] ? last : first] += missing;
    if (all + missing > maxSide) {
      const side = margins[last] ? last : first;
      throw new InvalidOptionError(
        `outpaint.${side}`,
        `expected a ${name} of at most ${maxSide} with the picture's ${length}, received ${all + missing}`,
      );
    }
  };
  complete("width", width, "left", "right");
  complete("height", height, "top", "bottom");
  return margins;
}

/** Numbers from −1 to 1, the same for the same seed, most of them small (mulberry32). */
function grains(seed: bigint): () => number {
  let state = Number(BigInt.asUintN(32, seed));
  const next = () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  return () => next() - next();
}

/** The picture (RGB) with its margins, which go on with its edge's pixels and noise; and the mask, white in the margins. */
export function extended(picture: NativeImage, margins: Required<Outpaint>, seed: bigint): { initImage: NativeImage; mask: NativeImage } {
  const { left, top, right, bottom } = margins;
  const size = { width: left + picture.width + right, height: top + picture.height + bottom };
  const color = new Uint8Array(size.width * size.height * 3);
  const mask = new Uint8Array(size.width * size.height);
  const random = grains(seed);
  const inside = (at: number, length: number) => Math.min(length - 1, Math.max(0, at));
  for (let y = 0, pixel = 0; y < size.height; y++) {
    const row = inside(y - top, picture.height);
    for (let x = 0; x < size.width; x++, pixel++) {
      const column = inside(x - left, picture.width);
      const margin = column !== x - left || row !== y - top;
      if (margin) mask[pixel] = 255;
      for (let channel = 0; channel < 3; channel++) {
        const value = picture.data[(row * picture.width + column) * 3 + channel] ?? 0;
        color[pixel * 3 + channel] = margin ? inside(Math.round(value + grain * random()), 256) : value;
      }
    }
  }
  return { initImage: { data: color, ...size, channels: 3 }, mask: { data: mask, ...size, channels: 1 } };
}
