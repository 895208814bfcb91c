import path from "node:path";
import type { NativeModelInfo } from "../engine/binding.js";
import type { Family, ModelDefaults, ModelFiles } from "../types/index.js";

/** The timestep shift with which all of SD3 and SD3.5 was published (`shift` of their scheduler_config.json), and the most that is taken. */
export const usualFlowShift = 3;
export const mostFlowShift = 1000;

/** The sides of the position tables that were published, in pixels: 192 and 384 patches of 16. */
const tables = { large: 192 * 16, medium: 384 * 16 };

interface FamilyEntry {
  name: string;
  /** Largest side in pixels, of the makers' own weights. */
  maxSide: number;
  defaults: ModelDefaults;
  license: string;
}

type Row = [name: string, maxSide: number, side: number, steps: number, cfgScale: number, license?: string];

function family(...[name, maxSide, side, steps, cfgScale, license = "Stability AI Community License"]: Row): FamilyEntry {
  return {
    name,
    maxSide,
    defaults: { width: side, height: side, steps, cfgScale, sampler: "euler", scheduler: "normal", flowShift: usualFlowShift },
    license,
  };
}

/** What the makers of each family recommend. Skip-layer guidance is never a default: it spoils Large's pictures. */
export const families: Record<Family, FamilyEntry> = {
  "sd3.5-large": family("Stable Diffusion 3.5 Large", tables.large, 1024, 28, 4.5),
  "sd3.5-large-turbo": family("Stable Diffusion 3.5 Large Turbo", tables.large, 1024, 4, 1),
  "sd3.5-large-turbox": family("Stable Diffusion 3.5 Large TurboX", tables.large, 1024, 8, 1.5),
  "sd3.5-medium": family("Stable Diffusion 3.5 Medium", tables.medium, 1024, 40, 4.5),
  "sd3.5-medium-turbo": family("Stable Diffusion 3.5 Medium Turbo", tables.medium, 1024, 8, 1.5),
  "sd3.5-flash": family("Stable Diffusion 3.5 Flash", tables.medium, 1024, 4, 1),
  "sd3-medium": family("Stable Diffusion 3 Medium", tables.large, 1024, 28, 5),
  demo: family("demo of this package", tables.large, 128, 8, 1, "MIT"),
};

/** Of the demo's diffusion model, in its metadata. */
const demoTitle = "toy shapes demo";

/** A file's name without folder and ending. */
export function modelName(file: string): string {
  return path.basename(file).replace(/(?<=.)\.(gguf|safetensors|sft|ckpt|pt|pth)$/i, "");
}

/** What is distilled from another family has its tensors: the name tells. A word of its own, as "flash" and "turbo" stand in other words too. */
const distilled: Record<"large" | "medium", [RegExp, Family][]> = {
  large: [
    [/turbo[-_. ]?x(?![a-z])/i, "sd3.5-large-turbox"],
    [/turbo/i, "sd3.5-large-turbo"],
  ],
  medium: [
    [/(?<![a-z])flash(?![a-z]|[-_ ]?att)/i, "sd3.5-flash"],
    [/turbo/i, "sd3.5-medium-turbo"],
  ],
};

/** The family that the tensors show, and among those that share them the name: the file's, or the title in its metadata. */
export function detectFamily(info: Pick<NativeModelInfo, "depth" | "dualAttentionBlocks">, mainFile: string, title = ""): Family {
  if (title === demoTitle) return "demo";
  const large = info.depth === 38;
  if (!large && info.dualAttentionBlocks === 0) return "sd3-medium";
  const names = `${path.basename(mainFile)} ${title}`;
  const found = distilled[large ? "large" : "medium"].find(([pattern]) => pattern.test(names));
  return found?.[1] ?? (large ? "sd3.5-large" : "sd3.5-medium");
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
