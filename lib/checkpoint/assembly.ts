import type { MissingPart, ModelFiles } from "../types/index.js";
import type { Checkpoint } from "./checkpoint.js";
import type { Part } from "./parts.js";

/** What is given to make a model of. */
export interface Given {
  /** By their options. */
  explicit: ModelFiles;
  /** Files and folders without a word on what they are. */
  found?: string[];
  /** Where those are named. Default: "files". */
  foundBy?: string;
  /** TAESD makes previews only, so that a VAE is needed beside it. */
  taesdPreviewOnly?: boolean;
}

export type Slot = keyof ModelFiles;

/** A part that the engine will read, and from which file. */
export interface UsedPart {
  /** Where the file was named: an option of its own, or `files`. */
  option: string;
  slot: Slot;
  checkpoint: Checkpoint;
  part: Part;
}

/** Which file goes to which option of the engine. */
export interface Assembly {
  files: ModelFiles;
  checkpoints: Checkpoint[];
  used: UsedPart[];
  ignored: { file: string; reason: string }[];
  missing: MissingPart[];
  /** Name of the diffusers folder from which the diffusion model is. */
  title?: string;
  /** That its scheduler has. */
  flowShift?: number;
}
