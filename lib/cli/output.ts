import { existsSync, statSync } from "node:fs";
import path from "node:path";
import { InvalidOptionError } from "../errors.js";
import { formatOf } from "../picture/image.js";

/** Where the pictures of one run go. */
export interface Output {
  /** The file for picture `index` (from 0) of `count`. */
  file(index: number, count: number, seed: bigint): string;
}

/** "A lighthouse, in a storm!" → "a-lighthouse-in-a-storm" */
export function slug(prompt: string): string {
  const words = prompt.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
  return Array.from(words.join("-")).slice(0, 40).join("").replace(/-$/, "") || "image";
}

/**
 * `target` is a file, whose older version is replaced, or a folder. In a folder (by default the current one) the names are made of prompt and
 * seed, and no file is ever replaced.
 * @throws InvalidOptionError when the folder is missing or the ending is no image format's
 */
export function createOutput(target: string | undefined, prompt: string): Output {
  const isFolder = target === undefined || (existsSync(target) && statSync(target).isDirectory());
  const folder = isFolder ? (target ?? "") : path.dirname(target);
  if (folder && !existsSync(folder))
    throw new InvalidOptionError("output", `expected a file in an existing folder, but ${folder} does not exist`);
  if (isFolder) return { file: (_index, _count, seed) => unusedName(path.join(folder, `${slug(prompt)}-${seed}`)) };
  try {
    formatOf(target);
  } catch {
    throw new InvalidOptionError("output", `expected a folder or a name ending in .png, .jpg, .jpeg, .webp or .avif, received "${target}"`);
  }
  const { dir, name, ext } = path.parse(target);
  return { file: (index, count) => (count > 1 ? path.join(dir, `${name}-${index + 1}${ext}`) : target) };
}

function unusedName(base: string): string {
  for (let number = 1; ; number++) {
    const file = number === 1 ? `${base}.png` : `${base}-${number}.png`;
    if (!existsSync(file)) return file;
  }
}
