import { stat } from "node:fs/promises";
import { families } from "./catalog/families.js";
import type { Assembly } from "./checkpoint/assembly.js";
import { type Checkpoint, readCheckpoint } from "./checkpoint/checkpoint.js";
import { sha256 } from "./checkpoint/checksum.js";
import { assemble } from "./checkpoint/components.js";
import { describe } from "./checkpoint/describe.js";
import { checkpointsIn, isFolder } from "./checkpoint/folder.js";
import { isUrl } from "./checkpoint/location.js";
import { checkLoadable } from "./checkpoint/refusals.js";
import { InvalidOptionError, SdcppError } from "./errors.js";
import { checkOptions } from "./options/check.js";
import { checkSources, inspectOptions } from "./options/index.js";
import { jsonable } from "./picture/json.js";
import type { FileInspection, InspectOptions, InspectProgress, ModelInspection } from "./types/index.js";

/**
 * Tells what files are, alone and together as a model: family, parts, types, license, and what is missing. Reads their headers only, a few
 * kilobytes to some megabytes.
 * @param source a file (any part of a split checkpoint, or a `.safetensors.index.json`), a folder, an https URL, or several of them
 * @throws InvalidOptionError for a wrong option
 * @throws ModelFileError for a file that is missing, unreadable, truncated or malformed, with the offset of the first fault
 * @throws DownloadError when a server does not answer as it should
 * @throws the signal's reason when it is aborted
 */
export async function inspectModel(source: string | readonly string[], options: InspectOptions = {}): Promise<ModelInspection> {
  const sources = checkSources(source);
  const { signal, token, onProgress, ...checked } = checkOptions(inspectOptions, options) as InspectOptions;
  signal?.throwIfAborted();
  const reading = { signal, ...(token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } }) };
  const locations: string[] = [];
  const titles = new Map<string, string | undefined>();
  for (const location of sources) {
    const { files, title } = (await isFolder(location)) ? await checkpointsIn(location) : { files: [location], title: undefined };
    for (const file of files) titles.set(file, title);
    locations.push(...files);
  }
  if (checked.sha256 && locations.some(isUrl))
    throw new InvalidOptionError("sha256", "expected no URL: the whole file would be downloaded");

  const files: FileInspection[] = [];
  const known = new Map<string, Checkpoint>();
  for (const location of locations) {
    const checkpoint = await readCheckpoint(location, { ...reading, title: titles.get(location) });
    known.set(location, checkpoint);
    const file = describe(checkpoint, await sizeOf(checkpoint));
    if (checked.sha256) await addChecksums(file, signal, onProgress);
    files.push(file);
  }
  return jsonable({ files, ...(await together(sources, files, known)) });
}

/** A pickle has no header that would tell. */
async function sizeOf({ location, header }: Checkpoint): Promise<number> {
  if (header) return header.files.reduce((sum, { bytes }) => sum + bytes, 0);
  return isUrl(location) ? 0 : (await stat(location)).size;
}

async function addChecksums({ files }: FileInspection, signal?: AbortSignal, onProgress?: (event: InspectProgress) => void): Promise<void> {
  for (const file of files) {
    const { path, bytes: total } = file;
    file.sha256 = await sha256(path, signal, (bytes) => {
      try {
        onProgress?.({ file: path, bytes, total });
      } catch {
        // a listener's fault must not end the work it listens to
      }
    });
  }
}

/** What `loadModel({ files })` would make of them. */
async function together(
  found: string[],
  files: readonly FileInspection[],
  known: ReadonlyMap<string, Checkpoint>,
): Promise<Omit<ModelInspection, "files">> {
  let assembly: Assembly;
  try {
    assembly = await assemble({ explicit: {}, found }, { known });
  } catch (error) {
    if (!(error instanceof SdcppError)) throw error;
    return { options: {}, ignored: [], missing: [], loadable: false, problem: error.message, parameters: 0, bytes: 0 };
  }
  const { used, files: options, ignored, missing } = assembly;
  const parts = used.flatMap(({ checkpoint, part }) => {
    const described = files.find(({ file }) => file === checkpoint.location)?.parts[part.name];
    return described ? [described] : [];
  });
  const diffusion = files.find(({ file }) => file === (options.diffusionModel ?? options.model));
  const problem = problemOf(assembly);
  return {
    options,
    ignored,
    missing,
    loadable: problem === undefined,
    ...(problem === undefined ? {} : { problem }),
    family: diffusion?.family,
    parameters: parts.reduce((sum, { parameters }) => sum + parameters, 0),
    bytes: parts.reduce((sum, { bytes }) => sum + bytes, 0),
    maxSide: diffusion?.maxSide,
    license: diffusion?.license?.name ?? (diffusion?.family && families[diffusion.family].license),
  };
}

function problemOf(assembly: Assembly): string | undefined {
  try {
    checkLoadable(assembly);
    return undefined;
  } catch (error) {
    if (!(error instanceof SdcppError)) throw error;
    return error.message;
  }
}
