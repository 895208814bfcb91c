import type { ListedFile, ListedModel, ModelFiles } from "../types/index.js";
import { aliasesOf, catalogModels, modelFiles } from "./catalog.js";
import type { CatalogFile, CatalogModel } from "./entries.js";
import { familyDefaults } from "./families.js";
import { licenses } from "./license.js";
import { repositoryFolder, storedFile, storedPath } from "./store.js";

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
  return Promise.all(modelFiles(model).map(async (file) => ({ ...(await storedFile(file)), role: optionOf(file) })));
}

/** The option of `loadModel` that takes a file, or the folder that it is in. */
export function optionOf({ role }: CatalogFile): keyof ModelFiles {
  return role === "folder" ? "model" : (role as keyof ModelFiles);
}

/** What `loadModel` is given: by option, the stored file, or the repository's folder. */
export function storedModel(model: CatalogModel): ModelFiles {
  return Object.fromEntries(
    modelFiles(model).map((file) => [optionOf(file), file.role === "folder" ? repositoryFolder(file.repo) : storedPath(file)]),
  );
}
