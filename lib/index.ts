export { convert } from "./convert.js";
export { describeSystem, listDevices } from "./devices.js";
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
  MissingComponentError,
  ModelFileError,
  NoBinaryError,
  QueueFullError,
  SdcppError,
  UnsupportedModelError,
} from "./errors.js";
export { inspectModel } from "./inspect.js";
export { estimateMemory } from "./memory/estimate.js";
export { loadModel, type Model } from "./model.js";
export { listModels, pull } from "./models.js";
export { Image } from "./picture/image.js";
export { readParameters } from "./picture/parameters.js";
export { type FieldChange, type Reproduction, reproduce } from "./reproduce.js";
export type { Generation } from "./run/generation.js";
export type * from "./types/index.js";
export { loadUpscaler, type Upscaler, upscale } from "./upscaler.js";
