import path from "node:path";
import type { Family, ModelFiles } from "../types/index.js";
import builtIn from "./catalog.json";
import type { LicenseId } from "./license.js";

/** A file on the hub. */
export interface CatalogFile {
  /** The option of `loadModel` that takes it; `license` for a text that comes along. */
  role: keyof ModelFiles | "license";
  repo: string;
  path: string;
  /** Exact size; null where only the hub knows it. */
  bytes: number | null;
  /** Where `bytes` is null: roughly. */
  about?: number;
  /** null: the hub's own report decides, and is recorded beside the file. */
  sha256: string | null;
  license: LicenseId;
  /** Where size and checksum are from. */
  comment?: string;
}

export interface CatalogModel {
  id: string;
  family: Family;
  /** The hub gives the file only to accounts that have asked for it. */
  gated: boolean;
  file: CatalogFile;
  /** Names of the parts that complete it. */
  with: string[];
}

export interface Catalog {
  /** A short name for the model of each family that is the best start. */
  aliases: Record<string, string>;
  /** Files that models share. */
  parts: Record<string, CatalogFile>;
  models: CatalogModel[];
}

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
export function modelFiles({ file, with: names }: CatalogModel): CatalogFile[] {
  return [file, ...names.map((name) => catalog.parts[name] as CatalogFile)];
}

/** The license text that comes with a model, from the model's own repository. */
export function licenseFile({ file: { repo, license } }: CatalogModel): CatalogFile {
  return { role: "license", repo, path: "LICENSE.md", bytes: null, about: 12_000, sha256: null, license };
}

/** All files of a repository that the catalog knows. */
export function filesOfRepository(repo: string): CatalogFile[] {
  return [...Object.values(catalog.parts), ...catalog.models.map(({ file }) => file)].filter((file) => file.repo === repo);
}

export function fileName(file: CatalogFile): string {
  return path.posix.basename(file.path);
}
