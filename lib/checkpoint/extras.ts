import { ModelFileError } from "../errors.js";
import type { GenerationParameters } from "../types/index.js";
import { type Checkpoint, readCheckpoint, whatIs } from "./checkpoint.js";
import { labelled } from "./components.js";
import type { Kind } from "./kinds.js";
import { article, checkLocal, checkWhole } from "./refusals.js";
import type { ReadOptions } from "./source.js";

/** A file beside the model: a LoRA or an ESRGAN network. */
export interface Extra {
  option: string;
  file: string;
  kind: "lora" | "upscaler";
}

/** The files that a run reads beside the model's own. */
export function extrasOf({ loras = [], hires }: Pick<GenerationParameters, "loras" | "hires">): Extra[] {
  return [
    ...loras.map(({ path: file }): Extra => ({ option: "loras", file, kind: "lora" })),
    ...(hires?.model === undefined ? [] : [{ option: "hires.model", file: hires.model, kind: "upscaler" } as const]),
  ];
}

const titles = { lora: "a LoRA", upscaler: "an ESRGAN network" } satisfies Partial<Record<Kind["id"], string>>;

/**
 * Refuses a file that is damaged, and what is certainly of another kind. Whether it fits the model, or is a network that the engine knows,
 * the engine tells.
 * @throws ModelFileError, UnsupportedModelError for a file that is split, the signal's reason when it is aborted
 */
export async function checkExtra({ option, file, kind: wanted }: Extra, options: ReadOptions = {}): Promise<void> {
  checkLocal(option, file);
  const checkpoint: Checkpoint = await labelled(option, readCheckpoint(file, options));
  checkWhole(option, checkpoint);
  const { kind, parts } = checkpoint;
  if (parts.length === 0 && (!kind || kind.id === wanted || kind.id === "unknown")) return;
  throw new ModelFileError(`${option}: ${file} is ${article(whatIs(checkpoint))}, expected ${titles[wanted]}`, { file });
}
