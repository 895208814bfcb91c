import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { modelFiles } from "../catalog/catalog.js";
import { type CatalogFile, type CatalogModel, isText } from "../catalog/entries.js";
import { Hub } from "../catalog/hub.js";
import { optionOf } from "../catalog/models.js";
import { defaultSettings } from "../catalog/retry.js";
import { storedFile } from "../catalog/store.js";
import { SdcppError } from "../errors.js";
import type { ModelFiles } from "../types/index.js";
import { HubFile } from "./hub-file.js";
import type { Source } from "./source.js";

export interface UnpulledOptions {
  signal?: AbortSignal;
  /** Takes the place of HF_TOKEN. */
  token?: string;
}

/**
 * Files of models that have not been pulled, as if they had been: in a temporary folder, with the names, sizes and headers of the hub's, and holes
 * where the weights would be. So whoever reads headers of files reads these, native code as well.
 */
export class Unpulled {
  readonly #options: UnpulledOptions;
  readonly #files = new Map<string, HubFile>();
  /** By path, of files and of repositories: the address on the hub. */
  readonly #addresses = new Map<string, string>();
  #folder: string | undefined;
  #hub: Hub | undefined;

  constructor(options: UnpulledOptions = {}) {
    this.#options = options;
  }

  /** Whether there is any such file. */
  get any(): boolean {
    return this.#addresses.size > 0;
  }

  /** For `ReadOptions`: what is read of these files is fetched, and stays. */
  readonly open = (location: string): Promise<Source> | undefined => {
    const file = this.#files.get(location);
    return file && Promise.resolve(file);
  };

  /**
   * For `openPreset`: the files of a model, those that were pulled from their place.
   * @throws DownloadError, ChecksumError when the hub does not give what the catalog says; there is one try
   */
  readonly add = async (model: CatalogModel, isNeeded: (option: keyof ModelFiles) => boolean): Promise<ModelFiles> => {
    const { token, signal } = this.#options;
    const settings = { ...defaultSettings, stallTimeout: 30_000 }; // somebody waits for the answer
    this.#hub ??= new Hub(settings, token === undefined ? process.env : { ...process.env, HF_TOKEN: token });
    this.#folder ??= await mkdtemp(path.join(tmpdir(), "sdcpp-headers-"));
    const failure = new AbortController();
    const stop = signal ? AbortSignal.any([signal, failure.signal]) : failure.signal;
    const found: ModelFiles = {};
    const work: Promise<void>[] = [];
    for (const file of modelFiles(model)) {
      const option = optionOf(file);
      if (!isNeeded(option)) continue;
      const stored = await storedFile(file);
      if (stored.state === "complete" && file.role !== "folder") {
        found[option] = stored.path;
        continue;
      }
      const repository = path.join(this.#folder, ...file.repo.split("/"));
      const at = path.join(repository, ...file.path.split("/"));
      found[option] = file.role === "folder" ? repository : at;
      this.#addresses.set(at, this.#hub.url(file)).set(repository, this.#hub.page(file.repo));
      work.push(this.#place(this.#hub, { file, at, model: model.id, signal: stop }).catch((error) => failure.abort(error)));
    }
    await Promise.all(work);
    stop.throwIfAborted();
    return found;
  };

  async #place(hub: Hub, place: { file: CatalogFile; at: string; model: string; signal: AbortSignal }): Promise<void> {
    const { at, file, signal } = place;
    await mkdir(path.dirname(at), { recursive: true });
    const source = new HubFile(hub, { ...place, stop: this.#options.signal ?? new AbortController().signal });
    if (isText(file)) return writeFile(at, await source.text(signal));
    this.#files.set(at, source);
    await source.start(signal);
  }

  /** A text with the addresses of these files in the place of their paths. */
  shown(text: string): string {
    const longestFirst = [...this.#addresses].sort(([a], [b]) => b.length - a.length); // a folder's path begins those of its files
    return longestFirst.reduce((shown, [at, address]) => shown.replaceAll(at, address), text);
  }

  /** An error that names addresses, not files which are gone when it is read. */
  explain(error: unknown): unknown {
    if (!(error instanceof SdcppError) || !this.any) return error;
    const { message, stack, file } = error as Error & { file?: string };
    const changed = { message: this.shown(message), ...(stack && { stack: this.shown(stack) }), ...(file && { file: this.shown(file) }) };
    return Object.assign(error, changed);
  }

  /** Removes the files. */
  async close(): Promise<void> {
    await this.#hub?.close();
    await Promise.all([...this.#files.values()].map((file) => file.end()));
    if (this.#folder) await rm(this.#folder, { recursive: true, force: true });
  }
}
