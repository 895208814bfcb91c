export type * from "./convert.js";
export type * from "./events.js";
export type * from "./features.js";
export type * from "./files.js";
export type * from "./generate.js";
export type * from "./image.js";
export type * from "./inspect.js";
export type * from "./memory.js";
export type * from "./model.js";
export type { Backend, ConvertType, PresetName, Rng, Sampler, Scheduler, WeightType } from "./names.js"; // its lists are no part of the package
export type * from "./parameters.js";
export type * from "./pull.js";
export type * from "./result.js";
export type * from "./system.js";
export type * from "./tokens.js";
export type * from "./upscale.js";
