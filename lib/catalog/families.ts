import path from "node:path";
import type { NativeModelInfo } from "../engine/binding.js";
import type { Family, ModelDefaults, ModelFiles } from "../types/index.js";

const common = { sampler: "euler", scheduler: "normal", flowShift: 3 };
const stability = "Stability AI Community License";

/** What the makers of each family recommend. Skip-layer guidance is never a default: it spoils Large's pictures. */
export const families: Record<Family, { name: string; defaults: ModelDefaults; license: string }> = {
  "sd3.5-large": {
    name: "Stable Diffusion 3.5 Large",
    defaults: { width: 1024, height: 1024, steps: 28, cfgScale: 4.5, ...common },
    license: stability,
  },
  "sd3.5-large-turbo": {
    name: "Stable Diffusion 3.5 Large Turbo",
    defaults: { width: 1024, height: 1024, steps: 4, cfgScale: 1, ...common },
    license: stability,
  },
  "sd3.5-medium": {
    name: "Stable Diffusion 3.5 Medium",
    defaults: { width: 1024, height: 1024, steps: 40, cfgScale: 4.5, ...common },
    license: stability,
  },
  "sd3-medium": {
    name: "Stable Diffusion 3 Medium",
    defaults: { width: 1024, height: 1024, steps: 28, cfgScale: 5, ...common },
    license: stability,
  },
  demo: { name: "demo of this package", defaults: { width: 128, height: 128, steps: 8, cfgScale: 1, ...common }, license: "MIT" },
};

/** Of the demo's diffusion model, in its metadata. */
const demoTitle = "toy shapes demo";

/** A file's name without folder and ending. */
export function modelName(file: string): string {
  return path.basename(file).replace(/(?<=.)\.(gguf|safetensors|sft|ckpt|pt|pth)$/i, "");
}

/** The family that the tensors show. Large Turbo has Large's tensors, so its name decides: the file's, or the title in its metadata. */
export function detectFamily(info: Pick<NativeModelInfo, "depth" | "dualAttentionBlocks">, mainFile: string, title = ""): Family {
  if (title === demoTitle) return "demo";
  if (info.depth === 38) return /turbo/i.test(`${path.basename(mainFile)} ${title}`) ? "sd3.5-large-turbo" : "sd3.5-large";
  return info.dualAttentionBlocks > 0 ? "sd3.5-medium" : "sd3-medium";
}

/** Largest width and height in pixels: 16 for each row of the square position table. */
export function maxSide(positions: number): number {
  return Math.floor(Math.sqrt(positions)) * 16;
}

/** The family's defaults, no larger than the model can draw. */
export function familyDefaults(family: Family, largestSide: number): ModelDefaults {
  const { defaults } = families[family];
  return { ...defaults, width: Math.min(defaults.width, largestSide), height: Math.min(defaults.height, largestSide) };
}

/** The family of a model, where it is not known yet: as its tensors show. */
export function familyOf(info: Pick<NativeModelInfo, "depth" | "dualAttentionBlocks">, files: ModelFiles, known?: Family): Family {
  return known ?? detectFamily(info, mainFile(files));
}

/** The file that holds the diffusion model. */
export function mainFile({ model, diffusionModel }: ModelFiles): string {
  return diffusionModel ?? model ?? "";
}
