import { samplers, schedulers } from "../../options/index.js";
import type { HiresUpscaler, Sampler, Scheduler } from "../../types/index.js";
import { resizers } from "../enlarge.js";

interface Name<Ours extends string> {
  ours: Ours;
  /** As the web UI writes it. */
  label: string;
  aliases: readonly string[];
}

/** The web UI's names of our samplers; those that it lacks are written in its way. */
const samplerLabels: Record<string, [label: string, ...aliases: string[]]> = {
  euler: ["Euler", "k_euler"],
  euler_a: ["Euler a", "k_euler_a", "k_euler_ancestral", "euler_ancestral"],
  heun: ["Heun", "k_heun"],
  dpm2: ["DPM2", "k_dpm_2", "dpm_2"],
  "dpm++2s_a": ["DPM++ 2S a", "k_dpmpp_2s_a", "dpmpp_2s_ancestral"],
  "dpm++2m": ["DPM++ 2M", "k_dpmpp_2m", "dpmpp_2m"],
  ipndm: ["iPNDM", "PLMS"],
  ipndm_v: ["iPNDM v"],
  lcm: ["LCM", "k_lcm"],
  ddim_trailing: ["DDIM", "ddim"],
  res_multistep: ["RES multistep"],
  res_2s: ["RES 2S"],
  er_sde: ["ER SDE"],
  euler_cfg_pp: ["Euler CFG++"],
  euler_ge: ["Euler GE"],
};

const schedulerLabels: Record<string, [label: string, ...aliases: string[]]> = {
  normal: ["Normal"],
  beta: ["Beta"],
  discrete: ["Uniform", "uniform"],
  karras: ["Karras"],
  exponential: ["Exponential"],
  sgm_uniform: ["SGM Uniform", "SGMUniform"],
  simple: ["Simple"],
  smoothstep: ["Smoothstep"],
  kl_optimal: ["KL Optimal"],
  lcm: ["LCM"],
  bong_tangent: ["Bong Tangent"],
  ltx2: ["LTX2"],
};

const named = <Ours extends string>(values: readonly Ours[], labels: Record<string, [string, ...string[]]>): Name<Ours>[] =>
  values.map((ours) => {
    const [label = ours, ...aliases] = labels[ours] ?? [];
    return { ours, label, aliases: [...new Set([...aliases, ours])] };
  });

export const samplerNames: readonly Name<Sampler>[] = named(samplers as readonly Sampler[], samplerLabels);
export const schedulerNames: readonly Name<Scheduler>[] = named(schedulers as readonly Scheduler[], schedulerLabels);

/** No name is longer; text of megabytes would be compared for seconds. */
const longestName = 200;

/** "DPM++ 2M", "dpm++_2m" and "DPM++2M" are one name. */
const plain = (text: string) =>
  text
    .slice(0, longestName)
    .toLowerCase()
    .replace(/[\s_-]+/g, "");

function find<Ours extends string>(names: readonly Name<Ours>[], text: string): Ours | undefined {
  return names.find(({ label, aliases }) => [label, ...aliases].some((name) => plain(name) === plain(text)))?.ours;
}

export const labelOf = (sampler: string) => samplerNames.find(({ ours }) => ours === sampler)?.label ?? sampler;

/** "automatic", and what clients show for it, leave it to the model. */
const isAutomatic = (text: string) =>
  ["", "automatic", "default", "none", "n/a", "usesamesampler", "usesamescheduler"].includes(plain(text));

/**
 * The sampler and scheduler that are meant, undefined for the model's own; the scheduler may stand behind the sampler ("DPM++ 2M Karras"), as
 * it did in the web UI before 1.9. An unknown name is the model's own, with a warning.
 */
export function readSampler(sampler: string, scheduler: string): { sampler?: Sampler; scheduler?: Scheduler; warnings: string[] } {
  const warnings: string[] = [];
  let found = find(samplerNames, sampler);
  let behind: Scheduler | undefined;
  for (const { ours, label } of found || isAutomatic(sampler) ? [] : schedulerNames) {
    if (!plain(sampler).endsWith(plain(label))) continue;
    found = find(samplerNames, plain(sampler).slice(0, -plain(label).length));
    behind = ours;
    if (found) break;
  }
  if (!found && !isAutomatic(sampler)) {
    behind = undefined;
    warnings.push(`There is no sampler ${JSON.stringify(sampler.slice(0, 80))} for this model; its usual one was used.`);
  }
  const own = isAutomatic(scheduler) ? undefined : find(schedulerNames, scheduler);
  if (!own && !isAutomatic(scheduler))
    warnings.push(`There is no scheduler ${JSON.stringify(scheduler.slice(0, 80))} for this model; its usual one was used.`);
  const chosen = own ?? behind;
  return { ...(found && { sampler: found }), ...(chosen && { scheduler: chosen }), warnings };
}

/** Ways of a hires fix to enlarge in the latent space. */
export const latentModes: ReadonlyMap<string, HiresUpscaler> = new Map([
  ["Latent", "latent"],
  ["Latent (antialiased)", "latent-antialiased"],
  ["Latent (bicubic)", "latent-bicubic"],
  ["Latent (bicubic antialiased)", "latent-bicubic-antialiased"],
  ["Latent (nearest)", "latent-nearest"],
  ["Latent (nearest-exact)", "latent-nearest-exact"],
]);

/** What enlarges without a network: "Lanczos", "Nearest". */
export const resizerLabels: ReadonlyMap<string, (typeof resizers)[number]> = new Map(
  resizers.map((name) => [name.slice(0, 1).toUpperCase() + name.slice(1), name]),
);
