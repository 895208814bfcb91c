import { publishedParts } from "../catalog/catalog.js";
import { formatBytes } from "../errors.js";
import type { PartName } from "../types/index.js";

/** Where a part that is missing can be had. */
export interface Remedy {
  part: PartName;
  /** The file's path in the repository. */
  file: string;
  repository: string;
  /** About, for some. */
  bytes: number;
}

/** Files that work, from repositories without a gate: those that `pull` takes, and TAESD3, which it does not. */
export const remedies: Record<Exclude<PartName, "diffusion">, Remedy> = {
  clipL: published("clipL", "clip_l"),
  clipG: published("clipG", "clip_g"),
  t5xxl: published("t5xxl", "t5xxl-q4_k"),
  vae: published("vae", "vae"),
  taesd: { part: "taesd", file: "diffusion_pytorch_model.safetensors", repository: "madebyollin/taesd3", bytes: 9_800_000 },
};

function published(part: PartName, name: string): Remedy {
  const file = publishedParts[name];
  if (!file) throw new Error(`the catalog has no part ${name}`);
  return { part, file: file.path, repository: file.repo, bytes: file.bytes ?? file.about ?? 0 };
}

/** "clip_l.safetensors (246.1 MB) of Comfy-Org/stable-diffusion-3.5-fp8 as clipL" */
export function advice({ part, file, repository, bytes }: Remedy): string {
  return `${file} (${formatBytes(bytes)}) of ${repository} as ${part}`;
}
