import type { GenerationParameters, HiresParameters, SkipLayerGuidance } from "../types/index.js";
import { betaSigmas } from "./beta.js";

/** Which noise levels and steps a picture takes: what is ours to say and not the engine's. */

const float = Math.fround;

/** shift·t / (1 + (shift − 1)·t): the level at time t, 0 to 1. */
function shifted(t: number, shift: number): number {
  return (shift * t) / (1 + (shift - 1) * t);
}

/**
 * The scheduler "normal", which is the reference's: `steps` levels and a 0, in single precision. Times run evenly from that of the highest level,
 * 1, to that of the lowest, which is shifted already, and are shifted again: with shift 3 from 1 to 0.00893.
 *
 * So do `get_sigmas` in Stability's sd3_infer.py, `FlowMatchEulerDiscreteScheduler.set_timesteps` in diffusers and `normal_scheduler` in ComfyUI.
 */
export function normalSigmas(steps: number, shift: number): number[] {
  const first = float(1 / 1000); // the lowest of the 1000 times that the model was trained at
  const lowest = float(float(float(shift) * first) / float(1 + float(float(shift - 1) * first)));
  const step = steps > 1 ? (lowest - 1) / (steps - 1) : 0;
  const time = (i: number) => (i > 0 && i === steps - 1 ? lowest : 1 + i * step);
  return [...Array.from({ length: steps }, (_, i) => float(shifted(time(i), shift))), 0];
}

/** The schedules that are ours and not the engine's. */
export const ownSchedulers: readonly string[] = ["normal", "beta"];

/** The end of a schedule: this level, and the levels below it. */
export function levelsFrom(level: number, sigmas: readonly number[]): number[] {
  const first = float(level);
  return [first, ...sigmas.filter((sigma) => sigma < first)];
}

/** The levels of `scheduler`, `steps` and a 0, where the schedule is ours and not the engine's. */
export function ownSigmas(scheduler: string, steps: number, shift: number): number[] | undefined {
  if (scheduler === "normal") return normalSigmas(steps, shift);
  return scheduler === "beta" ? betaSigmas(steps, shift) : undefined;
}

/** The steps of a hires fix's whole schedule, and those at its end that are drawn: one more than asked for where it does not come out even (as in AUTOMATIC1111). */
export function hiresSteps({ steps, strength }: Pick<HiresParameters, "steps" | "strength">): { all: number; drawn: number } {
  const all = Math.max(1, Math.trunc(float(steps / float(strength))));
  return { all, drawn: Math.min(all, Math.trunc(float(all * float(strength))) + 1) };
}

/** `ownSigmas` for the second pass of a hires fix. */
export function hiresSigmas(hires: Pick<HiresParameters, "steps" | "strength">, shift: number, scheduler = "normal"): number[] | undefined {
  const { all, drawn } = hiresSteps(hires);
  return ownSigmas(scheduler, all, shift)?.slice(all - drawn);
}

/**
 * How many of the steps image to image draws: steps · strength, rounded up, at least 1. In the same operations as `get_timesteps` of diffusers'
 * StableDiffusion3Img2ImgPipeline, so that rounding errors fall alike.
 */
export function drawnSteps(strength: number, steps: number): number {
  const skipped = Math.trunc(Math.max(steps - Math.min(steps * strength, steps), 0));
  return Math.max(1, steps - skipped);
}

/** Steps of each pass of the picture. */
export function passes(parameters: GenerationParameters): number[] {
  const { steps, strength, hires } = parameters;
  const begun = beginning(parameters);
  const first = begun ? begun.length - 1 : strength === undefined ? steps : drawnSteps(strength, steps);
  return [first, ...(hires ? [hiresSteps(hires).drawn] : [])];
}

/** The levels of the first pass with a `noiseLevel`. */
export function beginning({ noiseLevel, scheduler, steps, flowShift }: GenerationParameters): number[] | undefined {
  return noiseLevel === undefined ? undefined : levelsFrom(noiseLevel, ownSigmas(scheduler, steps, flowShift) ?? []);
}

/**
 * The window with its ends away from whole steps, so that the engine's single precision finds the steps that `i > steps · start and i < steps · end`
 * (diffusers' StableDiffusion3Pipeline, i from 0) finds in double precision, in each pass.
 */
export function guidanceWindow<T extends SkipLayerGuidance>(guidance: T, counts: readonly number[]): T {
  const { start = 0, end = 0 } = guidance;
  const first = (steps: number) => Math.floor(steps * start) + 1; // the first step above the start
  const past = (steps: number) => Math.ceil(steps * end); // the first that is not below the end
  const between = (limit: (steps: number) => number) => {
    const low = Math.max(...counts.map((steps) => (limit(steps) - 1) / steps));
    const high = Math.min(...counts.map((steps) => limit(steps) / steps));
    return (low + high) / 2;
  };
  return { ...guidance, start: between(first), end: between(past) };
}
