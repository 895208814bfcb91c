import { type Approved, place } from "../engine/backends/choice.js";
import { deviceId } from "../engine/backends/names.js";
import {
  type EngineBinding,
  type EngineModel,
  type NativeEvent,
  type NativeGenerateParams,
  type NativeJob,
  type NativeModel,
  type NativeModelParams,
  type NativeUpscaler,
  type NativeUpscalerParams,
  native,
} from "../engine/binding.js";
import { cancelable, run } from "../engine/jobs.js";
import { InsufficientMemoryError, isCancelled } from "../errors.js";
import { type Footprint, openFootprint, smallest } from "./footprint.js";
import { checkRun, insufficient, saving, shortageOf } from "./shortage.js";
import { suggest } from "./suggestions.js";

/** A model that refuses runs which do not fit into memory. */
export type GuardedModel = EngineModel & Pick<NativeModel, "check" | "countTokens">;

/** Of a process that another one has started: see `place`. */
interface Placing {
  modules?: Approved;
}

/** The functions of `native()` that load, with devices chosen. */
export interface GuardedBinding extends Pick<EngineBinding, "engine"> {
  load(params: NativeModelParams & Placing & { force?: boolean }, emit: (event: NativeEvent) => void): NativeJob<GuardedModel>;
  loadUpscaler(params: NativeUpscalerParams & Placing, emit: (event: NativeEvent) => void): NativeJob<NativeUpscaler>;
}

/**
 * `native()`, but what does not fit into memory is refused: a model before its weights are read, a run before it waits in line. Both take `force`
 * among their params, to go on all the same. The backend is that of a device which is there.
 */
export function guarded(): GuardedBinding {
  const binding = native();
  return {
    engine: binding.engine,
    loadUpscaler: ({ modules, ...given }, emit) => {
      return cancelable(async (signal) => {
        const backend = await place(given.backend, modules);
        return run(() => binding.loadUpscaler({ ...given, backend }, emit), signal);
      });
    },
    load: ({ force, modules, ...given }, emit) => {
      return cancelable(async (signal) => {
        const params = { ...given, backend: await place(given.backend, modules) };
        const footprint = await openForLoad(params, signal);
        try {
          if (footprint && !force) await checkLoad(footprint, params);
          return guard(await run(() => binding.load(params, emit), signal), footprint);
        } catch (error) {
          footprint?.close();
          throw error;
        }
      });
    },
  };
}

/** Undefined when the headers cannot be read: the load then says what is wrong with the files. */
async function openForLoad(params: NativeModelParams, signal: AbortSignal): Promise<Footprint | undefined> {
  try {
    return await openFootprint(params, signal);
  } catch (error) {
    if (isCancelled(error)) throw error;
    return undefined;
  }
}

/** Refuses a model that does not fit even with the smallest picture. */
async function checkLoad(footprint: Footprint, params: NativeModelParams): Promise<void> {
  const shortage = shortageOf(footprint.need(smallest), footprint.free());
  if (!shortage) return;
  const found = await suggest({ params, picture: smallest }, shortage);
  throw insufficient(
    "The model",
    shortage,
    found.map(({ text, saves }) => saving(text, saves)),
  );
}

/** @param footprint what runs take; without it none is refused */
export function guard(model: NativeModel, footprint: Footprint | undefined): GuardedModel {
  const check = ({ force, ...params }: NativeGenerateParams & { force?: boolean }) => {
    model.check(params); // first, as its mistakes are clearer than the memory that they would take
    if (force || !footprint) return;
    const { prompt = "", negativePrompt = "", t5Prompt, negativeT5Prompt, cfgScale } = params;
    const counts = [model.countTokens(prompt, t5Prompt)];
    if (cfgScale !== 1) counts.push(model.countTokens(negativePrompt, negativeT5Prompt));
    const chunks = Math.max(...counts.flatMap(({ clipL, clipG }) => [clipL?.chunks ?? 1, clipG?.chunks ?? 1]));
    const t5Tokens = Math.max(...counts.map(({ t5xxl }) => t5xxl?.positions ?? 77));
    try {
      checkRun(footprint, { params, chunks, t5Tokens, beginsWithPicture: params.initImage !== undefined });
    } catch (error) {
      if (error instanceof InsufficientMemoryError) throw error; // what cannot be measured is left to the engine
    }
  };
  return {
    info: model.info,
    generate: ({ force, ...params }, emit) => {
      check({ force, ...params });
      return model.generate(params, emit);
    },
    check,
    countTokens: (prompt, t5Prompt) => model.countTokens(prompt, t5Prompt),
    free: () => Object.fromEntries(Object.entries(footprint?.free() ?? {}).map(([device, { bytes }]) => [deviceId(device), bytes])),
    dispose: () => {
      footprint?.close();
      return model.dispose();
    },
  };
}
