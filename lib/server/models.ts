import { readdir, realpath, stat } from "node:fs/promises";
import path from "node:path";
import { InsufficientMemoryError, SdcppError } from "../errors.js";
import { inspectModel } from "../inspect.js";
import { loadModel, type Model } from "../model.js";
import { families, familyDefaults, listModels, modelName } from "../models.js";
import type { Family, ModelDefaults, ModelOptions, ProgressEvent } from "../types/index.js";
import { HttpError } from "./errors.js";
import type { CheckedHandlerOptions } from "./options.js";

/** Whose defaults go for files that do not show their family. */
const usualFamily: Family = "sd3.5-medium";

/** A model that may be asked for by name. */
export interface ServedModel {
  id: string;
  /** Other names. */
  aliases: readonly string[];
  family?: Family;
  license?: string;
  /** What is drawn where a request leaves it open. */
  defaults: ModelDefaults;
  maxSide?: number;
  /** Seconds since 1970. */
  created: number;
  files: Pick<ModelOptions, "preset" | "files"> | ModelOptions;
}

interface Loaded {
  served: ServedModel;
  model: Promise<Model>;
  /** How many use it. */
  users: number;
  /** Milliseconds. */
  lastUse: number;
  timer?: NodeJS.Timeout;
}

/** The models of a server: listed, loaded when they are asked for, unloaded when idle or when another one needs the memory. */
export class Models {
  readonly #options: CheckedHandlerOptions;
  readonly #loaded = new Map<string, Loaded>();
  /** By path, with what it depends on. */
  readonly #inspected = new Map<string, { key: string; served: ServedModel | undefined; isPart: boolean }>();
  #given: Promise<ServedModel> | undefined;
  #listed: { at: number; models: Promise<ServedModel[]> } | undefined;

  readonly #loadModel: typeof loadModel;

  /** @param load for tests */
  constructor(options: CheckedHandlerOptions, load = loadModel) {
    this.#options = options;
    this.#loadModel = load;
  }

  /** The default one first. What is on the disk is looked at once a second at most. */
  list(): Promise<ServedModel[]> {
    const now = Date.now();
    if (!this.#listed || now - this.#listed.at > 1000) {
      this.#listed = { at: now, models: this.#list() };
      this.#listed.models.catch(() => {
        this.#listed = undefined;
      });
    }
    return this.#listed.models;
  }

  async #list(): Promise<ServedModel[]> {
    const given = this.#options.model ? [await this.#givenModel()] : [];
    const named = (await listModels()).filter(({ state }) => state === "included" || state === "complete").map(ofCatalog);
    const [demo, ...pulled] = named;
    const all = [...given, ...(await this.#inFolder()), ...pulled, ...(demo ? [demo] : [])];
    return all.filter(({ id }, at) => all.findIndex((other) => other.id === id) === at);
  }

  /**
   * By id or alias; the default one for an empty name.
   * @throws HttpError 404
   */
  async find(name: string | undefined, param = "model"): Promise<ServedModel> {
    const all = await this.list();
    const found = name ? (all.find(({ id }) => id === name) ?? all.find(({ aliases }) => aliases.includes(name))) : all[0];
    if (found) return found;
    const known = all.map(({ id }) => id).join(", ");
    const shown = JSON.stringify(name && name.length > 80 ? `${name.slice(0, 80)}…` : name);
    throw new HttpError(404, "model_not_found", `There is no model named ${shown}; known are ${known}.`, param);
  }

  /** Ids of those in memory. */
  get loaded(): string[] {
    return [...this.#loaded.keys()];
  }

  /** The model, if it is in memory. */
  async loadedModel(id: string): Promise<Model | undefined> {
    return this.#loaded.get(id)?.model.catch(() => undefined);
  }

  /**
   * Loads it if need be, and keeps it while `work` runs.
   * @param onLoad progress of the load
   */
  async use<T>(
    served: ServedModel,
    { signal, onLoad }: { signal: AbortSignal; onLoad?: (event: ProgressEvent) => void },
    work: (model: Model) => Promise<T>,
  ): Promise<T> {
    const entry = this.#loaded.get(served.id) ?? this.#load(served, signal, onLoad);
    clearTimeout(entry.timer);
    entry.users++;
    try {
      return await work(await entry.model);
    } finally {
      entry.users--;
      entry.lastUse = Date.now();
      this.#watch(entry);
    }
  }

  /** Frees models that nobody uses. @returns the ids */
  async unload(id?: string): Promise<string[]> {
    const idle = [...this.#loaded.values()].filter((entry) => entry.users === 0 && (id === undefined || entry.served.id === id));
    await Promise.all(idle.map((entry) => this.#drop(entry)));
    return idle.map(({ served }) => served.id);
  }

  async close(): Promise<void> {
    await Promise.all([...this.#loaded.values()].map((entry) => this.#drop(entry)));
  }

  #load(served: ServedModel, signal: AbortSignal, onLoad?: (event: ProgressEvent) => void): Loaded {
    const entry: Loaded = { served, model: this.#loadInto(served, signal, onLoad), users: 0, lastUse: Date.now() };
    this.#loaded.set(served.id, entry);
    entry.model.catch(() => this.#loaded.delete(served.id));
    return entry;
  }

  /** What does not fit beside others fits, perhaps, without those that are idle. */
  async #loadInto(served: ServedModel, signal: AbortSignal, onProgress?: (event: ProgressEvent) => void): Promise<Model> {
    const { load, onLog } = this.#options;
    for (;;) {
      try {
        const model = await this.#loadModel({ ...load, ...served.files, signal, onProgress });
        onLog?.(`loaded ${served.id}`);
        return model;
      } catch (error) {
        const [oldest] = [...this.#loaded.values()].filter(({ users }) => users === 0).sort((a, b) => a.lastUse - b.lastUse);
        if (!(error instanceof InsufficientMemoryError) || !oldest) throw error;
        onLog?.(`${served.id} does not fit beside ${oldest.served.id}`);
        await this.#drop(oldest);
      }
    }
  }

  #watch(entry: Loaded): void {
    const { idleSeconds } = this.#options;
    if (entry.users > 0 || idleSeconds === 0 || this.#loaded.get(entry.served.id) !== entry) return;
    clearTimeout(entry.timer);
    entry.timer = setTimeout(() => void this.#drop(entry), idleSeconds * 1000);
    entry.timer.unref();
  }

  async #drop(entry: Loaded): Promise<void> {
    clearTimeout(entry.timer);
    if (this.#loaded.get(entry.served.id) === entry) this.#loaded.delete(entry.served.id);
    const model = await entry.model.catch(() => undefined);
    if (!model) return;
    await model.dispose();
    this.#options.onLog?.(`unloaded ${entry.served.id}`);
  }

  /** The one that the server was started with: by its preset's name, or that of its file. */
  #givenModel(): Promise<ServedModel> {
    this.#given ??= this.#describeGiven();
    this.#given.catch(() => {
      this.#given = undefined; // files may come later
    });
    return this.#given;
  }

  async #describeGiven(): Promise<ServedModel> {
    const { model: given = {} } = this.#options;
    if (given.preset) {
      const named = (await listModels()).find(({ id, aliases }) => id === given.preset || aliases.includes(given.preset as string));
      if (named) return { ...ofCatalog(named), files: given };
    }
    const { files = [], model, diffusionModel, clipL, clipG, t5xxl, vae } = given;
    const all = [files, model ?? [], diffusionModel ?? [], clipL ?? [], clipG ?? [], t5xxl ?? [], vae ?? []].flat();
    const main = diffusionModel ?? model ?? all[0] ?? "model";
    const { family = given.family, maxSide, license } = await inspectModel(all);
    return {
      id: modelName(main),
      aliases: [],
      family,
      license,
      maxSide,
      defaults: familyDefaults(family ?? usualFamily, maxSide ?? Infinity),
      created: 0,
      files: given,
    };
  }

  /** Checkpoints with a diffusion model, and folders that make a model; loose encoders and VAEs beside them go with those that lack them. */
  async #inFolder(): Promise<ServedModel[]> {
    const { modelsDir } = this.#options;
    if (modelsDir === undefined) return [];
    const root = await realpath(modelsDir).catch(() => undefined);
    const entries = root === undefined ? [] : await readdir(root, { withFileTypes: true }).catch(() => []);
    const found = entries.filter((entry) => !entry.name.startsWith(".") && (entry.isDirectory() || modelName(entry.name) !== entry.name));
    const inside = await Promise.all(
      found.map(async ({ name }) => {
        const file = path.join(root as string, name);
        const real = await realpath(file).catch(() => ""); // a link to nothing
        return real.startsWith(root + path.sep) ? [file] : []; // links that lead out are passed over
      }),
    );
    const looked = await Promise.all(inside.flat().map((file) => this.#inspect(file)));
    const loose = looked.filter(({ isPart }) => isPart).map(({ file }) => file);
    return looked.flatMap(({ served, file, complete }) => {
      if (!served) return [];
      return [complete ? served : { ...served, files: { files: [file, ...loose] } }];
    });
  }

  async #inspect(file: string): Promise<{ file: string; served?: ServedModel; isPart: boolean; complete: boolean }> {
    try {
      const { mtimeMs, size } = await stat(file);
      const key = `${mtimeMs} ${size}`;
      const known = this.#inspected.get(file);
      if (known?.key === key)
        return { file, served: known.served, isPart: known.isPart, complete: known.served !== undefined && !known.isPart };
      const { files, family, loadable, license, maxSide } = await inspectModel(file);
      const hasDiffusion = files.some(({ parts }) => parts.diffusion !== undefined);
      const isPart = !hasDiffusion && files.some(({ layout }) => layout === "part" || layout === "llama.cpp" || layout === "diffusers");
      const served: ServedModel | undefined = hasDiffusion
        ? {
            id: modelName(file),
            aliases: [path.basename(file)],
            family,
            license,
            maxSide,
            defaults: familyDefaults(family ?? usualFamily, maxSide ?? Infinity),
            created: Math.floor(mtimeMs / 1000),
            files: { files: file },
          }
        : undefined;
      if (loadable) this.#inspected.set(file, { key, served, isPart });
      return { file, served, isPart, complete: loadable };
    } catch (error) {
      if (!(error instanceof SdcppError) && (error as NodeJS.ErrnoException).code === undefined) throw error;
      return { file, isPart: false, complete: false }; // no checkpoint, or gone meanwhile
    }
  }
}

function ofCatalog({ id, aliases, family, license, defaults }: Awaited<ReturnType<typeof listModels>>[number]): ServedModel {
  return {
    id,
    aliases,
    family,
    license,
    defaults,
    maxSide: families[family].maxSide,
    created: 0,
    files: { preset: id as ModelOptions["preset"] },
  };
}
