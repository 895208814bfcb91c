import type { NativeGenerateParams, NativeImages } from "../engine/binding.js";
import type { GenerationParameters, Preview } from "../types/index.js";

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
  const { loras, vaeTiling, hires, strength = 1, fit: _, ...rest } = parameters;
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
  const unused = strength === 1 && !images?.mask && !params.sigmas;
  return images && !unused ? { ...params, ...images, strength: engineStrength(strength, parameters.steps) } : params;
}

/**
 * The engine draws floor(steps · strength) + 1 steps, so that 0.75 of Turbo's 4 steps are all 4 and nothing of the picture is left. Ours is
 * the number of steps that the strength says; this is the middle of the engine's range for it.
 */
function engineStrength(strength: number, steps: number): number {
  if (strength === 1) return 1;
  const drawn = Math.max(1, Math.min(steps - 1, Math.round(steps * strength)));
  return (drawn - 0.5) / steps;
}
