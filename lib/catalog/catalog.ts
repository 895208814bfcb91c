import path from "node:path";
import builtIn from "./catalog.json";
import type { Catalog, CatalogFile, CatalogModel } from "./entries.js";

/** Files that complete a model, by the catalog's names for them. */
export const publishedParts = (builtIn as unknown as Catalog).parts;

let catalog = builtIn as unknown as Catalog;

/** @internal For tests, whose models are small and lie on a server of their own. */
export function replaceCatalog(other: Catalog): void {
  catalog = other;
}

export function catalogModels(): CatalogModel[] {
  return catalog.models;
}

/** Names that `preset` and `pull` take: ids and aliases. */
export function catalogNames(): string[] {
  return [...Object.keys(catalog.aliases), ...catalog.models.map(({ id }) => id)];
}

export function aliasesOf(id: string): string[] {
  return Object.keys(catalog.aliases).filter((alias) => catalog.aliases[alias] === id);
}

/** The model of that id or alias. */
export function findModel(name: string): CatalogModel | undefined {
  const id = Object.hasOwn(catalog.aliases, name) ? catalog.aliases[name] : name;
  return catalog.models.find((model) => model.id === id);
}

/** The files that a model is loaded from. */
export function modelFiles({ file, folder = [], with: names }: CatalogModel): CatalogFile[] {
  return [file, ...folder, ...names.map((name) => catalog.parts[name] as CatalogFile)];
}

/** The license text that comes with a model, from the model's own repository. */
export function licenseFile({ file: { repo, license } }: CatalogModel): CatalogFile {
  return { role: "license", repo, path: "LICENSE.md", bytes: null, about: 12_000, sha256: null, license };
}

/** All files of a repository that the catalog knows. */
export function filesOfRepository(repo: string): CatalogFile[] {
  return [...Object.values(catalog.parts), ...catalog.models.flatMap(({ file, folder = [] }) => [file, ...folder])].filter(
    (file) => file.repo === repo,
  );
}

export function fileName(file: CatalogFile): string {
  return path.posix.basename(file.path);
}
