import { randomInt } from "node:crypto";
import { InvalidOptionError } from "../errors.js";
import type {
  GenerateOptions,
  GenerationParameters,
  Hires,
  HiresParameters,
  ImageInput,
  Lora,
  ModelDefaults,
  Outpaint,
  Preview,
  PreviewMode,
  SkipLayerGuidance,
  StepCache,
  VaeTiling,
} from "../types/index.js";
import { checkOptions, checkValue, maxSeed, type Option, type OptionTable } from "./check.js";
import { takeTags } from "./loras.js";
import { scheduleSteps } from "./samplers.js";
import { hiresSteps, ownSchedulers } from "./schedule.js";

import { countOptions, generateOptions, previewModes, promptOption, side } from "./tables.js";

/** Where no model is loaded yet: what the largest could do. The model's own limits are checked when it draws. */
export const widestLimits = { maxSide: side.max, depth: 256 };

/** What the loaded model adds to the rules. */
export interface ModelLimits {
  defaults: ModelDefaults;
  maxSide: number;
  /** Number of joint blocks. */
  depth: number;
  /** Where the prompt's LoRA tags are looked up. */
  loraDir?: string;
  /** Whether there is a T5; absent when no model is known yet. */
  t5?: boolean;
  /** What can make previews. Default: all. */
  previewModes?: readonly PreviewMode[];
}

/** TAESD, where there is one, makes the previews; the engine then has no way to make them with the VAE. */
export function previewModesOf(parts: Record<string, unknown>): PreviewMode[] {
  return ["latent", parts.taesd ? "taesd" : "vae"];
}

/** The pictures among the options, still to be read, and the size if the caller gave it. */
export interface GivenImages {
  initImage: ImageInput;
  mask?: ImageInput | "alpha";
  width?: number;
  height?: number;
  outpaint?: Outpaint;
  /** When its size depends on the picture's. */
  hires?: Hires;
}

export interface CheckedGenerateOptions {
  /** Complete, but for the size that an `initImage` may decide. */
  parameters: GenerationParameters;
  images?: GivenImages;
  force: boolean;
  priority: number;
  preview?: Required<Preview>;
  signal?: AbortSignal;
}

/** Checks the options of `generate` and fills in all defaults; throws InvalidOptionError. */
export function checkGenerateOptions(options: unknown, limits: ModelLimits): CheckedGenerateOptions {
  const table: OptionTable = { ...generateOptions };
  for (const name of ["width", "height"]) Object.assign(table, { [name]: { ...side, max: limits.maxSide } });
  Object.assign(table, { flowShift: { ...generateOptions.flowShift, default: limits.defaults.flowShift } });
  const checked = checkOptions(table, options);
  const {
    signal,
    force = false,
    priority = 0,
    preview,
    hires,
    initImage,
    mask,
    ...given
  } = checked as unknown as GenerateOptions & {
    preview?: Required<Preview>;
    hires?: Hires;
  };
  const images = checkImages({ ...given, initImage, mask });
  const { sigmas, batchCount = 1, skipLayerGuidance, outpaint } = given;

  if (sigmas) checkSigmas(sigmas, given.steps);
  if (limits.t5 === false) checkNoT5(given);
  if (given.guidance) checkWindow("guidance", given.guidance);
  if (skipLayerGuidance) checkGuidance(skipLayerGuidance as Required<SkipLayerGuidance>, limits.depth);
  if (preview) checkPreview(preview, limits.previewModes);
  const seeds = checkSeeds(given, batchCount);
  const ofImages = {
    ...(images && { ...(given.noiseLevel === undefined && { strength: outpaint ? 0.9 : 0.75 }), fit: "cover" }),
    ...((mask || outpaint) && { keepUnmasked: true, maskFeather: 0 }),
  };
  const parameters = { ...limits.defaults, ...ofImages, ...given, ...seeds } as GenerationParameters;
  if (sigmas) parameters.steps = sigmas.length - 1;
  else checkSteps(parameters);
  if (given.noiseLevel !== undefined) checkNoiseLevel(given, parameters);
  const { prompt: plain, loras: tagged } = takeTags(given.prompt, limits.loraDir);
  const loras = [...((given.loras ?? []) as Required<Lora>[]), ...tagged];
  const { max: most } = generateOptions.loras as Extract<Option, { kind: "list" }>;
  if (loras.length > most)
    throw new InvalidOptionError("prompt", `expected at most ${most} LoRAs, those of its tags among them, received ${loras.length}`);
  parameters.prompt = plain;
  delete parameters.loras;
  if (loras.length) parameters.loras = loras;
  if (/<lora:[^<>]*>/i.test(parameters.negativePrompt))
    throw new InvalidOptionError("negativePrompt", "expected no <lora:…> tags; they belong in prompt");
  if (parameters.vaeTiling) parameters.vaeTiling = checkTiling(parameters.vaeTiling);
  if (parameters.cache) checkCache(parameters.cache, parameters);
  if (hires) {
    checkHires(hires, parameters);
    if ((mask || outpaint) && parameters.keepUnmasked) {
      throw new InvalidOptionError(
        "hires",
        `expected keepUnmasked: false beside ${mask ? "mask" : "outpaint"}, as kept pixels cannot be put back at another size`,
      );
    }
    if (images && !(given.width && given.height)) images.hires = hires;
    else parameters.hires = resolveHires(hires, parameters, limits.maxSide);
  }
  return { parameters, images, preview, force, priority, signal };
}

/** The seeds, random where they were left open. A batch counts up the one that its pictures do not share. */
function checkSeeds(
  { seed, variationSeed, variationStrength }: Partial<GenerateOptions>,
  batchCount: number,
): Partial<GenerationParameters> {
  if (variationSeed !== undefined && variationStrength === undefined)
    throw new InvalidOptionError("variationSeed", "expected variationStrength too, 0 to 1");
  const random = () => BigInt(randomInt(2 ** 32));
  const seeds = {
    seed: (seed as bigint | undefined) ?? random(),
    ...(variationStrength !== undefined && { variationSeed: (variationSeed as bigint | undefined) ?? random() }),
  };
  const name = variationStrength ? "variationSeed" : "seed";
  const first = seeds[name] ?? 0n;
  if (first + BigInt(batchCount - 1) > maxSeed) {
    throw new InvalidOptionError(name, `expected ${name} + batchCount - 1 to be at most 2^63-1, received ${first}n and ${batchCount}`);
  }
  return seeds;
}

function checkImages(given: Partial<GenerateOptions>): GivenImages | undefined {
  const { initImage, mask, width, height, outpaint } = given;
  const needs = (needed: "initImage" | "mask", ...names: (keyof GenerateOptions)[]) => {
    const name = given[needed] === undefined && names.find((name) => given[name] !== undefined);
    if (name) throw new InvalidOptionError(name, `expected ${needed} too, which this option is about`);
  };
  needs("initImage", "strength", "noiseLevel", "fit", "mask", "outpaint");
  if (outpaint) checkOutpaint(outpaint, given);
  else needs("mask", "keepUnmasked", "maskFeather");
  if (given.maskFeather && given.keepUnmasked === false)
    throw new InvalidOptionError("maskFeather", "expected 0 when keepUnmasked is false, as there is nothing to fade into");
  return initImage === undefined ? undefined : { initImage, mask, width, height, outpaint };
}

function checkOutpaint(outpaint: Outpaint, given: Partial<GenerateOptions>): void {
  if (!Object.values(outpaint).some((pixels) => pixels > 0))
    throw new InvalidOptionError("outpaint", "expected left, top, right or bottom above 0");
  const beside = (["mask", "fit", "width", "height"] as const).find((name) => given[name] !== undefined);
  if (beside === "mask")
    throw new InvalidOptionError("mask", "expected either mask or outpaint, which makes one of the margins, received both");
  if (beside) throw new InvalidOptionError(beside, "expected none beside outpaint: the size is that of initImage with the margins");
}

function checkNoiseLevel({ strength, sigmas }: GenerateOptions, { scheduler }: GenerationParameters): void {
  if (strength !== undefined) throw new InvalidOptionError("noiseLevel", "expected either strength or noiseLevel, received both");
  if (sigmas) throw new InvalidOptionError("noiseLevel", "expected none beside sigmas, of which the first is that level");
  if (ownSchedulers.includes(scheduler)) return;
  const known = ownSchedulers.map((name) => JSON.stringify(name)).join(" or ");
  throw new InvalidOptionError(
    "noiseLevel",
    `expected the scheduler ${known}, whose levels are known before, received ${JSON.stringify(scheduler)}`,
  );
}

function checkSteps({ scheduler, steps }: GenerationParameters): void {
  const { min = 1, max = 1000 } = scheduleSteps[scheduler] ?? {};
  if (steps < min) throw new InvalidOptionError("steps", `expected at least ${min} for the scheduler "${scheduler}", received ${steps}`);
  if (steps > max) throw new InvalidOptionError("steps", `expected at most ${max} for the scheduler "${scheduler}", received ${steps}`);
}

function checkPreview({ mode }: Required<Preview>, available: readonly PreviewMode[] = previewModes): void {
  if (available.includes(mode)) return;
  const list = available.map((name) => JSON.stringify(name)).join(" or ");
  const remedy = mode === "taesd" ? "; load the model with taesd and taesdPreviewOnly" : "";
  throw new InvalidOptionError("preview.mode", `expected ${list} with the parts this model has, received ${JSON.stringify(mode)}${remedy}`);
}

function checkHires(hires: Hires, { scheduler, steps: base }: GenerationParameters): void {
  const { scale, model, upscaler = model ? "model" : "latent", steps = base, strength = 0.7 } = hires;
  const { all } = hiresSteps({ steps, strength });
  const most = scheduler === "beta" ? (scheduleSteps.beta?.max ?? all) : all;
  if (all > most) {
    const detail = `expected at most ${Math.floor(most * strength)} with strength ${strength}, as the scheduler "${scheduler}" has at most ${most} steps`;
    throw new InvalidOptionError("hires.steps", `${detail} and these would be the last of ${all}, received ${steps}`);
  }
  if (scale !== undefined && (hires.width ?? hires.height) !== undefined) {
    throw new InvalidOptionError("hires.scale", "expected either scale or width and height, received both");
  }
  if (upscaler === "model" && !model)
    throw new InvalidOptionError("hires.model", 'expected the file of an ESRGAN network for upscaler "model"');
  if (upscaler !== "model" && model)
    throw new InvalidOptionError("hires.upscaler", `expected "model" beside model, received "${upscaler}"`);
}

/** The final size, and the defaults that depend on other options. */
export function resolveHires(hires: Hires, base: { width: number; height: number; steps: number }, maxSide: number): HiresParameters {
  const { scale, model, steps = base.steps, strength = 0.7, tileSize = 128, upscaler = model ? "model" : "latent" } = hires;
  const aligned = (pixels: number) => Math.round(pixels / 16) * 16;
  const factor = scale ?? (hires.width ? hires.width / base.width : hires.height ? hires.height / base.height : 2);
  const size = { width: hires.width ?? aligned(base.width * factor), height: hires.height ?? aligned(base.height * factor) };
  for (const name of ["width", "height"] as const) {
    if (size[name] >= base[name] && size[name] <= maxSide) continue;
    const path = hires[name] === undefined && scale !== undefined ? "hires.scale" : `hires.${name}`;
    throw new InvalidOptionError(path, `expected a ${name} from the first pass's ${base[name]} to ${maxSide}, received ${size[name]}`);
  }
  return { ...size, steps, strength, upscaler, ...(model ? { model } : {}), tileSize };
}

function checkSigmas(sigmas: number[], steps?: number): void {
  if (!sigmas[0]) throw new InvalidOptionError("sigmas[0]", "expected a number above 0, received 0");
  const rise = sigmas.findIndex((sigma, index) => index > 0 && Math.fround(sigma) >= Math.fround(sigmas[index - 1] ?? 0));
  if (rise > 0)
    throw new InvalidOptionError(`sigmas[${rise}]`, `expected less than ${sigmas[rise - 1]}, the one before, received ${sigmas[rise]}`);
  if (steps !== undefined && steps !== sigmas.length - 1) {
    throw new InvalidOptionError("steps", `expected ${sigmas.length - 1}, one less than the number of sigmas, received ${steps}`);
  }
}

function checkNoT5(given: GenerateOptions): void {
  const name = (["t5Prompt", "negativeT5Prompt"] as const).find((name) => given[name] !== undefined);
  if (name) throw new InvalidOptionError(name, "expected a model with a T5 text encoder, this one has none; load it with t5xxl");
}

/** Checks the arguments of `countTokens`; throws InvalidOptionError. */
export function checkCountTokens(text: unknown, options: unknown, limits: Pick<ModelLimits, "t5">): { prompt: string; t5Prompt?: string } {
  const checked = { ...checkOptions(countOptions, options), prompt: checkValue(promptOption, text, "prompt") };
  const given = checked as unknown as { prompt: string; t5Prompt?: string };
  if (limits.t5 === false) checkNoT5(given);
  return given;
}

function checkGuidance({ layers, start, end }: Required<SkipLayerGuidance>, depth: number): void {
  const wrong = layers.findIndex((block) => block >= depth);
  if (wrong >= 0) {
    const detail = `expected an integer from 0 to ${depth - 1}, as the model has ${depth} blocks, received ${layers[wrong]}`;
    throw new InvalidOptionError(`skipLayerGuidance.layers[${wrong}]`, detail);
  }
  checkWindow("skipLayerGuidance", { start, end });
}

function checkWindow(option: string, { start = 0, end = 1 }: { start?: number; end?: number }): void {
  if (start > end) throw new InvalidOptionError(`${option}.end`, `expected at least ${start}, the start, received ${end}`);
}

function checkTiling({ tileSize, relativeSize, overlap }: VaeTiling): VaeTiling {
  if (relativeSize === undefined) return { tileSize: tileSize ?? 256, overlap };
  if (tileSize === undefined) return { relativeSize, overlap };
  throw new InvalidOptionError("vaeTiling.relativeSize", "expected either tileSize or relativeSize, received both");
}

const cacheMembers: Record<string, string[]> = {
  easycache: ["threshold", "start", "end"],
  dbcache: ["threshold"],
  spectrum: ["end", "warmup", "window", "windowGrowth"],
};

function checkCache(cache: StepCache, { sampler, steps }: GenerationParameters): void {
  const { mode = "easycache", start = 0.15, end } = cache;
  const used = cacheMembers[mode] ?? [];
  for (const member of Object.keys(cache)) {
    if (member !== "mode" && !used.includes(member))
      throw new InvalidOptionError(`cache.${member}`, `mode ${mode} does not use it; it takes ${used.join(", ")}`);
  }
  if (mode === "easycache" && (end ?? 0.95) <= start) {
    throw new InvalidOptionError("cache.end", `expected more than ${start}, the start, received ${end ?? 0.95}`);
  }
  if (mode === "spectrum" && sampler.endsWith("cfg_pp")) {
    throw new InvalidOptionError("cache.mode", `spectrum does not work with sampler ${sampler}; expected easycache or dbcache`);
  }
  // The engine takes a last step of 0 for "to the end".
  if (mode === "spectrum" && Math.floor(Math.fround(end ?? 0.9) * steps) < 1) {
    throw new InvalidOptionError("cache.end", `expected at least ${1 / steps}, as ${end ?? 0.9} of ${steps} steps is none`);
  }
}
