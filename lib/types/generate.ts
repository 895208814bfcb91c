import type {
  Fit,
  GuidanceWindow,
  Hires,
  Lora,
  Outpaint,
  Preview,
  SkipLayerGuidance,
  StepCache,
  StepCacheMode,
  VaeTiling,
} from "./features.js";
import type { ImageInput } from "./image.js";
import type { Sampler, Scheduler } from "./names.js";

export interface GenerateOptions {
  /**
   * What to draw. Weights as `(word:1.2)`, see docs/prompts.md. At most 16 KiB of UTF-8, 1200 tokens of the CLIPs and 1231 of T5, about 900
   * words; `countTokens` counts them. T5 was trained with 256: a longer text is read, and the log says so.
   */
  prompt: string;
  /** What to avoid. Ignored when `cfgScale` is 1. Default: "". */
  negativePrompt?: string;
  /**
   * Another text for T5, which understands sentences, while the CLIP encoders get `prompt`. Refused when the model has no T5. Same form
   * and limits as `prompt`. Default: the same text.
   */
  t5Prompt?: string;
  /** Another text for T5 in the negative pass. Default: `negativePrompt`. */
  negativeT5Prompt?: string;
  /** Pixels, a multiple of 16 from 16 to the model's `info.maxSide`. Default: by family (1024; demo 128). */
  width?: number;
  height?: number;
  /** Denoising steps, 1 to 1000. Default: by family (Large 28, Large Turbo 4, Medium 40). */
  steps?: number;
  /**
   * Classifier-free guidance; 1 (what diffusers calls 0) skips the negative pass and halves the work; 0 to 100. Below 1 the negative prompt
   * pulls: at 0 it alone is drawn, and the prompt has no influence. Default: by family (4.5; Turbo 1).
   */
  cfgScale?: number;
  /**
   * `euler`, `euler_a`, `heun`, `dpm2`, `dpm++2s_a`, `dpm++2m`, `ipndm`, `ipndm_v`, `lcm`, `ddim_trailing`, `res_multistep`, `res_2s`, `er_sde`,
   * `euler_cfg_pp` or `euler_ge`; docs/samplers.md tells what each does. Those of the engine that do not suit flow models are refused.
   * Default: "euler".
   */
  sampler?: Sampler;
  /**
   * `normal`, `beta`, `discrete`, `karras`, `exponential`, `sgm_uniform`, `simple`, `smoothstep`, `kl_optimal`, `lcm`, `bong_tangent` or `ltx2`. `karras`,
   * `exponential` and `bong_tangent` need at least 2 steps, `lcm` takes at most 50, `smoothstep` at most 77, `beta` at most 138. Default: "normal", the
   * reference's schedule.
   */
  scheduler?: Scheduler;
  /** First image's seed, 0 to 2⁶³−1; image i of a batch uses seed + i. Default: drawn at random and reported. */
  seed?: number | bigint;
  /**
   * Another seed, as `seed`, to vary the picture of `seed` with; needs `variationStrength`. Image i of a batch uses variationSeed + i, and all of them
   * `seed`. Default, with a strength: drawn at random and reported.
   */
  variationSeed?: number | bigint;
  /**
   * How much of the random numbers is `variationSeed`'s, 0 to 1, by the way on a sphere (slerp) as in AUTOMATIC1111: 0 draws the picture of `seed`, 1 that of
   * `variationSeed`, to the byte; 0.1 keeps most of the composition. Default: no variation.
   */
  variationStrength?: number;
  /** Images to draw one after the other, 1 to 1000. Default: 1. */
  batchCount?: number;
  /**
   * New noise in each step, 0 to 1 (more acts as 1), of `euler_a`, `dpm++2s_a`, `er_sde` (default 1), `ddim_trailing`, `res_multistep`, `res_2s`
   * and `euler_ge` (default 0); the other samplers ignore it.
   */
  eta?: number;
  /** Timestep shift of the flow schedule, > 0. Default: that of the model (`info.defaults`): 3, or what a diffusers folder's scheduler has. */
  flowShift?: number;
  /** The noise levels themselves, falling, instead of `scheduler`; `steps` is then their number minus one. Each lower than the one before; 1 is pure noise. */
  sigmas?: number[];
  /** The part of the steps in which `cfgScale` and the negative prompt act. Default: all. */
  guidance?: GuidanceWindow;
  /** `true` takes the published defaults for Medium. Default: off. */
  skipLayerGuidance?: boolean | SkipLayerGuidance;
  /** Which layer of the CLIP encoders to read, counted from the end: 1 to 12. Default: 2. */
  clipSkip?: number;
  /**
   * LoRAs to apply, at most 64; they add up. Those that the prompt names as `<lora:name:0.8>` come after them. A file that is no LoRA or was
   * made for another model rejects with ModelFileError.
   */
  loras?: Lora[];
  /** Decode in tiles; `true` takes the defaults. Progress of phase "decode" then counts tiles. Default: off. */
  vaeTiling?: boolean | VaeTiling;
  /** Skip steps; `true` is easycache. Default: off. */
  cache?: boolean | StepCacheMode | StepCache;
  /**
   * Begin with this picture instead of noise alone (image to image). Transparency is laid over white. Without `width` and `height` the
   * result has the picture's size, made smaller to the family's number of pixels if it has more, and rounded to multiples of 16; with one
   * of the two, its proportions. InvalidOptionError when it cannot be read.
   */
  initImage?: ImageInput;
  /**
   * How much of the `initImage` is drawn anew, 0 to 1: the last part of the steps is drawn, rounded up (as in diffusers), at least one step.
   * At 1, or where rounding up gives all steps, the picture decides nothing but the size (and what a `mask` keeps; with `sigmas`, it is
   * still mixed in where they begin below 1). Default: 0.75, with `outpaint` 0.9.
   */
  strength?: number;
  /**
   * The noise level (sigma) to begin at, above 0 to 1, instead of `strength`: the picture is that part noise, whatever the number of steps, and that level
   * and the schedule's below it are drawn. 1 is pure noise. Schedulers `normal` and `beta` alone; not together with `sigmas`. Default: `strength` decides.
   */
  noiseLevel?: number;
  /** How `initImage` and `mask` are put into `width` x `height`. "contain" leaves bars, white in the picture and to be painted in the mask. Default: "cover". */
  fit?: Fit;
  /**
   * Paint only a part of the `initImage` (inpainting): where this picture is white (128 to 255; transparent counts as black).
   * `"alpha"`: where `initImage` is transparent (alpha below 128), and the bars of "contain". InvalidOptionError when that is nowhere.
   */
  mask?: ImageInput | "alpha";
  /**
   * Go on with the `initImage` beyond its sides: the result is the picture in its own size with these margins, which are painted. They grow so that the sides
   * are multiples of 16. The picture's own pixels are kept as outside a `mask`, with `keepUnmasked` and `maskFeather`; not together with `mask`, `fit`,
   * `width` and `height`. Before they are painted, the margins go on with the edge's pixels and noise. InvalidOptionError when a side without margins is
   * no multiple of 16, or a side gets too long.
   */
  outpaint?: Outpaint;
  /**
   * Put the pixels of `initImage` back where nothing was to be painted, unchanged to the bit. Without it these pixels too have passed
   * through the autoencoder, and the painted part is rounded up to blocks of 8x8. Default: true.
   */
  keepUnmasked?: boolean;
  /** Pixels on both sides of the mask's edge over which the painted part fades into the kept one, 0 to 256; needs `keepUnmasked`. Default: 0. */
  maskFeather?: number;
  /**
   * Place in line, −10 to 10: a run of higher priority starts before all waiting ones of lower, in the whole process. Within a priority, models
   * take turns, and a model's runs keep the order of the calls. The run in work is never interrupted: a batch is drawn to its end.
   * Has no influence on the pictures. Default: 0.
   */
  priority?: number;
  /** Draw even if the picture does not seem to fit into the memory that is free. Default: false: it is refused with InsufficientMemoryError. */
  force?: boolean;
  /** Hires fix; `true` doubles the size. Width and height are then those of the first pass. Default: off. */
  hires?: boolean | Hires;
  /** Previews as events of this run; `true` is one a step. They do not change the picture. Default: off. */
  preview?: boolean | Preview;
  /** Stops the run; it rejects with the signal's reason. */
  signal?: AbortSignal;
}
