import { existsSync } from "node:fs";
import { stat } from "node:fs/promises";
import { families } from "./catalog/families.js";
import { openPreset, presetNames } from "./catalog/presets.js";
import type { Assembly } from "./checkpoint/assembly.js";
import { type Checkpoint, readCheckpoint } from "./checkpoint/checkpoint.js";
import { sha256 } from "./checkpoint/checksum.js";
import { assemble } from "./checkpoint/components.js";
import { describe } from "./checkpoint/describe.js";
import { checkpointsIn, isFolder } from "./checkpoint/folder.js";
import { isUrl } from "./checkpoint/location.js";
import { checkLoadable } from "./checkpoint/refusals.js";
import type { ReadOptions } from "./checkpoint/source.js";
import { Unpulled } from "./checkpoint/unpulled.js";
import { InvalidOptionError, ModelFileError, SdcppError } from "./errors.js";
import { checkOptions, suggestion } from "./options/check.js";
import { checkSources, inspectOptions } from "./options/index.js";
import { jsonable } from "./picture/json.js";
import type { FileInspection, InspectOptions, InspectProgress, ModelInspection, ModelSource } from "./types/index.js";

/**
 * Tells what files are, alone and together as a model: family, parts, types, license, and what is missing. Reads their headers only, a few
 * kilobytes to some megabytes.
 * @param source a file (any part of a split checkpoint, or a `.safetensors.index.json`), a folder, an https URL, the name of a model as
 * `listModels` has it (where no file has that name), or several of them. Of a model that has not been pulled, the headers are read from the hub;
 * the result then has addresses instead of paths.
 * @throws InvalidOptionError for a wrong option
 * @throws ModelFileError for a file that is missing, unreadable, truncated or malformed, with the offset of the first fault
 * @throws DownloadError when a server does not answer as it should
 * @throws ChecksumError when the hub has another file than the catalog says
 * @throws the signal's reason when it is aborted
 */
export async function inspectModel(source: ModelSource | readonly ModelSource[], options: InspectOptions = {}): Promise<ModelInspection> {
  const sources = checkSources(source);
  const { signal, token, ...checked } = checkOptions(inspectOptions, options) as InspectOptions;
  signal?.throwIfAborted();
  const unpulled = new Unpulled({ signal, token });
  const reading = { signal, open: unpulled.open, ...(token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } }) };
  try {
    const found = await inspect(await filesOf(sources, unpulled, signal), reading, { ...checked, unpulled });
    return jsonable(unpulled.any ? relocated(found, (text) => unpulled.shown(text)) : found);
  } catch (error) {
    throw unpulled.explain(error);
  } finally {
    await unpulled.close();
  }
}

/**
 * The sources, with files in the place of names.
 * @throws ModelFileError for what is neither, but nearly a name
 */
async function filesOf(sources: readonly string[], unpulled: Unpulled, signal: AbortSignal | undefined): Promise<string[]> {
  const names = presetNames();
  const files: string[] = [];
  for (const source of sources) {
    if (isUrl(source) || existsSync(source)) files.push(source);
    else if (names.includes(source)) {
      const preset = await openPreset(source, {}, { signal, standIn: unpulled.add });
      files.push(...Object.values(preset.files).filter((file) => !files.includes(file))); // models share parts
    } else {
      const near = suggestion(source, names);
      if (near) throw new ModelFileError(`${source} is neither a file nor a model's name${near}`, { file: source });
      files.push(source);
    }
  }
  return files;
}

type Inspecting = Pick<InspectOptions, "sha256" | "onProgress"> & { unpulled: Unpulled };

async function inspect(sources: string[], reading: ReadOptions, { sha256, onProgress, unpulled }: Inspecting): Promise<ModelInspection> {
  const locations: string[] = [];
  const titles = new Map<string, string | undefined>();
  for (const location of sources) {
    const { files, title } = (await isFolder(location)) ? await checkpointsIn(location) : { files: [location], title: undefined };
    for (const file of files) titles.set(file, title);
    locations.push(...files);
  }
  if (sha256 && (unpulled.any || locations.some(isUrl))) {
    const what = unpulled.any ? "a model that has been pulled" : "no URL";
    throw new InvalidOptionError("sha256", `expected ${what}: the whole file would be downloaded`);
  }
  const files: FileInspection[] = [];
  const known = new Map<string, Checkpoint>();
  for (const location of locations) {
    const checkpoint = await readCheckpoint(location, { ...reading, title: titles.get(location) });
    known.set(location, checkpoint);
    const file = describe(checkpoint, await sizeOf(checkpoint));
    if (sha256) await addChecksums(file, reading.signal, onProgress);
    files.push(file);
  }
  return { files, ...(await together(sources, files, known)) };
}

/** The same with other locations. */
function relocated(found: ModelInspection, shown: (text: string) => string): ModelInspection {
  const options = Object.entries(found.options).map(([option, file]) => [option, shown(file)]);
  return {
    ...found,
    files: found.files.map((file) => {
      return { ...file, file: shown(file.file), files: file.files.map((part) => ({ ...part, path: shown(part.path) })) };
    }),
    options: Object.fromEntries(options),
    ignored: found.ignored.map(({ file, reason }) => ({ file: shown(file), reason: shown(reason) })),
    ...(found.problem === undefined ? {} : { problem: shown(found.problem) }),
  };
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
