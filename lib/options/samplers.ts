/** Samplers and schedulers: those that suit flow models such as SD 3 are in types/names.ts; here is why the others do not. See docs/samplers.md. */
export { samplers, schedulers } from "../types/names.js";

export const refusedSamplers: Record<string, string> = {
  "dpm++2mv2": "its steps do not add up on a flow schedule: the picture gets paler with every step",
  tcd: "it computes with the noise levels of SD 1 and SDXL",
  euler_a_cfg_pp: "it adds noise as models before SD 3 need it: the picture gets too strong",
};

export const refusedSchedulers: Record<string, string> = {
  ays: "it has noise levels for SD 1, SDXL and SVD only",
  gits: "its noise levels go up to 14.6, and those of flow models to 1",
};

/** Steps with which a schedule begins at pure noise and falls with each step; samplers divide by the differences. */
export const scheduleSteps: Record<string, { min?: number; max?: number }> = {
  karras: { min: 2 },
  exponential: { min: 2 },
  bong_tangent: { min: 2 },
  lcm: { max: 50 },
  smoothstep: { max: 77 },
  beta: { max: 138 },
};
