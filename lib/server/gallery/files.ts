import { readdir, readFile, stat, unlink } from "node:fs/promises";
import path from "node:path";
import { SdcppError } from "../../errors.js";
import { readParameters } from "../../picture/parameters.js";
import type { ImageParameters } from "../../types/index.js";
import { HttpError } from "../errors.js";
import { headOfPng } from "./head.js";
import { type Kept, newestFirst, type Shelf, summarized } from "./kept.js";

const endings = new Set([".png", ".jpg", ".jpeg", ".webp", ".avif"]);
const deepest = 4;
/** A page shows so many at most: more would only fill the memory. */
const mostFiles = 100_000;

interface Directory {
  mtime: number;
  files: Kept[];
  folders: string[];
}

/** The pictures of a folder and those below. Files are the database: nothing is kept beside them that is not read anew when they change. */
export class FileShelf implements Shelf {
  readonly kind = "files";
  readonly #root: string;
  #known = new Map<string, Directory>();
  /** In work, for all who ask meanwhile. */
  #listing: Promise<readonly Kept[]> | undefined;
  #listed: { at: number; files: readonly Kept[]; byName: ReadonlyMap<string, Kept> } = { at: 0, files: [], byName: new Map() };

  constructor(root: string) {
    this.#root = root;
  }

  list(): Promise<readonly Kept[]> {
    this.#listing ??= this.#list().finally(() => {
      this.#listing = undefined;
    });
    return this.#listing;
  }

  /** A page asks for many at once: for them the disk is looked at once a second, and for what is not known at once. */
  async find(name: string): Promise<Kept | undefined> {
    if (Date.now() - this.#listed.at > 1000 || !this.#listed.byName.has(name)) await this.list();
    return this.#listed.byName.get(name);
  }

  async remove({ name }: Kept): Promise<void> {
    await unlink(path.join(this.#root, name)).catch((cause) => {
      throw new HttpError(409, "not_deleted", `The picture could not be deleted (${(cause as NodeJS.ErrnoException).code}).`);
    });
    this.#listed.at = 0;
  }

  async #list(): Promise<readonly Kept[]> {
    const seen = new Map<string, Directory>();
    const at = Date.now();
    await this.#read("", seen, 0);
    const isSame = seen.size === this.#known.size && [...seen].every(([name, directory]) => this.#known.get(name) === directory);
    this.#known = seen;
    if (isSame) this.#listed.at = at;
    else {
      const all = [...seen.values()].flatMap(({ files }) => files);
      const files = all.sort(newestFirst).slice(0, mostFiles);
      this.#listed = { at, files, byName: new Map(files.map((kept) => [kept.name, kept])) };
    }
    return this.#listed.files;
  }

  /** A folder's time changes when a file comes, goes or is replaced by another one of its name. */
  async #read(below: string, seen: Map<string, Directory>, depth: number): Promise<void> {
    const folder = path.join(this.#root, below);
    const mtime = (await stat(folder).catch(() => undefined))?.mtimeMs;
    if (mtime === undefined) return;
    const known = this.#known.get(below);
    const isOld = known?.mtime === mtime && Date.now() - mtime > 2000; // two changes may share a time
    const directory = isOld ? known : await this.#readAnew(below, mtime, known);
    seen.set(below, directory);
    if (depth < deepest) for (const name of directory.folders) await this.#read(path.join(below, name), seen, depth + 1);
  }

  async #readAnew(below: string, mtime: number, known: Directory | undefined): Promise<Directory> {
    const entries = await readdir(path.join(this.#root, below), { withFileTypes: true }).catch(() => []);
    const visible = entries.filter(({ name }) => !name.startsWith("."));
    const same = new Map(known?.files.map((kept) => [kept.name, kept]));
    // Links are neither files nor folders here: nothing leads out.
    const files = visible.filter((entry) => entry.isFile() && endings.has(path.extname(entry.name).toLowerCase()));
    const kept = await Promise.all(files.map(({ name }) => this.#look(path.join(below, name).replaceAll(path.sep, "/"), same)));
    return {
      mtime,
      files: kept.filter((one) => one !== undefined),
      folders: visible.filter((entry) => entry.isDirectory()).map(({ name }) => name),
    };
  }

  async #look(name: string, same: ReadonlyMap<string, Kept>): Promise<Kept | undefined> {
    const file = path.join(this.#root, name);
    const time = (await stat(file).catch(() => undefined))?.mtimeMs;
    if (time === undefined) return undefined;
    const before = same.get(name);
    if (before?.time === time) return before; // with what was read of it
    const parameters = () => parametersOf(file);
    return {
      name,
      time,
      read: () =>
        readFile(file).catch(() => {
          throw new HttpError(404, "not_found", "The picture is no longer in the output folder.");
        }),
      parameters,
      summary: summarized(parameters),
    };
  }
}

/** The whole file is read only where nothing stands before its pixels: ten thousand large pictures are searched in seconds. */
async function parametersOf(file: string): Promise<ImageParameters | null> {
  try {
    const head = await headOfPng(file);
    return (head && (await readParameters(head))) ?? (await readParameters(file));
  } catch (error) {
    if (error instanceof SdcppError || (error as NodeJS.ErrnoException).code !== undefined) return null; // no picture, or gone
    throw error;
  }
}
