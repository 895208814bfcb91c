import type { Image } from "./image.js";

/** `upscale` is a hires fix between its two `sample` phases, or the work of an `Upscaler`. */
export type Phase = "load" | "encode" | "sample" | "upscale" | "decode" | "convert";

/** Place in line, 1 = next; sent when the run has to wait and whenever its place changes, also backward when another goes before it. */
export interface QueuedEvent {
  type: "queued";
  position: number;
}

export interface PhaseEvent {
  type: "phase";
  phase: Phase;
  /** Which picture of the batch, from 0. */
  image: number;
  /** With `hires`: 1 up to the first sampling, 2 from the enlargement on. */
  pass?: number;
}

export interface ProgressEvent {
  type: "progress";
  phase: Phase;
  /** Steps done, 1 to `steps`; while loading or converting: tensors; while an `Upscaler` works: tiles. */
  step: number;
  steps: number;
  image: number;
  images: number;
  /** With `hires`: which of the two samplings. */
  pass?: number;
  /** Mean of this phase so far. */
  secondsPerStep: number;
  /** Seconds to the end of the phase, over all pictures of the batch that are still to come. */
  eta: number;
}

/** What an unfinished picture looks like after a step. A reader who is late gets the latest eight that wait for him. */
export interface PreviewEvent {
  type: "preview";
  /** Which picture of the batch, from 0. */
  image: number;
  /** Steps done. */
  step: number;
  /** With `hires`: which of the two samplings. */
  pass?: number;
  /** 1/8 of the size with mode `"latent"`, else the size of this pass. */
  preview: Image;
}

export interface ImageEvent {
  type: "image";
  index: number;
  seed: bigint;
  image: Image;
}

export interface LogEvent {
  type: "log";
  level: "debug" | "info" | "warn" | "error";
  text: string;
}

export type GenerationEvent = QueuedEvent | PhaseEvent | ProgressEvent | PreviewEvent | ImageEvent | LogEvent;
