import { shown } from "../cursor.js";
import { type NamePattern, namePattern } from "./patterns.js";
import type { LoraPart } from "./places.js";

/** What a LoRA's metadata says of one part: PEFT's LoraConfig, LoHaConfig or LoKrConfig. */
export interface Config {
  alpha?: number;
  alphas: [fits: NamePattern, alpha: number][];
  /** Of PEFT's LoKr, whose alpha is divided by it even where its factors are whole. */
  rank?: number;
  ranks: [fits: NamePattern, rank: number][];
  /** alpha / sqrt(rank) in the place of alpha / rank. */
  rootOfRank: boolean;
  dora: boolean;
}

/** By part; "" is for all that have none of their own. */
export type Configs = Map<LoraPart | "", Config>;

const parts: Record<string, LoraPart> = {
  transformer: "diffusion",
  unet: "diffusion",
  text_encoder: "clipL",
  text_encoder_2: "clipG",
  text_encoder_3: "t5xxl",
};

/** Of PEFT: the adapter holds a piece of the weights that it was made with, and fits only to what is left of them. */
const changedWeights = /^(?:pissa|olora|corda|loftq|lora_ga)/i;

/**
 * Reads what diffusers writes as `lora_adapter_metadata` (JSON, PEFT's members with the part's name and a dot before each) or what PEFT writes
 * into adapter_config.json (the members alone). sd-scripts' `ss_network_alpha` is for people: its files have an alpha for each module.
 * @throws Error whose message says what is wrong, for a text that is no such JSON or asks for what cannot be done
 */
export function readConfigs(text: string, source: string): Configs {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new Error(`${source} is no JSON`);
  }
  if (!isObject(json)) throw new Error(`${source} is no object of JSON`);
  const members = new Map<LoraPart | "", Map<string, unknown>>();
  const put = (part: LoraPart | "", key: string, value: unknown) => {
    const group = members.get(part) ?? new Map<string, unknown>();
    members.set(part, group.set(key, value));
  };
  for (const [key, value] of Object.entries(json)) {
    const dot = key.indexOf(".");
    const part = Object.hasOwn(parts, key.slice(0, dot)) ? parts[key.slice(0, dot)] : undefined;
    const whole = Object.hasOwn(parts, key) && isObject(value) ? parts[key] : undefined;
    if (whole && isObject(value)) for (const [inner, found] of Object.entries(value)) put(whole, inner, found);
    else if (part) put(part, key.slice(dot + 1), value);
    else put("", key, value);
  }
  return new Map([...members].map(([part, group]) => [part, readConfig(group, source)]));
}

function readConfig(members: ReadonlyMap<string, unknown>, source: string): Config {
  const number = (key: string, value: unknown): number => {
    if (isFactor(value)) return value;
    const what = typeof value === "number" ? String(value) : (JSON.stringify(value) ?? "undefined");
    throw new Error(`${source} has ${key} ${shown(what)}, expected a number that F32 can hold`);
  };
  const optional = (key: string) => (members.get(key) == null ? undefined : number(key, members.get(key)));
  const flag = (key: string): boolean => {
    const value = members.get(key) ?? false;
    if (/^(?:true|1)$/i.test(String(value))) return true;
    if (/^(?:false|0)$/i.test(String(value))) return false;
    throw new Error(`${source} has ${key} ${shown(JSON.stringify(value) ?? "undefined")}, expected true or false`);
  };
  const start = members.get("init_lora_weights");
  if (typeof start === "string" && changedWeights.test(start)) {
    throw new Error(`${source} says init_lora_weights ${shown(start)}: its LoRA fits to weights that were changed for it alone`);
  }
  if (members.get("layer_replication") != null) throw new Error(`${source} says layer_replication, which needs another model`);
  const patterns = (member: string): [NamePattern, number][] => {
    const pattern = members.get(member) ?? {};
    if (!isObject(pattern)) throw new Error(`${source} has an ${member} that is no object`);
    return Object.entries(pattern).map(([key, value]) => {
      const fits = namePattern(key);
      if (!fits) throw new Error(`${source} has the ${member} ${shown(key)}, which is not understood`);
      return [fits, number(`${member} ${shown(key)}`, value)];
    });
  };
  const alpha = optional("lora_alpha") ?? optional("alpha"); // LoHa's and LoKr's name for it
  const rank = members.get("peft_type") === "LOKR" ? optional("r") : undefined;
  return {
    ...(alpha === undefined ? {} : { alpha }),
    alphas: patterns("alpha_pattern"),
    ...(rank === undefined ? {} : { rank }),
    ranks: rank === undefined ? [] : patterns("rank_pattern"),
    rootOfRank: flag("use_rslora"),
    dora: flag("use_dora"),
  };
}

/** Whether it can scale a weight: the products are made of F32. */
export function isFactor(value: unknown): value is number {
  return typeof value === "number" && Number.isFinite(Math.fround(value));
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const by = (patterns: readonly [NamePattern, number][], path: string) => patterns.find(([fits]) => fits(path))?.[1];

/** The alpha of a module, by the first pattern that fits its name. */
export function alphaOf({ alpha, alphas }: Config, path: string): number | undefined {
  return by(alphas, path) ?? alpha;
}

/** The rank that divides it where the tensors have none. */
export function rankOf({ rank, ranks }: Config, path: string): number | undefined {
  return by(ranks, path) ?? rank;
}
