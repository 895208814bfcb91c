import { catalogNames, findModel, licenseFile, modelFiles } from "./catalog/catalog.js";
import { downloadFile } from "./catalog/download.js";
import type { CatalogFile, CatalogModel } from "./catalog/entries.js";
import { Hub } from "./catalog/hub.js";
import { licenses, requireAcceptance, writeNotices } from "./catalog/license.js";
import { storedModel } from "./catalog/models.js";
import { missingFiles } from "./catalog/presets.js";
import { defaultSettings, type PullSettings } from "./catalog/retry.js";
import { requireSpace } from "./catalog/space.js";
import { modelsFolder, storedFile, storedPath } from "./catalog/store.js";
import { Tracker } from "./catalog/tracker.js";
import { callSite, InvalidOptionError, SdcppError, withSite } from "./errors.js";
import { checkOptions, type OptionTable, suggestion } from "./options/check.js";
import type { ModelFiles, PulledModel, PullOptions } from "./types/index.js";

type CheckedOptions = PullOptions & Required<Pick<PullOptions, "acceptLicense" | "connections">>;

export const pullOptions: OptionTable = {
  acceptLicense: { kind: "boolean", default: false, description: "Accept the license of the model; it is remembered" },
  connections: { kind: "integer", min: 1, max: 16, default: 4, description: "Files that come at the same time" },
  signal: { kind: "signal", description: "Stops the pull" },
  onProgress: { kind: "callback", description: "Called as it gets on" },
};

export { findModel } from "./catalog/catalog.js";
export { families, familyDefaults, modelName } from "./catalog/families.js";
export { isAccepted, licenses, licenseText } from "./catalog/license.js";
export { listModels } from "./catalog/models.js";
export { presetNames } from "./catalog/presets.js";
export { modelsFolder } from "./catalog/store.js";

/**
 * Downloads a model of the catalog with text encoders and VAE into the cache folder, where `loadModel({ preset: id })` finds it. What is there
 * is not loaded again, and an interrupted pull goes on where it was. Every file's SHA-256 is checked. The environment decides how:
 * `SDCPP_HOME` (folder), `HF_ENDPOINT`, `HF_TOKEN`, `HTTPS_PROXY` and `NO_PROXY`; see docs/models.md.
 * @param id as `listModels` has it, for example `"sd3.5-medium:q4_k_m"`, or an alias as `"sd3.5-medium"`
 * @throws InvalidOptionError for an unknown id or a wrong option
 * @throws LicenseError when the license has to be accepted first
 * @throws DownloadError when the network, the server or the disk does not allow it
 * @throws ChecksumError when a file is not the one of the catalog
 * @throws the signal's reason when it is aborted
 */
export async function pull(id: string, options: PullOptions = {}): Promise<PulledModel> {
  return pullModel(id, options, defaultSettings, callSite(pull));
}

/** @internal `pull` with another patience, for tests. */
export async function pullModel(id: string, options: PullOptions, settings: PullSettings, site: string): Promise<PulledModel> {
  const checked = checkOptions(pullOptions, options) as unknown as CheckedOptions;
  const model = requireModel(id);
  try {
    checked.signal?.throwIfAborted();
    return await pullFiles(model, checked, settings);
  } catch (error) {
    throw error instanceof SdcppError ? withSite(error as Error, site) : error;
  }
}

/**
 * Of a model by name whose files, beside those that are `given`, have not all been pulled: its id, and the hub's server.
 * @throws InvalidOptionError for an HF_ENDPOINT or an HF_TOKEN that cannot be used
 */
export async function notPulled(name: string, given: ModelFiles = {}): Promise<{ id: string; server: string } | undefined> {
  const model = findModel(name);
  if (!model || (await missingFiles(model, given)).length === 0) return undefined;
  return { id: model.id, server: new Hub(defaultSettings).endpoint.host };
}

function requireModel(id: unknown): CatalogModel {
  const model = typeof id === "string" ? findModel(id) : undefined;
  if (model) return model;
  if (id === "demo") throw new InvalidOptionError("id", "the demo is part of the package and need not be pulled");
  const names = catalogNames();
  const given = typeof id === "string" ? `"${id}"${suggestion(id, names)}` : String(id);
  throw new InvalidOptionError("id", `expected one of ${names.join(", ")}, received ${given}`);
}

async function pullFiles(
  model: CatalogModel,
  { acceptLicense, connections, signal, onProgress }: CheckedOptions,
  settings: PullSettings,
): Promise<PulledModel> {
  const hub = new Hub(settings);
  const license = licenses[model.file.license];
  await requireAcceptance(license, acceptLicense, model.id);

  const [text, files] = [licenseFile(model), modelFiles(model)];
  const tracker = new Tracker(onProgress);
  const stored = await Promise.all([text, ...files].map(storedFile));
  await requireSpace(modelsFolder(), stored);
  for (const [index, file] of [text, ...files].entries()) {
    const { bytes, bytesOnDisk } = stored[index] as (typeof stored)[number];
    tracker.set(file, { bytes: bytesOnDisk, size: bytes });
  }

  const failure = new AbortController();
  const stop = signal ? AbortSignal.any([signal, failure.signal]) : failure.signal;
  const context = { hub, settings, tracker, signal: stop };
  try {
    // The text comes first: nobody should have the weights without it, and a refused access shows at once.
    const first = await downloadFile(text, context);
    await writeNotices(files, storedPath(text));
    const received = first + (await downloadAll(files, connections, context, failure));
    const bytes = (await Promise.all(files.map(storedFile))).reduce((sum, file) => sum + file.bytes, 0);
    return { id: model.id, files: storedModel(model), bytes, received, license: license.name, licenseFile: storedPath(text) };
  } finally {
    await hub.close();
  }
}

type Context = Parameters<typeof downloadFile>[1];

/** Largest first, so that none is left alone at the end. When one fails, the others stop, and its error is what everybody hears. */
async function downloadAll(files: CatalogFile[], connections: number, context: Context, failure: AbortController): Promise<number> {
  const size = (file: CatalogFile) => file.bytes ?? file.about ?? 0;
  const waiting = [...files].sort((a, b) => size(b) - size(a));
  let received = 0;
  const work = async () => {
    try {
      for (let file = waiting.shift(); file; file = waiting.shift()) {
        const bytes = await downloadFile(file, context);
        received += bytes; // after the wait: others add to it meanwhile
      }
    } catch (error) {
      failure.abort(error);
      throw error;
    }
  };
  const ends = await Promise.allSettled(Array.from({ length: connections }, work));
  for (const end of ends) if (end.status === "rejected") throw context.signal.reason;
  return received;
}
