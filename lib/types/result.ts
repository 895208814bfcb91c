import type { Fit, GuidanceWindow, HiresUpscaler, Lora, Outpaint, SkipLayerGuidance, StepCache, VaeTiling } from "./features.js";
import type { Image } from "./image.js";
import type { Sampler, Scheduler } from "./names.js";

/** Everything that decided the pictures: the options with all defaults filled in. */
export interface GenerationParameters {
  prompt: string;
  negativePrompt: string;
  width: number;
  height: number;
  steps: number;
  cfgScale: number;
  sampler: Sampler;
  scheduler: Scheduler;
  seed: bigint;
  /** With a `variationStrength`. */
  variationSeed?: bigint;
  variationStrength?: number;
  batchCount: number;
  clipSkip: number;
  flowShift: number;
  t5Prompt?: string;
  negativeT5Prompt?: string;
  eta?: number;
  sigmas?: number[];
  guidance?: Required<GuidanceWindow>;
  skipLayerGuidance?: Required<SkipLayerGuidance>;
  /** Those of the options and of the prompt's tags, which `prompt` here no longer has. */
  loras?: Required<Lora>[];
  vaeTiling?: VaeTiling;
  cache?: StepCache;
  /** With an `initImage`. */
  strength?: number;
  noiseLevel?: number;
  fit?: Fit;
  /** As they were painted. */
  outpaint?: Required<Outpaint>;
  /** With a `mask` or `outpaint`. */
  keepUnmasked?: boolean;
  maskFeather?: number;
  hires?: HiresParameters;
}

/** A hires fix with its defaults filled in; `width` and `height` are those of the final picture. */
export interface HiresParameters {
  width: number;
  height: number;
  steps: number;
  strength: number;
  upscaler: HiresUpscaler;
  model?: string;
  tileSize: number;
}

/** Seconds. */
export interface Timings {
  queued: number;
  encode: number;
  /** Both passes of a hires fix. */
  sample: number;
  /** Enlarging of a hires fix. */
  upscale: number;
  decode: number;
  total: number;
}

export interface GenerationResult {
  images: Image[];
  /** The seed of each image. */
  seeds: bigint[];
  parameters: GenerationParameters;
  timings: Timings;
}
