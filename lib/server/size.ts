export interface Size {
  width: number;
  height: number;
}

/** Models draw multiples of this many pixels. */
const block = 16;

/** The smallest size that can be drawn and holds the one that is asked for; `crop` is the latter, where they differ. */
export function fitSize({ width, height }: Size): Size & { crop?: Size } {
  const up = (side: number) => Math.max(block, Math.ceil(side / block) * block);
  const drawn = { width: up(width), height: up(height) };
  return drawn.width === width && drawn.height === height ? drawn : { ...drawn, crop: { width, height } };
}

/** Where the middle of a picture begins. */
export function middle(drawn: Size, { width, height }: Size): Size & { left: number; top: number } {
  return { left: Math.floor((drawn.width - width) / 2), top: Math.floor((drawn.height - height) / 2), width, height };
}
