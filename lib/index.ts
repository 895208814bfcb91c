export { type ListedFile, type ListedModel, listModels } from "./catalog/models.js";
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
export { inspectModel } from "./inspect.js";
export { type DeviceMemory, type EstimateOptions, estimateMemory, type MemoryEstimate, type PartMemory } from "./memory/estimate.js";
export type { MemorySuggestion } from "./memory/suggestions.js";
export { loadModel, type Model, type ModelMemory } from "./model.js";
export { type PulledModel, type PullOptions, pull } from "./models.js";
export { type EncodeOptions, Image, type ImageFormat } from "./picture/image.js";
export { type ImageParameters, readParameters } from "./picture/parameters.js";
export { type FieldChange, type Reproduction, reproduce } from "./reproduce.js";
export type { Generation } from "./run/generation.js";
export type * from "./types/index.js";
export { loadUpscaler, type UpscaleOptions, type Upscaler, type UpscalerInfo, type UpscalerOptions, upscale } from "./upscaler.js";
