export { type ListedFile, type ListedModel, listModels } from "./catalog/models.js";
export { type PulledModel, type PullOptions, pull } from "./catalog/pull.js";
export type { PullEvent, PullFileEvent, PullProgressEvent, PullRetryEvent } from "./catalog/tracker.js";
export { convert } from "./convert.js";
export { listDevices } from "./devices.js";
export {
  ChecksumError,
  DisposedError,
  DownloadError,
  EngineAssertionError,
  EngineCrashError,
  type ErrorCode,
  GenerationError,
  InsufficientMemoryError,
  InvalidOptionError,
  LicenseError,
  type LicenseSummary,
  MissingComponentError,
  ModelFileError,
  NoBinaryError,
  QueueFullError,
  SdcppError,
  UnsupportedModelError,
} from "./errors.js";
export type { Generation } from "./generation.js";
export { type EncodeOptions, Image, type ImageFormat } from "./image.js";
export { inspectModel } from "./inspect.js";
export { type DeviceMemory, type EstimateOptions, estimateMemory, type MemoryEstimate, type PartMemory } from "./memory/estimate.js";
export type { MemorySuggestion } from "./memory/suggestions.js";
export { loadModel, type Model, type ModelMemory } from "./model.js";
export { type ImageParameters, readParameters } from "./parameters.js";
export { type FieldChange, type Reproduction, reproduce } from "./reproduce.js";
export type * from "./types.js";
export { loadUpscaler, type UpscaleOptions, type Upscaler, type UpscalerInfo, type UpscalerOptions, upscale } from "./upscaler.js";
