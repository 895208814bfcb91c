import { readFile, stat } from "node:fs/promises";
import path from "node:path";
import { ModelFileError } from "../errors.js";
import type { GenerationParameters } from "../types/index.js";
import { type Checkpoint, readCheckpoint, whatIs } from "./checkpoint.js";
import { labelled } from "./components.js";
import type { Header } from "./header.js";
import type { Kind } from "./kinds.js";
import { readAdapter } from "./lora/adapter.js";
import { planOf } from "./lora/plan.js";
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

const mostConfigBytes = 1 << 20;

const titles = { lora: "a LoRA", upscaler: "an ESRGAN network" } satisfies Partial<Record<Kind["id"], string>>;

/**
 * Refuses a file that is damaged, and what is certainly of another kind. Whether an upscaler is a network that the engine knows, the engine tells.
 * @throws ModelFileError, UnsupportedModelError for a file that is split, the signal's reason when it is aborted
 */
export async function checkExtra(extra: Extra, options: ReadOptions = {}): Promise<void> {
  await readExtra(extra, options);
}

async function readExtra({ option, file, kind: wanted }: Extra, options: ReadOptions): Promise<Checkpoint> {
  checkLocal(option, file);
  const checkpoint: Checkpoint = await labelled(option, readCheckpoint(file, options));
  checkWhole(option, checkpoint);
  const { kind, parts } = checkpoint;
  if (parts.length === 0 && (!kind || kind.id === wanted || kind.id === "unknown")) return checkpoint;
  throw new ModelFileError(`${option}: ${file} is ${article(whatIs(checkpoint))}, expected ${titles[wanted]}`, { file });
}

/**
 * What native code is told to do with a LoRA: see lora/plan.ts. Whether the modules' sizes are those of the model, native code tells.
 * @throws ModelFileError, as `checkExtra`, and for a LoRA that holds what is not understood, or is for another model
 */
export async function planLora(extra: Extra, options: ReadOptions = {}): Promise<string> {
  const { header } = await readExtra(extra, options);
  const refuse = (what: string): never => {
    throw new ModelFileError(`${extra.option}: ${extra.file} ${what}`, { file: extra.file });
  };
  if (!header) return refuse("is a pickle of Python, whose tensors only Python can list; convert it to safetensors");
  const adapter = readAdapter(header, await configBeside(extra.file, header));
  if (adapter.fault !== undefined) return refuse(`cannot be applied as its makers meant: ${adapter.fault}`);
  if (adapter.changes.length > 0) return planOf(adapter, header.files[0]?.bytes ?? 0);
  const [first] = adapter.homeless;
  if (first === undefined) return refuse("is no LoRA: it holds no pair of lora_up and lora_down (or lora_A and lora_B) tensors");
  return refuse(`is a LoRA for another model: Stable Diffusion 3 has none of the modules that it changes, for example that of ${first}`);
}

/** PEFT keeps ranks and alphas in a file beside its tensors. */
async function configBeside(file: string, { tensors }: Header): Promise<string | undefined> {
  if (!tensors.some(({ name }) => name.startsWith("base_model.model."))) return undefined;
  const config = path.join(path.dirname(file), "adapter_config.json");
  const found = await stat(config).catch(() => undefined);
  return found?.isFile() && found.size <= mostConfigBytes ? readFile(config, "utf8") : undefined;
}
