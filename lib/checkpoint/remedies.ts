import type { PartName } from "../types.js";

/** Where a part that is missing can be had. */
export interface Remedy {
  part: PartName;
  /** The file's name, and its place in the repository. */
  file: string;
  repository: string;
  bytes: number;
}

/** Files that work, from repositories without a gate. */
export const remedies: Record<Exclude<PartName, "diffusion">, Remedy> = {
  clipL: {
    part: "clipL",
    file: "text_encoders/clip_l.safetensors",
    repository: "Comfy-Org/stable-diffusion-3.5-fp8",
    bytes: 246_144_152,
  },
  clipG: {
    part: "clipG",
    file: "text_encoders/clip_g.safetensors",
    repository: "Comfy-Org/stable-diffusion-3.5-fp8",
    bytes: 1_389_382_176,
  },
  t5xxl: { part: "t5xxl", file: "t5xxl_q4_k.gguf", repository: "Green-Sky/flux.1-schnell-GGUF", bytes: 2_752_844_256 },
  vae: {
    part: "vae",
    file: "vae/diffusion_pytorch_model.safetensors",
    repository: "tensorart/stable-diffusion-3.5-medium-turbo",
    bytes: 167_666_902,
  },
  taesd: { part: "taesd", file: "diffusion_pytorch_model.safetensors", repository: "madebyollin/taesd3", bytes: 9_800_000 },
};

/** "clip_l.safetensors (246 MB) of Comfy-Org/stable-diffusion-3.5-fp8 as clipL" */
export function advice({ part, file, repository, bytes }: Remedy): string {
  return `${file} (${Math.round(bytes / 1e6)} MB) of ${repository} as ${part}`;
}
