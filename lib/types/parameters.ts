import type { Fit, GuidanceWindow, Outpaint, SkipLayerGuidance, StepCache, VaeTiling } from "./features.js";
import type { HiresParameters } from "./result.js";

/** What an image file says about how it was made. Fields that the text does not name are absent. */
export interface ImageParameters {
  /** The whole text, as it is in the file. */
  text: string;
  prompt: string;
  negativePrompt: string;
  steps?: number;
  sampler?: string;
  scheduler?: string;
  cfgScale?: number;
  seed?: bigint;
  variationSeed?: bigint;
  variationStrength?: number;
  width?: number;
  height?: number;
  flowShift?: number;
  clipSkip?: number;
  t5Prompt?: string;
  negativeT5Prompt?: string;
  eta?: number;
  sigmas?: number[];
  guidance?: GuidanceWindow;
  skipLayerGuidance?: Required<SkipLayerGuidance>;
  /** By the name that tags in prompts use; the folder is not in the file. */
  loras?: { name: string; weight: number }[];
  vaeTiling?: VaeTiling;
  cache?: StepCache;
  /** Only for image to image; `keepUnmasked` and `maskFeather` only for inpainting. */
  strength?: number;
  noiseLevel?: number;
  fit?: Fit;
  outpaint?: Outpaint;
  keepUnmasked?: boolean;
  maskFeather?: number;
  /** `model` is the file's name alone. */
  hires?: Partial<HiresParameters>;
  rng?: string;
  model?: string;
  /** Of the model's files, by option; see `ModelInfo.fingerprints`. */
  fingerprints?: Record<string, string>;
  /** When they were given to `loadModel`. */
  weightType?: string;
  flashAttention?: boolean;
  /** What it was drawn on: one device, or those of diffusion model, text encoders and VAE. */
  device?: string;
  /** Commit of the engine. */
  engine?: string;
  version?: string;
  /** Every field of the line that begins with "Steps:", by its name in the text; of JSON, its simple members. */
  fields: Record<string, string>;
  /** All texts of the file by their names, as they are: what was not understood is here. */
  raw?: Record<string, string>;
}
