import type { Family, ModelFiles } from "../types/index.js";

/** What catalog.json says. */

export type LicenseId = "stability-ai-community" | "mit" | "apache-2.0";

/** A file on the hub. */
export interface CatalogFile {
  /** The option of `loadModel` that takes it; `folder` for a file of a folder that `model` takes; `license` for a text that comes along. */
  role: keyof ModelFiles | "folder" | "license";
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

/** A small file that is no weights. The hub tells no checksum of it. */
export function isText({ role, path }: CatalogFile): boolean {
  return role === "license" || /\.json$/.test(path);
}

export interface CatalogModel {
  id: string;
  family: Family;
  /** The hub gives the file only to accounts that have asked for it. */
  gated: boolean;
  file: CatalogFile;
  /** The other files of a diffusers folder, which is that of the repository; `file` is its model_index.json. */
  folder?: CatalogFile[];
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
