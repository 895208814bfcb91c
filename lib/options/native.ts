import type { NativeGenerateParams, NativeImages } from "../engine/binding.js";
import type { GenerationParameters, Preview } from "../types/index.js";
import { beginning, drawnSteps, guidanceWindow, hiresSigmas, ownSigmas, passes } from "./schedule.js";

/**
 * The parameters as native code takes them: the members have the same names.
 * @param plans what is to be done with each of the LoRAs (lib/checkpoint/extras.ts)
 */
export function nativeParams(
  parameters: GenerationParameters,
  images?: NativeImages,
  preview?: Required<Preview>,
  plans: readonly string[] = [],
): NativeGenerateParams {
  const {
    loras,
    vaeTiling,
    hires,
    scheduler,
    skipLayerGuidance,
    strength = 1,
    fit: _fit,
    outpaint: _outpaint,
    noiseLevel,
    ...rest
  } = parameters;
  const { steps, flowShift } = parameters;
  const params: NativeGenerateParams = { ...rest };
  const planned = loras?.map((lora, i) => ({ ...lora, plan: plans[i] ?? "" }));
  const active = planned?.filter(({ weight }) => Math.fround(weight) !== 0);
  if (active?.length) params.loras = active;
  if (vaeTiling) {
    const { tileSize, ...tiling } = vaeTiling;
    params.vaeTiling = { enabled: true, ...tiling, ...(tileSize ? { tileSize: tileSize / 8 } : {}) }; // a latent is 8 pixels wide
  }
  if (hires) params.hires = { enabled: true, ...hires };
  if (preview) params.preview = preview;
  // From pure noise, nothing of the picture is left: no need to encode it, and the bytes are those of text to image.
  const unused = strength === 1 && (noiseLevel ?? 1) === 1 && !images?.mask && !parameters.sigmas;
  if (images && !unused) Object.assign(params, images, { strength: engineStrength(strength, steps) });
  const sigmas = ownSigmas(scheduler, steps, flowShift);
  if (!sigmas) params.scheduler = scheduler;
  else {
    params.sigmas ??= beginning(parameters) ?? sigmas;
    if (noiseLevel !== undefined) params.steps = params.sigmas.length - 1;
    if (hires) params.hires = { enabled: true, ...hires, sigmas: hiresSigmas(hires, flowShift, scheduler) };
  }
  if (skipLayerGuidance) params.skipLayerGuidance = guidanceWindow(skipLayerGuidance, passes(parameters));
  return params;
}

/** The engine draws floor(steps · strength) + 1 steps; this is the middle of its range for those that the strength says. */
function engineStrength(strength: number, steps: number): number {
  return strength === 1 ? 1 : (drawnSteps(strength, steps) - 0.5) / steps;
}
