import { engineNames } from "../engine/backends/names.js";
import type { NativeModelParams } from "../engine/binding.js";
import { InvalidOptionError } from "../errors.js";
import type { ConvertOptions, Family, LogEvent, ModelFiles, Module, Offload, ProgressEvent } from "../types/index.js";
import { checkOptions, checkValue } from "./check.js";

import { convertOptions, convertTypes, fileOptions, inspectSource, modelOptions } from "./tables.js";

export interface CheckedModelOptions {
  /** Those given by options of their own. */
  files: ModelFiles;
  /** Files and folders in which to look for parts. */
  found?: string[];
  preset?: string;
  family?: Family;
  loraDir?: string;
  /** Everything but the files, as native code takes it. */
  params: NativeModelParams;
  force: boolean;
  maxQueue?: number;
  isolate?: boolean;
  signal?: AbortSignal;
  onProgress?: (event: ProgressEvent) => void;
  onLog?: (event: LogEvent) => void;
}

/** Checks the options of `loadModel`; throws InvalidOptionError. */
export function checkModelOptions(options: unknown): CheckedModelOptions {
  const checked = checkOptions(modelOptions, options);
  const { preset, family, backend, placement, threads, flashAttention, mmap, weightType, rng, promptCache } = checked;
  const { taesdPreviewOnly } = checked;
  const offload = checked.offload as Offload | undefined;
  if (offload) checkOffload(offload);
  const { loraDir } = checked;
  const loraApplyMode = applyMode(checked.loraApplyMode as string, mmap as boolean);
  const found = checked.files as string[] | undefined;
  if (found && preset) throw new InvalidOptionError("files", "expected no preset beside it");
  if (taesdPreviewOnly && !checked.taesd && preset !== "demo" && !found) {
    throw new InvalidOptionError("taesdPreviewOnly", "expected taesd beside it, the file that makes the previews");
  }
  const files = Object.fromEntries(Object.keys(fileOptions).flatMap((name) => (checked[name] ? [[name, checked[name]]] : [])));
  const params = {
    threads,
    flashAttention,
    mmap,
    weightType: engineType(weightType as string | undefined),
    rng,
    promptCache,
    loraApplyMode,
    offload,
    taesdPreviewOnly,
    backend: backendSpec(backend as string, placement as Partial<Record<Module, string>> | undefined),
  };
  for (const [name, value] of Object.entries(params)) if (value === undefined) delete params[name as keyof typeof params];
  const { force, maxQueue, isolate, signal, onProgress, onLog } = checked;
  return { files, found, preset, family, loraDir, params, force, maxQueue, isolate, signal, onProgress, onLog } as CheckedModelOptions;
}

/** Checks what `inspectModel` is to look at; throws InvalidOptionError. */
export function checkSources(source: unknown): string[] {
  return checkValue(inspectSource, source, "source") as string[];
}

/** The engine's spelling of a weight type: "q4_k" → "q4_K". */
function engineType<T extends string | undefined>(type: T): T {
  return type?.replace("_k", "_K") as T;
}

function checkOffload({ params, maxVram, streamLayers }: Offload): void {
  if (streamLayers && (params !== "cpu" || maxVram === undefined)) {
    throw new InvalidOptionError(
      "offload.streamLayers",
      'expected params: "cpu" and maxVram beside it, since layers stream from main memory',
    );
  }
}

/** Checks the options of `convert`; throws InvalidOptionError. The types are in the engine's spelling. */
export function checkConvertOptions(options: unknown): ConvertOptions {
  const { type, rules, ...checked } = checkOptions(convertOptions, options) as unknown as ConvertOptions;
  if (!/\.gguf$/i.test(checked.output)) {
    throw new InvalidOptionError("output", `expected a name ending in .gguf, received ${JSON.stringify(checked.output)}`);
  }
  return { ...checked, type: engineType(type), ...(rules === undefined ? {} : { rules: rules.split(",").map(checkRule).join(",") }) };
}

function checkRule(rule: string): string {
  const [, pattern = "", type = ""] = /^([^=]+)=(.*)$/.exec(rule.trim()) ?? [];
  if (!pattern)
    throw new InvalidOptionError("rules", `expected regex=type, received ${JSON.stringify(rule)} (patterns hold no comma or =)`);
  const known = convertTypes.map((name) => JSON.stringify(name)).join(", ");
  if (!(convertTypes as readonly string[]).includes(type))
    throw new InvalidOptionError("rules", `expected one of ${known} after "${pattern}=", received "${type}"`);
  try {
    new RegExp(pattern);
  } catch (error) {
    throw new InvalidOptionError("rules", `expected a regular expression before "=${type}": ${(error as Error).message}`);
  }
  return `${pattern}=${engineType(type)}`;
}

/** What is merged is read into memory, which one who maps files will not want by default. */
function applyMode(mode: string, mmap: boolean): string {
  return mmap && mode === "auto" ? "at_runtime" : mode;
}

/** "cuda:0" and { textEncoders: "cpu" } → "cuda0,te=cpu", the engine's syntax and device names; undefined stands for auto (lib/engine/backends/choice.ts). */
export function backendSpec(backend: string, placement: Partial<Record<Module, string>> = {}): string | undefined {
  const modules = { diffusion: "diffusion", textEncoders: "te", vae: "vae" };
  const parts = backend === "auto" ? [] : [backend];
  for (const [module, name] of Object.entries(modules)) {
    const place = placement[module as Module];
    if (place && place !== "auto") parts.push(`${name}=${place}`);
  }
  return parts.length ? engineNames(parts.join(",")) : undefined;
}
