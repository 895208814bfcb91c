import { readFile, stat } from "node:fs/promises";

const maxBytes = 2 ** 30;

/** The bytes of an image file. Devices, pipes and the like are refused: they may have no end, or never begin. */
export async function readImageFile(file: string): Promise<Buffer> {
  const found = await stat(file);
  if (!found.isFile()) throw new Error(`${file} is not a regular file`);
  if (found.size > maxBytes) throw new Error(`${file} has ${found.size} bytes, more than 1 GiB`);
  return readFile(file);
}
