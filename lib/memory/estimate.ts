import { familyDefaults, familyOf, maxSide } from "../catalog/families.js";
import { chooseFiles, loadParams } from "../checkpoint/chosen.js";
import { Unpulled } from "../checkpoint/unpulled.js";
import { place } from "../engine/backends/choice.js";
import { deviceId } from "../engine/backends/names.js";
import type { NativeFootprintInfo } from "../engine/binding.js";
import { callSite, fromNative } from "../errors.js";
import { type CheckedEstimateOptions, checkEstimateOptions, checkGenerateOptions, nativeParams, previewModesOf } from "../options/index.js";
import type { DeviceMemory, EstimateOptions, Family, MemoryEstimate } from "../types/index.js";
import { type Footprint, openFootprint, type Picture, sizeOf } from "./footprint.js";
import { engineBytes, pictureBytes, workOf } from "./need.js";
import { shortageOf } from "./shortage.js";
import { suggest } from "./suggestions.js";

/**
 * Tells what memory a model and a picture will take, and whether that fits. Reads the headers of the files, no weights; when a picture is being
 * drawn in this process, after it. On the CPU the peak was within 10 % of the measured one for all configurations in docs/memory.md; on a GPU,
 * what its driver takes for itself comes on top. Of a preset that has not been pulled, the headers are read from the hub (some megabytes, with the
 * variables of the environment that `pull` follows).
 * @throws InvalidOptionError, ModelFileError, MissingComponentError, UnsupportedModelError as `loadModel` does
 * @throws DownloadError, ChecksumError when a preset has not been pulled, and the network or the hub does not allow to read it there
 * @throws NoBinaryError when there is no native build for this platform
 * @throws the signal's reason when it is aborted
 */
export async function estimateMemory(options: EstimateOptions): Promise<MemoryEstimate> {
  const site = callSite(estimateMemory);
  const checked = checkEstimateOptions(options);
  const { signal } = checked.model;
  const unpulled = new Unpulled({ signal });
  try {
    signal?.throwIfAborted();
    const chosen = await chooseFiles(checked.model, unpulled);
    const given = loadParams(chosen, checked.model.params);
    const params = { ...given, backend: await place(given.backend) };
    const footprint = await openFootprint(params, signal);
    try {
      const picture = pictureOf(checked, footprint.info, familyOf(footprint.info, chosen.files, chosen.family));
      const estimate = evaluate(footprint, picture);
      const shortage = shortageOf(footprint.need(picture), footprint.free());
      const found = shortage ? await suggest({ params, picture }, shortage) : [];
      const { placement } = options;
      const suggestions = found.map((suggestion) => {
        const { placement: changed } = suggestion.options;
        return changed ? { ...suggestion, options: { placement: { ...placement, ...changed } } } : suggestion;
      });
      return { ...estimate, suggestions };
    } finally {
      footprint.close();
    }
  } catch (error) {
    throw unpulled.explain(fromNative(error, site));
  } finally {
    await unpulled.close();
  }
}

function evaluate(footprint: Footprint, picture: Picture): Omit<MemoryEstimate, "suggestions"> {
  const { parts } = footprint.info;
  const measured = footprint.measure(picture);
  const { width = 0, height = 0, batchCount = 1 } = picture.params;
  const free = footprint.free();
  const devices = Object.entries(footprint.need(picture)).map(([device, demand]): [string, DeviceMemory] => {
    const { bytes: available, bound } = free[device] ?? { bytes: 0, bound: "device" };
    const fits = !shortageOf({ [device]: demand }, free);
    return [deviceId(device), { peak: demand.peak, mapped: demand.mapped, available, bound, fits }];
  });
  const compute = (name: string) => {
    if (name === "diffusion") return measured.diffusion.buffer;
    const previews = name === "taesd" && parts.vae !== undefined;
    if (previews) return measured.preview?.buffer ?? 0;
    if (name === "vae" || name === "taesd") return Math.max(measured.decode.buffer, measured.encode?.buffer ?? 0);
    return ((name === "t5xxl" && measured.t5xxl) || parts[name]?.text)?.buffer ?? 0;
  };
  return {
    width,
    height,
    batchCount,
    parts: Object.fromEntries(
      Object.entries(parts).map(([name, { weights, device, weightsDevice }]) => {
        const place = weightsDevice === "disk" ? weightsDevice : deviceId(weightsDevice);
        return [name, { weights, compute: compute(name), device: deviceId(device), weightsDevice: place }];
      }),
    ),
    other: engineBytes + workOf(footprint.info, measured) + pictureBytes(sizeOf(picture)),
    devices: Object.fromEntries(devices),
    fits: devices.every(([, { fits }]) => fits),
  };
}

/** The picture that the options describe, with the family's defaults. */
function pictureOf(
  { picture, chunks, t5Tokens, imageToImage }: CheckedEstimateOptions,
  info: NativeFootprintInfo,
  family: Family,
): Picture {
  const side = maxSide(info.positions);
  const defaults = familyDefaults(family, side);
  const limits = { defaults, maxSide: side, depth: info.depth, previewModes: previewModesOf(info.parts) };
  const { parameters, preview } = checkGenerateOptions({ ...picture, prompt: "" }, limits);
  return { params: nativeParams(parameters, undefined, preview), chunks, t5Tokens, beginsWithPicture: imageToImage };
}
