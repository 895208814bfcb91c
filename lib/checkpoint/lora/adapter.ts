import { shown } from "../cursor.js";
import type { Header } from "../header.js";
import type { TensorInfo } from "../tensors.js";
import { formTitles, type Shape, shapeOf, type Tensors } from "./change.js";
import { alphaOf, type Configs, isFactor, rankOf, readConfigs } from "./configs.js";
import { type Place, placeOf } from "./places.js";
import { type Role, roleOf } from "./roles.js";

/** What a LoRA does to one tensor of the model. */
export interface Change extends Shape {
  place: Place;
  /** It changes the module's bias, not its weight. */
  ofBias: boolean;
  tensors: Tensors;
  /** Alpha, and whether the square root of the rank divides it. None where the file has none, or a tensor of it. */
  alpha?: number;
  rootOfRank: boolean;
}

/** A file with a LoRA in the wider sense, as its header shows it. */
export interface Adapter {
  /** In words: "LoRA", "DoRA", "LoKr and full difference". */
  title: string;
  changes: Change[];
  /** Tensors that nothing is lost without. */
  idle: string[];
  /** Tensors for modules that Stable Diffusion 3 does not have. */
  homeless: string[];
  /** Why it must not be used: data that changes what the weights mean, and is not understood. */
  fault?: string;
}

/** Types whose values are read as numbers. */
const numbers = /^(?:f64|f32|f16|bf16|f8_e4m3|f8_e5m2|i64|i32|q\d_[01k]|q8_0|iq\d_\w+|mxfp4)$/;

/** Beside the roles of a form: what scales it. */
const scaling: Role[] = ["alpha", "scale", "scalar", "magnitude"];

/**
 * Reads what a LoRA changes.
 * @param config the text of PEFT's adapter_config.json, for a file that PEFT has written
 */
export function readAdapter({ tensors, metadata }: Pick<Header, "tensors" | "metadata">, config?: string): Adapter {
  const adapter: Adapter = { title: "LoRA", changes: [], idle: [], homeless: [] };
  const titles = new Set<string>();
  try {
    const configs = configsOf(metadata, config);
    const targets = new Set<string>();
    const lonely = new Map<string, Tensors>();
    for (const [module, group] of groupsOf(tensors, adapter)) {
      try {
        for (const change of changesOf(module, group, configs, adapter, titles, lonely)) {
          const { weight, bias, third = "" } = change.place;
          const target = `${change.ofBias ? bias : weight} ${third}`;
          if (targets.has(target)) throw new Error("is changed twice, under two names");
          targets.add(target);
          adapter.changes.push(change);
        }
      } catch (error) {
        throw new Error(`module ${shown(module)} ${(error as Error).message}`);
      }
    }
    for (const [module, group] of lonely) setAside(module, group, adapter);
  } catch (error) {
    adapter.fault = (error as Error).message;
  }
  if (titles.size) adapter.title = [...titles].join(" and ");
  return adapter;
}

function configsOf(metadata: Record<string, unknown>, config: string | undefined): Configs {
  const written = metadata.lora_adapter_metadata;
  if (typeof written === "string") return readConfigs(written, "its metadata lora_adapter_metadata");
  if (config !== undefined) return readConfigs(config, "the adapter_config.json beside it");
  const alpha = metadata["adapter.lora.alpha"]; // llama.cpp's, for all modules
  if (typeof alpha === "number" && !isFactor(alpha)) throw new Error(`its metadata has adapter.lora.alpha ${alpha}, which F32 cannot hold`);
  return typeof alpha === "number" ? new Map([["", { alpha, alphas: [], ranks: [], rootOfRank: false, dora: false }]]) : new Map();
}

/** Tensors by module; notes in `adapter` those that belong to none. */
function groupsOf(tensors: readonly TensorInfo[], adapter: Adapter): Map<string, Tensors> {
  const groups = new Map<string, Tensors>();
  for (const tensor of tensors) {
    const found = roleOf(tensor.name);
    if (found === "aside") {
      adapter.idle.push(tensor.name);
      continue;
    }
    if (!found) throw new Error(`tensor ${shown(tensor.name)} is of a kind that is not known, and may change what the others mean`);
    if (!numbers.test(tensor.type)) throw new Error(`tensor ${shown(tensor.name)} has type ${tensor.type}, which is not read`);
    const group = groups.get(found.module) ?? new Map<Role, TensorInfo>();
    const first = group.get(found.role);
    if (first)
      throw new Error(
        `tensors ${shown(first.name)} and ${shown(tensor.name)} are the same part of two adapters; only one can be read from a file`,
      );
    groups.set(found.module, group.set(found.role, tensor));
  }
  return groups;
}

/**
 * Factors without tensors that they scale: nothing is lost with those of a module that nothing changes.
 * @throws Error for those of a module that is changed under another name, and for those of no module, which may be for all
 */
function setAside(module: string, tensors: Tensors, { changes, idle }: Adapter): void {
  const names = [...tensors.values()].map(({ name }) => name);
  const places = [768, 1280].flatMap((width) => placeOf(module, [width]) ?? []); // the width tells CLIP-L from CLIP-G
  if (changes.length > 0) {
    const said = `tensor ${shown(names[0] ?? "")} scales`;
    if (places.length === 0) throw new Error(`${said} no module of the model that has a name, and may be meant for all or for some`);
    const isSame = (one: Place, other: Place) =>
      one.weight === other.weight && (one.third === other.third || one.third === undefined || other.third === undefined);
    const changed = places.some((own) => changes.some(({ place }) => isSame(own, place)));
    if (changed) throw new Error(`${said} a module whose other tensors have another name; give it their name`);
  }
  idle.push(...names);
}

function changesOf(
  module: string,
  tensors: Tensors,
  configs: Configs,
  adapter: Adapter,
  titles: Set<string>,
  lonely: Map<string, Tensors>,
): Change[] {
  const bias = (["upBias", "biasDiff"] as const).flatMap((role) => tensors.get(role) ?? []);
  const all = [...tensors.values()].map(({ name }) => name);
  const shape = shapeOf(tensors);
  if (!shape && bias.length === 0) {
    lonely.set(module, tensors); // such as the alpha of a pair that is not there
    return [];
  }
  if (shape) titles.add(tensors.has("magnitude") ? doraTitle(shape) : formTitles[shape.form]);
  else titles.add(formTitles.full);
  const place = placeOf(module, shape ? [shape.rows, shape.columns] : bias.map(({ shape: [length = 0] }) => length));
  if (!place) {
    adapter.homeless.push(...all);
    return [];
  }
  const config = configs.get(place.part) ?? configs.get("");
  if (shape?.form === "lora" && config?.dora && !tensors.has("magnitude"))
    throw new Error("has no lora_magnitude_vector, but the metadata says DoRA");
  if (shape && config && shape.rank === undefined && !tensors.has("alpha")) shape.rank = rankOf(config, place.path);
  const alpha = tensors.has("alpha") || !config || !shape?.rank ? undefined : alphaOf(config, place.path);
  const common = {
    place,
    ...(alpha === undefined ? {} : { alpha }),
    rootOfRank: tensors.has("alpha") ? false : (config?.rootOfRank ?? false),
  };
  const changes: Change[] = [];
  if (shape) {
    const used = [...shape.roles, ...scaling];
    changes.push({ ...common, ...shape, ofBias: false, tensors: new Map([...tensors].filter(([role]) => used.includes(role))) });
  }
  if (bias.length === 2) throw new Error("has two changes of its bias");
  const [biased] = bias;
  if (biased) {
    const length = biased.shape.reduce((product, side) => product * side, 1);
    // PEFT scales the bias of lora_B as it does the product; a difference has no scale.
    const scaled = tensors.has("upBias") ? [...tensors].filter(([role]) => role === "alpha" || role === "scale") : [];
    if (tensors.has("upBias") && tensors.has("magnitude")) throw new Error("has a DoRA with a bias of lora_B, which is not read");
    const of: Shape = {
      form: "full",
      rows: length,
      columns: 1,
      roles: ["diff"],
      ...(tensors.has("upBias") && shape?.rank ? { rank: shape.rank } : {}),
    };
    changes.push({ ...common, ...of, ofBias: true, tensors: new Map<Role, TensorInfo>([["diff", biased], ...scaled]) });
  }
  return changes;
}

function doraTitle({ form }: Shape): string {
  return form === "lora" ? "DoRA" : `DoRA of ${formTitles[form]}`;
}
