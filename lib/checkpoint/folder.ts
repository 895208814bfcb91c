import type { Dirent } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import path from "node:path";
import { ModelFileError } from "../errors.js";
import { chooseWeights, isVariant, readPipeline } from "./pipeline.js";
import { siblings } from "./shards.js";

const endings = /\.(gguf|safetensors|sft)$/i;

export async function isFolder(location: string): Promise<boolean> {
  const found = await stat(location).catch(() => undefined);
  return found?.isDirectory() === true;
}

export interface FoundCheckpoints {
  files: string[];
  /** Of a diffusers folder. */
  title?: string;
  /** Of its scheduler. */
  flowShift?: number;
}

/**
 * The checkpoints in a folder: those that a diffusers pipeline names; else all, also of the folders directly in it, as repositories have them
 * (`text_encoders/`, `vae/`). Of a split one it is the first part, of diffusers' variants of the same weights (`.fp16`) the plain ones.
 * @throws ModelFileError when the folder cannot be read, or holds none
 * @throws UnsupportedModelError for the diffusers pipeline of another model
 */
export async function checkpointsIn(folder: string): Promise<FoundCheckpoints> {
  const entries = await list(folder);
  const pipeline = await readPipeline(folder);
  if (pipeline) return pipeline;
  const folders: string[] = [];
  for (const entry of entries) if (await isFolder(path.join(folder, entry.name))) folders.push(path.join(folder, entry.name));
  const files = candidates(folder, entries);
  for (const inner of folders) files.push(...candidates(inner, await list(inner)));
  const found = files.filter((file) => !folders.includes(file));
  if (found.length === 0) {
    throw new ModelFileError(`${folder} holds no .gguf or .safetensors file, and neither does a folder directly in it`, { file: folder });
  }
  return { files: found };
}

function candidates(folder: string, entries: readonly Dirent[]): string[] {
  const names = entries.map(({ name }) => name);
  const chosen = chooseWeights(names);
  const wanted = (name: string) => name === chosen || (endings.test(name) && siblings(name)[0] === name && !isVariant(name, names));
  return names.filter(wanted).map((name) => path.join(folder, name));
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
