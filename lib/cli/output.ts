import { randomBytes } from "node:crypto";
import { existsSync, rmSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { InvalidOptionError, shortened } from "../errors.js";
import { formatOf } from "../picture/image.js";
import { slug } from "../picture/slug.js";

/** Where the pictures of one run go. */
export interface Output {
  /** The file for picture `index` (from 0). */
  file(index: number, seed: bigint): string;
}

/**
 * `target` is a file, whose older version is replaced, or a folder. In a folder (by default the current one) the names are made of prompt and
 * seed, and no file is ever replaced. All this is looked at here, before there is anything to lose.
 * @param keep never replace a file
 * @throws InvalidOptionError when the folder is missing or cannot be written, the ending is no image format's, or a file is to be kept
 */
export function createOutput(target: string | undefined, prompt: string, { count = 1, keep = false } = {}): Output {
  const isFolder = target === undefined || (existsSync(target) && statSync(target).isDirectory());
  const folder = isFolder ? (target ?? "") : path.dirname(target);
  if (folder && !existsSync(folder))
    throw new InvalidOptionError("output", `expected a file in an existing folder, but ${folder} does not exist`);
  tryToWrite(folder || ".");
  if (isFolder) return { file: (_index, seed) => unusedName(path.join(folder, `${slug(prompt)}-${seed}`)) };
  try {
    formatOf(target);
  } catch {
    throw new InvalidOptionError("output", `expected a folder or a name ending in .png, .jpg, .jpeg, .webp or .avif, received "${target}"`);
  }
  const { dir, name, ext } = path.parse(target);
  const file = (index: number) => (count > 1 ? path.join(dir, `${name}-${index + 1}${ext}`) : target);
  const taken = keep && Array.from({ length: count }, (_, index) => file(index)).find((name) => existsSync(name));
  if (taken) throw new InvalidOptionError("output", `${taken} exists, and --no-clobber keeps it`);
  return { file };
}

/** Permissions alone do not tell: the file system may be read-only or full. */
function tryToWrite(folder: string): void {
  const probe = path.join(folder, `.${randomBytes(8).toString("hex")}.tmp`);
  try {
    writeFileSync(probe, "", { flag: "wx" });
    rmSync(probe);
  } catch (error) {
    throw new InvalidOptionError(
      "output",
      `${path.resolve(folder)} cannot be written: ${shortened((error as Error).message.replace(/, open .*$/, ""))}`,
    );
  }
}

function unusedName(base: string): string {
  for (let number = 1; ; number++) {
    const file = number === 1 ? `${base}.png` : `${base}-${number}.png`;
    if (!existsSync(file)) return file;
  }
}
