import { families, familyDefaults, familyOf, mainFile, maxSide, modelName } from "./catalog/families.js";
import { type ChosenModel, chooseFiles, loadParams, splitFiles } from "./checkpoint/chosen.js";
import { checkExtra, extrasOf, planLora } from "./checkpoint/extras.js";
import { fingerprints } from "./checkpoint/fingerprint.js";
import { deviceId } from "./engine/backends/names.js";
import type { EngineModel, NativeEvent, NativeImages, NativeJob, NativeModelInfo } from "./engine/binding.js";
import { isolated } from "./engine/isolation/isolated.js";
import { callSite, DisposedError, fromNative, isCancelled, QueueFullError, SdcppError, withSite } from "./errors.js";
import { availableMemory } from "./memory/available.js";
import { guarded } from "./memory/guarded.js";
import {
  type CheckedModelOptions,
  checkCountTokens,
  checkGenerateOptions,
  checkModelOptions,
  nativeParams,
  previewModesOf,
} from "./options/index.js";
import { takeTags } from "./options/loras.js";
import { readImages } from "./picture/inputs.js";
import { type ModelText, writeParameters } from "./picture/parameters.js";
import { Generation, progressEvent } from "./run/generation.js";
import { unwatch, watch } from "./run/undisposed.js";
import type {
  CountTokensOptions,
  GenerateOptions,
  GenerationParameters,
  ModelInfo,
  ModelMemory,
  ModelOptions,
  Timings,
  TokenCounts,
} from "./types/index.js";

/**
 * Loads a model. When the promise resolves, all weights are in memory.
 * @throws InvalidOptionError for a wrong option
 * @throws ModelFileError, MissingComponentError, UnsupportedModelError for files that cannot be used, and for a preset that was not pulled
 * @throws InsufficientMemoryError when the model does not fit the device
 * @throws NoBinaryError when there is no native build for this platform
 * @throws EngineCrashError when the engine's process ends (with `isolate: true`)
 * @throws the signal's reason when it is aborted
 */
export async function loadModel(options: ModelOptions): Promise<Model> {
  const site = callSite(loadModel);
  const checked = checkModelOptions(options);
  const { signal } = checked;
  const stopIfAborted = () => {
    if (signal?.aborted) throw signal.reason;
  };
  stopIfAborted();
  const chosen = await chooseFiles(checked);
  const { files } = chosen;
  stopIfAborted();

  let cancel: (() => void) | undefined;
  const emit = (event: NativeEvent) => report(event, checked); // out here, where it keeps no model from being collected
  try {
    const engine = checked.isolate ? isolated() : guarded();
    const job = engine.load({ ...loadParams(chosen, checked.params), force: checked.force }, emit);
    cancel = () => job.cancel();
    signal?.addEventListener("abort", cancel, { once: true });
    const [model, prints] = await Promise.all([job.promise, fingerprints(files, splitFiles(chosen)).catch(() => ({}))]);
    const commit = engine.engine.commit.slice(0, 8);
    if (signal?.aborted) await model.dispose();
    stopIfAborted();
    return new Model(model, { ...describeModel(model.info, chosen), fingerprints: prints, engine: commit }, checked);
  } catch (error) {
    throw signal?.aborted && isCancelled(error) ? signal.reason : fromNative(error, site);
  } finally {
    if (cancel) signal?.removeEventListener("abort", cancel);
  }
}

function report(event: NativeEvent, { onProgress, onLog }: Pick<CheckedModelOptions, "onProgress" | "onLog">): void {
  try {
    if (event.type === "progress" && event.step > 0) onProgress?.(progressEvent(event, 1));
    if (event.type === "log") onLog?.(event);
  } catch {
    // a listener's fault must not end the work it listens to
  }
}

type Description = Omit<ModelInfo, "fingerprints" | "engine">;

function describeModel(native: NativeModelInfo, { files, name, family: known, assembly: { flowShift } }: ChosenModel): Description {
  const family = familyOf(native, files, known);
  const side = maxSide(native.positions);
  const { diffusion, textEncoders, vae } = native.devices;
  return {
    family,
    parameters: Object.values(native.parts).reduce((sum, part) => sum + part.parameters, 0),
    parts: native.parts,
    defaults: { ...familyDefaults(family, side), ...(flowShift !== undefined && { flowShift }) },
    maxSide: side,
    devices: { diffusion: deviceId(diffusion), textEncoders: deviceId(textEncoders), vae: deviceId(vae) },
    license: families[family].license,
    name: name ?? modelName(mainFile(files)),
    files,
  };
}

/** What drew one picture of a batch. */
function ofPicture(parameters: GenerationParameters, seed: bigint, index: number): GenerationParameters {
  const { variationSeed, variationStrength } = parameters;
  return { ...parameters, seed, ...(variationSeed !== undefined && variationStrength && { variationSeed: variationSeed + BigInt(index) }) };
}

/** A loaded model; comes from `loadModel`. */
export class Model implements AsyncDisposable {
  readonly info: ModelInfo;
  readonly #native: EngineModel;
  readonly #options: Pick<CheckedModelOptions, "onLog" | "params" | "loraDir" | "maxQueue">;
  readonly #depth: number;
  readonly #runs = new Set<Generation>();
  /** Settles when the last run has got its place in the engine's line; undefined when all have. */
  #line: Promise<unknown> | undefined;
  /** Jobs that are in line or in work. */
  #unfinished = 0;
  #disposal: Promise<void> | undefined;

  /** @internal */
  constructor(nativeModel: EngineModel, info: ModelInfo, options: Pick<CheckedModelOptions, "onLog" | "params" | "loraDir" | "maxQueue">) {
    this.#native = nativeModel;
    this.#options = options;
    this.#depth = nativeModel.info.depth;
    this.info = info;
    watch(this, "A model", nativeModel);
  }

  /**
   * Starts a run. Never throws: every failure rejects the run (and is thrown to who iterates it).
   * It rejects with InvalidOptionError, ModelFileError (for LoRAs and the upscaler of a hires fix), GenerationError, EngineAssertionError,
   * InsufficientMemoryError, DisposedError, QueueFullError, EngineCrashError (with `isolate: true`), or the signal's reason.
   */
  generate(options: GenerateOptions): Generation {
    const site = callSite(this.generate);
    let waits = false;
    let started = () => {};
    const run = new Generation(() => {
      this.#stopIfDisposed();
      const { defaults, maxSide } = this.info;
      const { parameters, images, preview, force, priority, signal } = checkGenerateOptions(options, {
        defaults,
        maxSide,
        depth: this.#depth,
        t5: this.#hasT5,
        previewModes: previewModesOf(this.info.parts),
        loraDir: this.#options.loraDir,
      });
      this.#stopIfDisposed(); // an option's getter may have done it
      let pictures: NativeImages | undefined;
      const extras = extrasOf(parameters);
      const plans: string[] = [];
      const read = async () => {
        try {
          for (const extra of extras) {
            if (extra.kind === "lora") plans.push(await planLora(extra, { signal }));
            else await checkExtra(extra, { signal });
          }
          if (images) pictures = await readImages(images, parameters, { defaults, maxSide });
        } catch (error) {
          throw error instanceof SdcppError ? withSite(error as Error, site) : error;
        }
      };
      const before = this.#line;
      waits = images !== undefined || extras.length > 0 || before !== undefined;
      return {
        parameters,
        signal,
        ...(waits && { ready: () => Promise.all([read(), before]) }),
        start: (emit) => {
          const job = this.#enqueue({ ...nativeParams(parameters, pictures, preview, plans), priority, force }, (event) => {
            report(event, { onLog: this.#options.onLog });
            emit(event);
          });
          started();
          return job;
        },
        describe: (seed, index) => writeParameters(ofPicture(parameters, seed, index), this.#describe()),
      };
    }, site);
    if (waits) this.#standInLine(new Promise<void>((resolve) => (started = resolve)), run);
    this.#runs.add(run);
    run.settled.then(() => this.#runs.delete(run));
    return run;
  }

  /**
   * How many tokens a prompt has for each text encoder, and in how many chunks it is read. Takes less than a millisecond for usual
   * prompts, and does not wait for a running picture.
   * @param prompt at most 16 KiB of UTF-8; weights and BREAK are read as in `generate`
   * @throws InvalidOptionError for a text that cannot be read as a prompt, or `t5Prompt` without T5
   * @throws DisposedError
   */
  async countTokens(prompt: string, options: CountTokensOptions = {}): Promise<TokenCounts> {
    const site = callSite(this.countTokens);
    this.#stopIfDisposed();
    const checked = checkCountTokens(prompt, options, { t5: this.#hasT5 });
    this.#stopIfDisposed(); // an option's getter may have done it
    try {
      const { prompt: text } = takeTags(checked.prompt, this.#options.loraDir); // as generate() takes them out
      return await this.#native.countTokens(text, checked.t5Prompt);
    } catch (error) {
      throw fromNative(error, site);
    }
  }

  get #hasT5(): boolean {
    return this.info.parts.t5xxl !== undefined;
  }

  /** Makes later runs wait until this one, whose pictures are still being read, has started or ended. */
  #standInLine(started: Promise<void>, run: Generation): void {
    const before = this.#line; // one that fails early does not let later ones pass those before it
    const turn = Promise.all([Promise.race([started, run.settled]), before]).then(() => {
      if (this.#line === turn) this.#line = undefined;
    });
    this.#line = turn;
  }

  #enqueue(params: Parameters<EngineModel["generate"]>[0], emit: (event: NativeEvent) => void): NativeJob<Timings> {
    const { maxQueue = Infinity } = this.#options;
    if (this.#unfinished > maxQueue) throw new QueueFullError(maxQueue);
    const job = this.#native.generate(params, emit);
    this.#unfinished++;
    const end = () => {
      this.#unfinished--;
    };
    job.promise.then(end, end);
    return job;
  }

  /** Memory that the weights take, and what is left. */
  memory(): ModelMemory {
    this.#stopIfDisposed();
    const parts = Object.fromEntries(Object.entries(this.info.parts).map(([name, { bytes }]) => [name, bytes]));
    const free = this.#native.free?.() ?? { cpu: availableMemory().bytes };
    return { weights: Object.values(parts).reduce((sum, bytes) => sum + bytes, 0), parts, free };
  }

  /** Stops this model's runs, which reject with DisposedError, and frees its memory. Further calls return the same promise. */
  dispose(): Promise<void> {
    unwatch(this.#native);
    this.#disposal ??= this.#dispose(callSite(this.dispose));
    return this.#disposal;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  /** What goes into the pictures, so that they can be drawn again. */
  #describe(): ModelText {
    const { name, fingerprints, devices, engine } = this.info;
    const { rng, weightType, flashAttention } = this.#options.params;
    const used = [devices.diffusion, devices.textEncoders, devices.vae];
    const device = new Set(used).size === 1 ? used[0] : used.join(" ");
    return { name, rng, weightType: weightType?.toLowerCase(), flashAttention, device, fingerprints, engine };
  }

  async #dispose(site: string): Promise<void> {
    const runs = [...this.#runs];
    for (const run of runs) run.cancel(new DisposedError("The model was disposed while the run was in progress."));
    try {
      await Promise.all([...runs.map((run) => run.settled), this.#native.dispose()]); // at once: a process that hangs is then killed
    } catch (error) {
      throw fromNative(error, site);
    }
  }

  #stopIfDisposed(): void {
    if (this.#disposal) throw new DisposedError("The model has been disposed. Load it again with loadModel().");
  }
}
