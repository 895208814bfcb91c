import { randomBytes } from "node:crypto";
import { open, realpath, rename, rm, stat } from "node:fs/promises";
import path from "node:path";
import { type Checkpoint, readCheckpoint } from "./checkpoint/checkpoint.js";
import { assemble, labelled } from "./checkpoint/components.js";
import { isFolder } from "./checkpoint/folder.js";
import type { Part } from "./checkpoint/parts.js";
import { isPlain, type Plan, planModel, planOf } from "./checkpoint/plan.js";
import { checkFault, checkLoadable, checkLocal, checkRefused } from "./checkpoint/refusals.js";
import { native } from "./engine/binding.js";
import { callSite, fromNative, InvalidOptionError, isCancelled, ModelFileError } from "./errors.js";
import { checkConvertOptions } from "./options/index.js";
import { progressEvent } from "./run/generation.js";
import type { ConvertOptions, ConvertResult } from "./types/index.js";

/**
 * Writes a GGUF file with the weights of another file, quantized or in another float type. The result loads by the same option as the input;
 * that of a folder, and with `vae`, is an all-in-one file, which loads as `model`.
 *
 * About 256 MB of weights are held at a time. The output appears when it is complete, replacing an older file. The work waits in line with
 * runs and loads.
 * @throws InvalidOptionError for a wrong option, an output folder that does not exist, or an output that is the input
 * @throws ModelFileError for a file that is missing, unreadable, truncated or no model, and for an output that cannot be written
 * @throws UnsupportedModelError for weights that are quantized in a way that is not read
 * @throws NoBinaryError when there is no native build for this platform
 * @throws the signal's reason when it is aborted
 */
export async function convert(options: ConvertOptions): Promise<ConvertResult> {
  const site = callSite(convert);
  const { signal, onProgress, onLog, ...params } = checkConvertOptions(options);
  const stopIfAborted = () => {
    if (signal?.aborted) throw signal.reason;
  };
  stopIfAborted();
  const { plans, files } = await readInputs(params, signal);
  await checkOutput(params.output, files);
  stopIfAborted();

  const temporary = path.join(path.dirname(params.output), `.${randomBytes(8).toString("hex")}.tmp`); // beside it: renaming is atomic
  let cancel: (() => void) | undefined;
  try {
    const job = native().convert({ ...params, ...(plans !== undefined && { plans }), output: temporary }, (event) => {
      try {
        if (event.type === "progress" && event.step > 0) onProgress?.(progressEvent(event, 1));
        if (event.type === "log") onLog?.(event);
      } catch {
        // a listener's fault must not end the work it listens to
      }
    });
    cancel = () => job.cancel();
    signal?.addEventListener("abort", cancel, { once: true });
    const { bytes, tensors } = await job.promise;
    stopIfAborted();
    await publish(temporary, params.output);
    const types = Object.entries(tensors).map(([type, count]) => [type.toLowerCase(), count]);
    return { output: params.output, bytes, tensors: Object.fromEntries(types) };
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw signal?.aborted && isCancelled(error) ? signal.reason : fromNative(restore(error, temporary, params.output), site);
  } finally {
    if (cancel) signal?.removeEventListener("abort", cancel);
  }
}

interface Inputs {
  /** Of lib/checkpoint/plan.ts. */
  plans?: string;
  /** All that is read, with the option that names it. */
  files: [option: string, file: string][];
}

/** The input may be any model that is read as a whole, or a folder with the parts of one; the VAE has to be one. */
async function readInputs({ input, vae }: Pick<ConvertOptions, "input" | "vae">, signal?: AbortSignal): Promise<Inputs> {
  checkLocal("input", input);
  const plans: Record<string, Plan> = {};
  const read = (await isFolder(input)) ? await readFolder(input, signal) : [await readInput(input, signal)];
  const isWhole = read.length === 1 && read[0]?.checkpoint.location === input;
  if (!isWhole || !isPlain(read[0]?.checkpoint as Checkpoint)) {
    const sources = read.flatMap(({ checkpoint, parts }) =>
      parts.length ? parts.map((part) => ({ checkpoint, part })) : [{ checkpoint }],
    );
    plans[input] = await planOf(sources, sources.length > 1, { signal });
  }
  if (vae) {
    checkLocal("vae", vae);
    const assembly = await assemble({ explicit: { vae } }, { signal });
    checkLoadable({ ...assembly, missing: [] });
    Object.assign(plans, JSON.parse((await planModel(assembly, { signal })) ?? "{}"));
    read.push(...assembly.checkpoints.map((checkpoint) => ({ checkpoint, parts: checkpoint.parts, option: "vae" })));
  }
  const files = read.flatMap(({ checkpoint: { location, header }, option = "input" }) =>
    (header?.files.map(({ path: file }) => file) ?? [location]).map((file): [string, string] => [option, file]),
  );
  return { files, ...(Object.keys(plans).length && { plans: JSON.stringify(plans) }) };
}

interface ReadInput {
  checkpoint: Checkpoint;
  parts: Part[];
  option?: string;
}

async function readInput(input: string, signal?: AbortSignal): Promise<ReadInput> {
  const checkpoint = await labelled("input", readCheckpoint(input, { signal }));
  checkRefused("input", checkpoint);
  for (const part of isPlain(checkpoint) ? [] : checkpoint.parts) checkFault("input", checkpoint, part);
  return { checkpoint, parts: checkpoint.parts };
}

/** The parts that `loadModel({ files: folder })` would read, except for a TAESD, which no option would load from the output. */
async function readFolder(input: string, signal?: AbortSignal): Promise<ReadInput[]> {
  const assembly = await assemble({ explicit: {}, found: [input], foundBy: "input" }, { signal });
  checkLoadable({ ...assembly, missing: assembly.missing.filter(({ part }) => part === "diffusion") });
  const used = assembly.used.filter(({ part }) => part.name !== "taesd");
  return assembly.checkpoints.flatMap((checkpoint) => {
    const parts = used.filter((one) => one.checkpoint === checkpoint).map(({ part }) => part);
    return parts.length ? [{ checkpoint, parts }] : [];
  });
}

/** Syncs before renaming, so that no crash of the system leaves a short file under the final name. */
async function publish(temporary: string, output: string): Promise<void> {
  try {
    const handle = await open(temporary, "r+");
    await handle.sync().finally(() => handle.close());
    await rename(temporary, output);
  } catch (error) {
    throw new ModelFileError(`output: ${output} could not be written: ${(error as Error).message}`, { cause: error });
  }
}

/** Errors name the file that was asked for. */
function restore(error: unknown, temporary: string, output: string): unknown {
  if (error instanceof Error) error.message = error.message.replace(temporary, output);
  return error;
}

async function checkOutput(output: string, inputs: Inputs["files"]): Promise<void> {
  const folder = path.dirname(output);
  const found = await stat(folder).catch(() => undefined);
  if (!found?.isDirectory()) throw new InvalidOptionError("output", `expected a file in an existing folder, but ${folder} is none`);
  const target = await stat(output, { bigint: true }).catch(() => undefined);
  if (!target) return;
  if (!target.isFile()) throw new InvalidOptionError("output", `expected the name of a file, but ${output} is none`);
  for (const [option, input] of inputs) {
    const source = await stat(input, { bigint: true });
    const same =
      source.ino !== 0n ? source.ino === target.ino && source.dev === target.dev : (await realpath(input)) === (await realpath(output));
    if (same) throw new InvalidOptionError("output", `expected another file than ${option}, which would be overwritten`);
  }
}
