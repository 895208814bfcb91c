import { presetNames } from "../models.js";
import type { ModelOptions } from "../types/index.js";

export const modelDescription = "All-in-one file, folder with the files, or a model by name as `sdcpp models` lists them";

/** `--model` takes a preset's name, a file or a folder. */
export function presetOrFile(model: string): Pick<ModelOptions, "preset" | "model"> {
  const names = presetNames();
  const [family] = model.split(":");
  // "sd3.5-medium:q9" is a mistake to be named, and no file.
  const meant = names.includes(model) || (model.includes(":") && names.some((name) => name.startsWith(`${family}:`)));
  return meant ? { preset: model } : { model };
}
