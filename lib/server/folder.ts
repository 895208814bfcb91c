import { readdir, realpath, stat } from "node:fs/promises";
import path from "node:path";
import { HttpError } from "./errors.js";

const deepest = 4;

/** Files of a folder that may be asked for by name, and nothing beside them: no path of a request is ever opened. */
export class Folder {
  /**
   * @param kind for messages: "LoRA", "upscaler"
   * @param root undefined when the server was given none
   */
  constructor(
    readonly kind: string,
    readonly root: string | undefined,
    readonly endings: readonly string[],
  ) {}

  /** Names without ending, with "/" between folders, in their order. */
  async names(): Promise<string[]> {
    return [...(await this.#files()).keys()].sort();
  }

  /**
   * The path of a file by its name, with or without ending; the last part of the name is enough where one file has it.
   * @throws HttpError 404 for a name that is not listed
   */
  async find(name: string, param: string): Promise<string> {
    return this.#find(await this.#files(), name, param);
  }

  /**
   * The same of several names, for which the folder is read once.
   * @throws HttpError 404 for the first that is not listed
   */
  async findAll(names: readonly { name: string; param: string }[]): Promise<string[]> {
    if (names.length === 0) return [];
    const files = await this.#files();
    return names.map(({ name, param }) => this.#find(files, name, param));
  }

  #find(files: ReadonlyMap<string, string>, name: string, param: string): string {
    const bare = this.endings.includes(path.extname(name).toLowerCase()) ? name.slice(0, -path.extname(name).length) : name;
    const below = [...files.keys()].filter((other) => other.endsWith(`/${bare}`));
    const file = files.get(bare) ?? (below.length === 1 ? files.get(below[0] as string) : undefined);
    if (file === undefined) {
      const known = [...files.keys()].sort().slice(0, 20).join(", ");
      const shown = JSON.stringify(name.length > 80 ? `${name.slice(0, 80)}…` : name);
      throw new HttpError(
        404,
        "not_found",
        `There is no ${this.kind} named ${shown}; ${known ? `known are ${known}` : "there are none"}.`,
        param,
      );
    }
    return file;
  }

  /** By name. Links that lead out of the folder are passed over. */
  async #files(): Promise<Map<string, string>> {
    const found = new Map<string, string>();
    if (this.root === undefined) return found;
    const root = await realpath(this.root).catch(() => undefined);
    if (root !== undefined) await this.#read(root, "", found, 0);
    return found;
  }

  async #read(root: string, below: string, found: Map<string, string>, depth: number): Promise<void> {
    for (const entry of await readdir(path.join(root, below), { withFileTypes: true }).catch(() => [])) {
      if (entry.name.startsWith(".")) continue;
      const inside = path.join(below, entry.name);
      const file = await realpath(path.join(root, inside)).catch(() => undefined); // a link to nothing
      if (file === undefined || !file.startsWith(root + path.sep)) continue;
      if (entry.isDirectory() && depth < deepest) await this.#read(root, inside, found, depth + 1);
      const ending = path.extname(entry.name);
      if (!this.endings.includes(ending.toLowerCase()) || !(await stat(file)).isFile()) continue;
      const name = inside.slice(0, -ending.length).replaceAll(path.sep, "/");
      if (!found.has(name)) found.set(name, file);
    }
  }
}
