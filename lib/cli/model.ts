import { existsSync } from "node:fs";
import { InvalidOptionError } from "../errors.js";
import { notPulled, presetNames } from "../models.js";
import { suggestion } from "../options/check.js";
import type { ModelFiles, ModelOptions, PresetName } from "../types/index.js";

export const modelDescription = "All-in-one file, folder with the files, or a model by name as `npx node-sd-cpp models` lists them";

/**
 * `--model` takes a preset's name, a file or a folder.
 * @param option where it was given; "" for an argument
 * @throws InvalidOptionError for what is none of them, but nearly a name
 */
export function presetOrFile(model: string, option = "model"): Pick<ModelOptions, "preset" | "model"> {
  const names = presetNames();
  const [family] = model.split(":");
  // "sd3.5-medium:q9" is a mistake to be named, and no file.
  const meant = names.includes(model) || (model.includes(":") && names.some((name) => name.startsWith(`${family}:`)));
  if (meant) return { preset: model as PresetName }; // a wrong type of a known family is named by loadModel
  const near = existsSync(model) ? "" : suggestion(model, names);
  if (near) throw new InvalidOptionError(option, `${model} is neither a file nor a model's name${near}`);
  return { model };
}

/** Says that a model's headers come from the hub, as its files are not here. */
export async function announceUnpulled(name: string, given: ModelFiles = {}): Promise<void> {
  const missing = await notPulled(name, given);
  if (missing) process.stderr.write(`${missing.id} has not been pulled: its headers are read from ${missing.server}\n`);
}
