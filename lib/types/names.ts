/** Names that options take. What each does: docs/samplers.md, docs/guide.md. */

export const samplers = [
  "euler",
  "euler_a",
  "heun",
  "dpm2",
  "dpm++2s_a",
  "dpm++2m",
  "ipndm",
  "ipndm_v",
  "lcm",
  "ddim_trailing",
  "res_multistep",
  "res_2s",
  "er_sde",
  "euler_cfg_pp",
  "euler_ge",
] as const;
export type Sampler = (typeof samplers)[number];

/** The first two are ours (options/schedule.ts), the others the engine's. */
export const schedulers = [
  "normal",
  "beta",
  "discrete",
  "karras",
  "exponential",
  "sgm_uniform",
  "simple",
  "smoothstep",
  "kl_optimal",
  "lcm",
  "bong_tangent",
  "ltx2",
] as const;
export type Scheduler = (typeof schedulers)[number];

export const weightTypes = ["f32", "f16", "bf16", "q4_0", "q4_1", "q5_0", "q5_1", "q8_0", "q2_k", "q3_k", "q4_k", "q5_k", "q6_k"] as const;
export type WeightType = (typeof weightTypes)[number];

export const convertTypes = [...weightTypes, "iq4_nl", "iq4_xs"] as const;
export type ConvertType = (typeof convertTypes)[number];

export const generators = ["cuda", "cpu", "std_default"] as const;
/** Random generators of the noise. */
export type Rng = (typeof generators)[number];

/** Devices of `listDevices` by their ids, or a kind, of which the best is taken. */
export type Backend = "auto" | "cpu" | "gpu" | "metal" | "cuda" | "vulkan" | `cuda:${number}` | `vulkan:${number}`;

/** What `pull` brings, as catalog.json has it. */
export const catalogIds = {
  "sd3.5-medium": [
    "q4_0",
    "q4_k_s",
    "q4_k_m",
    "q5_0",
    "q5_1",
    "q5_k_m",
    "q6_k",
    "q8_0",
    "f16",
    "official",
    "f16-t5fp8",
    "fp8_scaled",
    "diffusers",
  ],
  "sd3.5-large": ["q4_0", "q4_1", "q5_0", "q5_1", "q8_0", "f16", "official", "f16-t5fp8", "fp8_scaled", "diffusers"],
  "sd3.5-large-turbo": ["q4_0", "q5_0", "q5_1", "q8_0", "official", "diffusers"],
} as const;
type CatalogIds = typeof catalogIds;
type Quantized = { [Model in keyof CatalogIds]: `${Model}:${CatalogIds[Model][number]}` };

/** Models known by name: the demo, and those that `pull` brings, by id or alias. `listModels()` tells more of them. */
export type PresetName = "demo" | keyof CatalogIds | Quantized[keyof CatalogIds];
