import { ModelFileError, UnsupportedModelError } from "../errors.js";
import { Assembler } from "./assembler.js";
import type { Assembly, Given, Slot } from "./assembly.js";
import { type Checkpoint, type CheckpointOptions, readCheckpoint } from "./checkpoint.js";
import { checkpointsIn, type FoundCheckpoints, isFolder } from "./folder.js";
import type { ReadOptions } from "./source.js";

export interface AssembleOptions extends ReadOptions {
  /** Checkpoints that have been read already, by location. */
  known?: ReadonlyMap<string, Checkpoint>;
}

const slots: readonly Slot[] = ["model", "diffusionModel", "clipL", "clipG", "t5xxl", "vae", "taesd"];

/**
 * Works out which file is which. Whether they make a whole model, `checkLoadable` tells.
 * @throws ModelFileError for a file that is missing, truncated, malformed or of another part
 * @throws UnsupportedModelError for a file of another family or layout
 * @throws InvalidOptionError for two files of one part
 * @throws the signal's reason when it is aborted
 */
export async function assemble(given: Given, options: AssembleOptions = {}): Promise<Assembly> {
  const { explicit, found = [], foundBy = "files" } = given;
  const assembler = new Assembler(given);
  const places = found.map((location) => ({ location, option: foundBy }));
  for (const slot of slots) {
    const location = explicit[slot];
    if (location === undefined) continue;
    if (slot === "model" && (await isFolder(location))) places.unshift({ location, option: slot });
    else assembler.put(slot, await read(slot, location, options));
  }
  for (const { location, option } of places) {
    const folder = await isFolder(location);
    const { files, ...pipeline }: FoundCheckpoints = folder ? await labelled(option, checkpointsIn(location)) : { files: [location] };
    for (const file of files) assembler.add(option, await read(option, file, { ...options, title: pipeline.title }), folder, pipeline);
  }
  return assembler.finish();
}

async function read(option: string, location: string, options: AssembleOptions & CheckpointOptions): Promise<Checkpoint> {
  return options.known?.get(location) ?? labelled(option, readCheckpoint(location, options));
}

/** Puts the option's name before the message. */
export async function labelled<T>(option: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof UnsupportedModelError) throw new UnsupportedModelError(`${option}: ${error.message}`, { cause: error.cause });
    if (!(error instanceof ModelFileError)) throw error;
    const { file, offset, cause } = error;
    throw new ModelFileError(`${option}: ${error.message}`, { file, offset, cause });
  }
}
