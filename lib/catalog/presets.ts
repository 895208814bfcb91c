import path from "node:path";
import { formatBytes, MissingComponentError } from "../errors.js";
import type { Family, ListedFile, ModelFiles } from "../types/index.js";
import { catalogNames, findModel } from "./catalog.js";
import { demoFiles } from "./demo.js";
import type { CatalogModel } from "./entries.js";
import { listFiles, storedModel } from "./models.js";

/** A model known by name: its files, and what the catalog says of it. */
export interface Preset {
  /** The id, also when an alias was given. */
  name: string;
  family: Family;
  files: ModelFiles;
}

/** What `preset` takes. */
export function presetNames(): string[] {
  return ["demo", ...catalogNames()];
}

export interface PresetOptions {
  previewOnly?: boolean;
  signal?: AbortSignal;
  /** Stands in for files that were not pulled, those that `isNeeded` says. Without it they are an error. */
  standIn?: (model: CatalogModel, isNeeded: (option: keyof ModelFiles) => boolean) => Promise<ModelFiles>;
}

/**
 * The files of a preset, those that are `given` in their place. Nothing is downloaded.
 * @throws MissingComponentError when files are needed that were not pulled
 */
export async function openPreset(name: string, given: ModelFiles, options: PresetOptions): Promise<Preset> {
  const model = findModel(name);
  if (model) return { name: model.id, family: model.family, files: { ...(await pulledFiles(model, given, options)), ...given } };
  const { taesd, ...demo } = await demoFiles({ signal: options.signal });
  // The engine prefers a TAESD to a VAE.
  return { name, family: "demo", files: { ...demo, ...(given.vae && !options.previewOnly ? {} : { taesd }), ...given } };
}

/** Whoever gives a diffusion model of his own, in either form, needs none of ours. */
function neededBeside(given: ModelFiles): (option: keyof ModelFiles) => boolean {
  return (option) => given[option] === undefined && !(option === "diffusionModel" && given.model !== undefined);
}

/** What has not been pulled, or not completely, of the files that a model needs beside those that are `given`. */
export async function missingFiles(model: CatalogModel, given: ModelFiles = {}): Promise<ListedFile[]> {
  const isNeeded = neededBeside(given);
  return (await listFiles(model)).filter(({ role, state }) => isNeeded(role) && state !== "complete");
}

async function pulledFiles(model: CatalogModel, given: ModelFiles, { standIn }: PresetOptions): Promise<ModelFiles> {
  const isNeeded = neededBeside(given);
  const missing = await missingFiles(model, given);
  if (missing.length === 0)
    return Object.fromEntries(Object.entries(storedModel(model)).filter(([role]) => isNeeded(role as keyof ModelFiles)));
  if (standIn) return standIn(model, isNeeded);
  const names = missing.map(({ path: file, bytes, bytesOnDisk }) => {
    const there = bytesOnDisk > 0 ? `${formatBytes(bytesOnDisk)} of ` : "";
    return `${path.basename(file)} (${there}${formatBytes(bytes)})`;
  });
  throw new MissingComponentError(
    `${model.id} has not been pulled completely; missing: ${names.join(", ")}. Get it with \`npx node-sd-cpp pull ${model.id}\`, or give files of your own.`,
  );
}
