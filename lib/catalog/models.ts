import type { Family, ModelDefaults, ModelFiles } from "../types/index.js";
import { aliasesOf, type CatalogModel, catalogModels, modelFiles } from "./catalog.js";
import { familyDefaults } from "./families.js";
import { licenses } from "./license.js";
import { type FileState, storedFile } from "./store.js";

export interface ListedFile {
  /** The option of `loadModel` that takes it. */
  role: keyof ModelFiles;
  /** Where it is, or will be. */
  path: string;
  state: FileState;
  /** Of the whole file; rounded where only the hub knows it exactly. */
  bytes: number;
  bytesOnDisk: number;
}

/** A model that `preset` takes. */
export interface ListedModel {
  id: string;
  /** Shorter names for it. */
  aliases: string[];
  family: Family;
  license: string;
  /** The hub gives it only to accounts that have asked for it: `pull` needs `HF_TOKEN`. */
  gated: boolean;
  /** `included`: part of the package. `partial`: a pull was begun, or other models share some of the files. */
  state: FileState | "included";
  /** Of all files. */
  bytes: number;
  bytesOnDisk: number;
  files: ListedFile[];
  /** What `generate` takes when no option says otherwise. */
  defaults: ModelDefaults;
}

/** The models that are known by name, and what of them is in the cache folder. Asks no server. */
export async function listModels(): Promise<ListedModel[]> {
  return [demo(), ...(await Promise.all(catalogModels().map(list)))];
}

function demo(): ListedModel {
  return {
    id: "demo",
    aliases: [],
    family: "demo",
    license: licenses.mit.name,
    gated: false,
    state: "included",
    bytes: 0,
    bytesOnDisk: 0,
    files: [],
    defaults: familyDefaults("demo", Infinity),
  };
}

async function list(model: CatalogModel): Promise<ListedModel> {
  const files = await listFiles(model);
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
  const bytesOnDisk = files.reduce((sum, file) => sum + file.bytesOnDisk, 0);
  const complete = files.every(({ state }) => state === "complete");
  return {
    id: model.id,
    aliases: aliasesOf(model.id),
    family: model.family,
    license: licenses[model.file.license].name,
    gated: model.gated,
    state: complete ? "complete" : bytesOnDisk > 0 ? "partial" : "absent",
    bytes,
    bytesOnDisk,
    files,
    defaults: familyDefaults(model.family, Infinity),
  };
}

export async function listFiles(model: CatalogModel): Promise<ListedFile[]> {
  return Promise.all(modelFiles(model).map(async (file) => ({ ...(await storedFile(file)), role: file.role as keyof ModelFiles })));
}
