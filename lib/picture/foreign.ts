import type { ImageParameters } from "../types/index.js";
import { readGraph } from "./comfyui.js";
import { compact, type Json, number, objectIn, seed, string } from "./json.js";
import type { Texts } from "./metadata.js";

/** What others say in JSON, in our names. Members of another form than expected are left out. */
type Found = Pick<ImageParameters, "text"> & Partial<ImageParameters>;

/** The texts of tools that write JSON: ComfyUI, SwarmUI, Fooocus, InvokeAI, NovelAI; undefined for other texts. */
export function readForeign(texts: Texts): Found | undefined {
  for (const text of [texts.parameters, texts.UserComment, texts.invokeai_metadata, texts["sd-metadata"], texts.Comment]) {
    const json = objectIn(text);
    const found = text !== undefined && json ? describe(text, json) : undefined;
    if (found && (found.prompt || found.seed !== undefined || found.steps !== undefined)) return found;
  }
  const graph = objectIn(texts.prompt);
  return graph && texts.prompt !== undefined ? { text: texts.prompt, ...readGraph(graph) } : undefined;
}

/** SwarmUI has its members in `sui_image_params`; the names are those that each tool documents or writes. */
function describe(text: string, json: Json): Found {
  const inner = json.sui_image_params;
  const from = { ...json, ...(typeof inner === "object" && inner !== null ? (inner as Json) : {}) };
  const [width, height] = sizeIn(from);
  return compact({
    text,
    prompt: string(from.prompt, from.positive_prompt) ?? "",
    negativePrompt: string(from.negative_prompt, from.negativeprompt, from.uc) ?? "",
    steps: number(from.steps),
    sampler: string(from.sampler, from.sampler_name),
    scheduler: string(from.scheduler),
    cfgScale: number(from.cfgscale, from.cfg_scale, from.guidance_scale, from.scale),
    seed: seed(from.seed),
    width,
    height,
    flowShift: number(from.sigmashift),
    strength: number(from.initimagecreativity),
    model: string(from.model, from.base_model, (from.model as Json | undefined)?.name, (from.model as Json | undefined)?.model_name),
    version: string(from.swarm_version, from.version, from.app_version),
    fields: simple(from),
  });
}

/** "(1024, 768)", "1024x768", [1024, 768], or two members. */
function sizeIn(from: Json): [number | undefined, number | undefined] {
  const given = from.resolution ?? from.size;
  const parts = Array.isArray(given) ? given : typeof given === "string" ? (given.match(/\d+/g) ?? []) : [];
  if (parts.length === 2) return [number(parts[0]), number(parts[1])];
  return [number(from.width), number(from.height)];
}

function simple(from: Json): Record<string, string> {
  return Object.fromEntries(Object.entries(from).flatMap(([name, value]) => (typeof value === "object" ? [] : [[name, String(value)]])));
}
