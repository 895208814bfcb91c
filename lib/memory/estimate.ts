import { familyDefaults, familyOf, maxSide } from "../catalog/families.js";
import { chooseFiles, loadParams } from "../checkpoint/chosen.js";
import { place } from "../engine/backends/choice.js";
import { deviceId } from "../engine/backends/names.js";
import type { NativeFootprintInfo } from "../engine/binding.js";
import { callSite, fromNative } from "../errors.js";
import { type CheckedEstimateOptions, checkEstimateOptions, checkGenerateOptions, nativeParams, previewModesOf } from "../options/index.js";
import type { Family, GenerateOptions, ModelFiles, ModelOptions } from "../types/index.js";
import { type DeviceFree, type Footprint, openFootprint, type Picture, sizeOf } from "./footprint.js";
import { engineBytes, pictureBytes, workOf } from "./need.js";
import { shortageOf } from "./shortage.js";
import { type MemorySuggestion, suggest } from "./suggestions.js";

type ModelChoices = "files" | "preset" | "family" | "backend" | "placement" | "taesdPreviewOnly" | "threads" | "flashAttention";
type PictureChoices = "width" | "height" | "batchCount" | "vaeTiling" | "hires" | "preview";

/**
 * A model as for `loadModel`, and a picture as for `generate`. Steps, guidance and seed have no influence: the passes of a step are computed one
 * after the other.
 */
export interface EstimateOptions
  extends ModelFiles,
    Pick<ModelOptions, ModelChoices | "mmap" | "offload" | "weightType" | "signal">,
    Pick<GenerateOptions, PictureChoices> {
  /** What the prompt takes in chunks of 77 tokens, 1 to 16, for the CLIPs and T5 alike; `model.countTokens` counts them. Default: 1. */
  chunks?: number;
  /** With an `initImage`. Default: false. */
  imageToImage?: boolean;
}

/** Bytes of one part of a model. */
export interface PartMemory {
  /** As they will be in memory. */
  weights: number;
  /** Most that this part's computation takes. */
  compute: number;
  /** Where it computes. */
  device: string;
  /** Where its weights wait: a device, or "disk". */
  weightsDevice: string;
}

/** Bytes on one device. */
export interface DeviceMemory {
  /** Most at any time from the beginning of the load to the end of a run. */
  peak: number;
  /** Of these, pages of mapped files (`mmap`), which the system takes back when it needs memory: they may be missing. */
  mapped: number;
  /** What this process can still get. The cache of files counts as free. */
  available: number;
  /** Why it is not more: what the machine has, a control group (container), `ulimit -v`, or what the device has. */
  bound: DeviceFree["bound"];
  fits: boolean;
}

export interface MemoryEstimate {
  /** The picture that is meant, with defaults filled in. */
  width: number;
  height: number;
  batchCount: number;
  /** By part: `diffusion`, `clipL`, `clipG`, `t5xxl`, `vae`, `taesd`. */
  parts: Record<string, PartMemory>;
  /** Main memory for all the rest: vocabularies, code, ggml's scratch memory, and the pictures. */
  other: number;
  /** By device: "cpu" is main memory. */
  devices: Record<string, DeviceMemory>;
  /** On every device. */
  fits: boolean;
  /** When it does not fit: what to change, the best for the pictures first. */
  suggestions: MemorySuggestion[];
}

/**
 * Tells what memory a model and a picture will take, and whether that fits. Reads the headers of the files, no weights; when a picture is being
 * drawn in this process, after it. On the CPU the peak was within 10 % of the measured one for all configurations in docs/memory.md; on a GPU,
 * what its driver takes for itself comes on top.
 * @throws InvalidOptionError, ModelFileError, MissingComponentError, UnsupportedModelError as `loadModel` does
 * @throws NoBinaryError when there is no native build for this platform
 * @throws the signal's reason when it is aborted
 */
export async function estimateMemory(options: EstimateOptions): Promise<MemoryEstimate> {
  const site = callSite(estimateMemory);
  const checked = checkEstimateOptions(options);
  const { signal } = checked.model;
  try {
    signal?.throwIfAborted();
    const chosen = await chooseFiles(checked.model);
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
    throw fromNative(error, site);
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
function pictureOf({ picture, chunks, imageToImage }: CheckedEstimateOptions, info: NativeFootprintInfo, family: Family): Picture {
  const side = maxSide(info.positions);
  const defaults = familyDefaults(family, side);
  const limits = { defaults, maxSide: side, depth: info.depth, previewModes: previewModesOf(info.parts) };
  const { parameters, preview } = checkGenerateOptions({ ...picture, prompt: "" }, limits);
  return { params: nativeParams(parameters, undefined, preview), chunks, beginsWithPicture: imageToImage };
}
