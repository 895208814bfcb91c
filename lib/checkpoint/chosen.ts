import { openPreset } from "../catalog/presets.js";
import type { NativeModelParams } from "../engine/binding.js";
import { InvalidOptionError } from "../errors.js";
import type { CheckedModelOptions } from "../options/index.js";
import type { Family, ModelFiles } from "../types/index.js";
import type { Assembly } from "./assembly.js";
import { assemble } from "./components.js";
import { planModel } from "./plan.js";
import { checkLoadable, checkLocal } from "./refusals.js";
import type { Unpulled } from "./unpulled.js";

/** A model's files by option, and what is known of them before they are loaded. */
export interface ChosenModel {
  files: ModelFiles;
  /** The preset's id, unless its diffusion model was replaced. */
  name?: string;
  /** Undefined where only the loaded tensors can tell: for a pickle. */
  family?: Family;
  assembly: Assembly;
  /** How the engine is to read those files that it would not read so itself. */
  plans?: string;
}

/**
 * Which file is which: of the preset, of those given by their options, and of those in `files`.
 * @param unpulled stands in for files of a preset that have not been pulled; without it they are an error
 * @throws InvalidOptionError, ModelFileError, UnsupportedModelError, MissingComponentError when they make no whole model
 */
export async function chooseFiles(
  { files: given, found, preset, family, params, signal }: CheckedModelOptions,
  unpulled?: Unpulled,
): Promise<ChosenModel> {
  if (!preset && !found && Object.keys(given).length === 0) {
    throw new InvalidOptionError("", 'no diffusion model: give model (an all-in-one file), diffusionModel, files or preset: "demo"');
  }
  for (const [option, file] of Object.entries(given)) checkLocal(option, file);
  for (const file of found ?? []) checkLocal("files", file);
  const { taesdPreviewOnly } = params;
  const known = preset ? await openPreset(preset, given, { previewOnly: taesdPreviewOnly, signal, standIn: unpulled?.add }) : undefined;
  const reading = { signal, open: unpulled?.open };
  const assembly = await assemble({ explicit: known?.files ?? given, found, taesdPreviewOnly }, reading);
  checkLoadable(assembly);
  const { files } = assembly;
  const plans = await planModel(assembly, reading);
  const read = assembly.used.find(({ part }) => part.name === "diffusion")?.checkpoint.family;
  // Tensors cannot show that they are the demo's, so what takes their place there counts as such.
  if (!known || ((given.diffusionModel || given.model) && preset !== "demo"))
    return { files, name: assembly.title, family: family ?? read, assembly, plans };
  return { files, name: known.name, family: family ?? known.family, assembly, plans };
}

/** The files of those checkpoints that have several, by the path that stands for them. */
export function splitFiles({ assembly }: ChosenModel): Map<string, string[]> {
  return new Map(
    assembly.checkpoints.flatMap(({ location, header }) => (header ? [[location, header.files.map(({ path }) => path)] as const] : [])),
  );
}

/** All that native code takes for a load. */
export function loadParams({ files, family, plans }: ChosenModel, params: NativeModelParams): NativeModelParams {
  return { ...files, ...(plans !== undefined && { plans }), ...params, flashAttention: params.flashAttention ?? family !== "demo" }; // slower with the demo's tiny heads
}
