import type { Dirent } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import path from "node:path";
import { ModelFileError } from "../errors.js";
import { siblings } from "./shards.js";

const endings = /\.(gguf|safetensors|sft)$/i;

export async function isFolder(location: string): Promise<boolean> {
  const found = await stat(location).catch(() => undefined);
  return found?.isDirectory() === true;
}

/**
 * The checkpoints in a folder and in the folders directly in it, as repositories have them (`text_encoders/`, `vae/`); of a split one, the
 * first part.
 * @throws ModelFileError when the folder cannot be read, or holds none
 */
export async function checkpointsIn(folder: string): Promise<string[]> {
  const entries = await list(folder);
  const folders: string[] = [];
  for (const entry of entries) if (await isFolder(path.join(folder, entry.name))) folders.push(path.join(folder, entry.name));
  const files = entries.map(({ name }) => path.join(folder, name));
  for (const inner of folders) files.push(...(await list(inner)).map(({ name }) => path.join(inner, name)));
  const found = files.filter((file) => endings.test(file) && !folders.includes(file) && siblings(file)[0] === file);
  if (found.length === 0) {
    throw new ModelFileError(`${folder} holds no .gguf or .safetensors file, and neither does a folder directly in it`, { file: folder });
  }
  return found;
}

/** Sorted, so that the same folder always gives the same model. */
async function list(folder: string): Promise<Dirent[]> {
  try {
    const entries = await readdir(folder, { withFileTypes: true });
    return entries.filter(({ name }) => !name.startsWith(".")).sort((a, b) => (a.name < b.name ? -1 : 1));
  } catch (error) {
    throw new ModelFileError(`${folder} cannot be read (${(error as NodeJS.ErrnoException).code})`, { file: folder, cause: error });
  }
}
