import path from "node:path";
import { formatBytes, MissingComponentError } from "../errors.js";
import type { Family, ModelFiles } from "../types/index.js";
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

/**
 * The files of a preset, those that are `given` in their place. Nothing is downloaded.
 * @throws MissingComponentError when files are needed that were not pulled
 */
export async function openPreset(
  name: string,
  given: ModelFiles,
  options: { previewOnly?: boolean; signal?: AbortSignal },
): Promise<Preset> {
  const model = findModel(name);
  if (model) return { name: model.id, family: model.family, files: { ...(await pulledFiles(model, given)), ...given } };
  const { taesd, ...demo } = await demoFiles({ signal: options.signal });
  // The engine prefers a TAESD to a VAE.
  return { name, family: "demo", files: { ...demo, ...(given.vae && !options.previewOnly ? {} : { taesd }), ...given } };
}

async function pulledFiles(model: CatalogModel, given: ModelFiles): Promise<ModelFiles> {
  // Whoever gives a diffusion model of his own, in either form, needs none of ours.
  const replaced = (role: keyof ModelFiles) => given[role] !== undefined || (role === "diffusionModel" && given.model !== undefined);
  const files = (await listFiles(model)).filter(({ role }) => !replaced(role));
  const missing = files.filter(({ state }) => state !== "complete");
  if (missing.length === 0)
    return Object.fromEntries(Object.entries(storedModel(model)).filter(([role]) => !replaced(role as keyof ModelFiles)));
  const names = missing.map(({ path: file, bytes, bytesOnDisk }) => {
    const there = bytesOnDisk > 0 ? `${formatBytes(bytesOnDisk)} of ` : "";
    return `${path.basename(file)} (${there}${formatBytes(bytes)})`;
  });
  throw new MissingComponentError(
    `${model.id} has not been pulled completely; missing: ${names.join(", ")}. Get it with \`npx node-sd-cpp pull ${model.id}\`, or give files of your own.`,
  );
}
