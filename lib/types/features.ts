/** Where classifier-free guidance acts; outside, the negative pass is not computed, and the picture follows the prompt as with `cfgScale` 1. */
export interface GuidanceWindow {
  /**
   * Parts of the steps, 0 to 1: it acts in step i, counted from 0, where `start · steps` ≤ i < `end · steps`. Default: 0 to 1, all steps. Image to image
   * counts the steps that are drawn; each pass of a hires fix counts its own.
   */
  start?: number;
  end?: number;
}

/** Margins to be painted around the initial picture, in pixels, at least one of them above 0. */
export interface Outpaint {
  /** 0 to 16384, up to the model's `info.maxSide` with the picture. Default: 0. */
  left?: number;
  top?: number;
  right?: number;
  bottom?: number;
}

/** Skip-layer guidance, a help for SD 3.5 Medium's anatomy: adds (cond − cond without the layers)·scale. */
export interface SkipLayerGuidance {
  /** Joint blocks to skip. Default: [7, 8, 9]. */
  layers?: number[];
  /** 0 = off. Default: 2.5. */
  scale?: number;
  /**
   * Part of the steps in which it acts, 0 to 1: counted from 0, in the steps above `start · steps` and below `end · steps`, so never in the first,
   * as in diffusers. Default: 0.01 to 0.2, which is the second to the sixth of 28 steps, and no step at all with fewer than 6. Each step in
   * it takes one pass more.
   */
  start?: number;
  end?: number;
}

/** A LoRA, a small file that changes the weights of the model. */
export interface Lora {
  /** A safetensors or GGUF file in the names of sd-scripts (kohya), diffusers/PEFT or the original layout. */
  path: string;
  /** -100 to 100; 0 is no change. Default: 1. */
  weight?: number;
}

/** Decodes (and encodes) the picture in overlapping tiles: much less memory for large pictures, some more time. */
export interface VaeTiling {
  /** Side of a tile in pixels, a multiple of 8 from 32 to 16384. Default: 256. */
  tileSize?: number;
  /** Side of a tile as part of the picture's side, above 0 to 1, instead of `tileSize`; never less than 32 pixels. */
  relativeSize?: number;
  /** Part of a tile that its neighbor covers too, 0 to 0.5; the seams are blended over it. Default: 0.5. */
  overlap?: number;
}

/** Step caches that do something for SD 3: `"easycache"`, `"dbcache"`, `"spectrum"`. See docs/caches.md. */
export type StepCacheMode = "easycache" | "dbcache" | "spectrum";

/** Skips steps whose result can be foretold from those before. The picture changes. */
export interface StepCache {
  /** Default: "easycache". */
  mode?: StepCacheMode;
  /** How much change is let pass, 0 to 100; more skips more. Only easycache (default 0.2) and dbcache (default 0.08). */
  threshold?: number;
  /** Part of the noise schedule where it begins, 0 to below 1. Only easycache. Default: 0.15. */
  start?: number;
  /** Where it ends, above 0 to 1: for easycache a part of the noise schedule (default 0.95), for spectrum of the steps (default 0.9). */
  end?: number;
  /** Steps that are always computed first, 2 to 1000. Only spectrum. Default: 4. */
  warmup?: number;
  /** Every how many steps one is computed, 1 to 100. Only spectrum. Default: 2. */
  window?: number;
  /** What `window` grows by with each computed step, 0 to 10. Only spectrum. Default: 0.5. */
  windowGrowth?: number;
}

/** How a picture of other proportions is put into the target: cut, with bars, or stretched. */
export type Fit = "cover" | "contain" | "fill";

/** How a preview is made of an unfinished latent picture. */
export type PreviewMode = "latent" | "taesd" | "vae";

export interface Preview {
  /** A preview after every so many steps, 1 to 1000. Default: 1. */
  every?: number;
  /**
   * - `"latent"`: a fixed projection to colors, 1/8 of the size; needs nothing and costs next to nothing. Made for SD 3's latents; with the demo,
   *   only shapes are right.
   * - `"taesd"`: decoded by TAESD, in full size: each takes as long as TAESD takes to decode the finished picture. The model needs one (`taesd`, with `taesdPreviewOnly` when a VAE makes the pictures).
   * - `"vae"`: decoded by the VAE, in full size and slow: each takes as long as decoding the finished picture.
   *
   * Default: `"latent"`.
   */
  mode?: PreviewMode;
}

/** Ways to enlarge between the two passes of a hires fix: in the latent space, or as a picture that is encoded again (the last three). */
export type HiresUpscaler =
  | "latent"
  | "latent-nearest"
  | "latent-nearest-exact"
  | "latent-antialiased"
  | "latent-bicubic"
  | "latent-bicubic-antialiased"
  | "lanczos"
  | "nearest"
  | "model";

/** Hires fix: draw at the model's own size, enlarge, and refine by sampling again. */
export interface Hires {
  /** Factor of both sides, 1 to 8; the sides are rounded to multiples of 16. Default: 2. Not together with `width` or `height`. */
  scale?: number;
  /** Pixels of the final picture: a multiple of 16, at least the first pass's, at most the model's `info.maxSide`. One side alone keeps the proportions. */
  width?: number;
  height?: number;
  /** Steps of the second pass, 1 to 1000; it may take one more. Default: `steps`. */
  steps?: number;
  /** How much the second pass may change, 0.01 to 1. Latent upscalers need about 0.5 or more, the others can do with less. Default: 0.7. */
  strength?: number;
  /** Default: `"latent"` (bilinear), or `"model"` when a `model` is given. */
  upscaler?: HiresUpscaler;
  /** File of an ESRGAN network, for `upscaler: "model"`; its result is resized to the final size. */
  model?: string;
  /** Pixels of a tile when a network enlarges, 32 to 4096. Default: 128. */
  tileSize?: number;
}
