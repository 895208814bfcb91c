import type { ImageParameters } from "../types/index.js";
import { compact, type Json, number, seed, string } from "./json.js";

/** A node of ComfyUI's graph in API form: `{ class_type, inputs }`, where a link is `[node's id, number of its output]`. */
interface Node {
  class_type: string;
  inputs: Json;
}

/** Nodes on the way of one link; more are a circle, or no graph that people make. */
const deepest = 64;

/** What ComfyUI's graph (the `prompt` chunk) says of the first sampler in it: the core nodes, and those that look like them. */
export function readGraph(graph: Json): Partial<ImageParameters> {
  const at = (id: unknown): Node | undefined => {
    const node = Object.hasOwn(graph, String(id)) ? (graph[String(id)] as Partial<Node> | null) : undefined;
    const whole = typeof node?.class_type === "string" && typeof node.inputs === "object" && node.inputs !== null;
    return whole ? (node as Node) : undefined;
  };
  const linked = (value: unknown): Node | undefined => (Array.isArray(value) ? at(value[0]) : undefined);
  /** A node's member, through nodes that only hand on a value (primitives, switches, text boxes). */
  const throughLinks = (value: unknown, names: readonly string[], depth = 0): unknown => {
    const node = linked(value);
    if (!node) return Array.isArray(value) ? undefined : value;
    const name = names.find((candidate) => node.inputs[candidate] !== undefined);
    return name === undefined || depth > deepest ? undefined : throughLinks(node.inputs[name], names, depth + 1);
  };
  const plain = (value: unknown) => throughLinks(value, ["value", "seed", "noise_seed", "int", "float", "string", "text"]);
  /** The first node up the links of `names` that `is` true of. */
  const upward = (value: unknown, is: (node: Node) => boolean, names: readonly string[]): Node | undefined => {
    const seen = new Set<Node>(); // links may join again, or be a circle
    const waiting = [linked(value)];
    for (let node = waiting.pop(); node; node = waiting.pop()) {
      if (is(node)) return node;
      seen.add(node);
      const { inputs } = node;
      const next = names.flatMap((name) => linked(inputs[name]) ?? []).filter((other) => !seen.has(other));
      for (const other of next.reverse()) {
        seen.add(other);
        waiting.push(other);
      }
    }
    return undefined;
  };
  const textOf = (value: unknown): { text?: string; t5?: string } => {
    const node = upward(value, ({ inputs }) => ["text", "clip_l", "t5xxl"].some((name) => inputs[name] !== undefined), conditioning);
    if (!node) return {};
    const read = (name: string) => string(throughLinks(node.inputs[name], ["text", "value", "string"]));
    return { text: read("text") ?? read("clip_l") ?? read("clip_g") ?? read("t5xxl"), t5: read("t5xxl") };
  };

  const nodes = Object.keys(graph).flatMap((id) => at(id) ?? []);
  const sampler = nodes.find(
    ({ class_type, inputs }) => /sampler/i.test(class_type) && (inputs.latent_image ?? inputs.steps) !== undefined,
  );
  if (!sampler) return { fields: {} };
  // SamplerCustomAdvanced has its settings in nodes of their own.
  const settings = ["noise", "guider", "sampler", "sigmas"].flatMap((name) => linked(sampler.inputs[name]) ?? []);
  const all: Json = Object.assign({}, ...[...settings, sampler].map(({ inputs }) => inputs));
  const size = upward(sampler.inputs.latent_image, ({ inputs }) => inputs.width !== undefined && inputs.height !== undefined, latents);
  const models = ["model", "clip", "unet_name"];
  const model = upward(all.model, ({ inputs }) => (inputs.ckpt_name ?? inputs.unet_name) !== undefined, models);
  const shift = upward(all.model, ({ class_type }) => class_type === "ModelSamplingSD3", models);
  const positive = textOf(all.positive ?? all.conditioning);
  const negative = textOf(all.negative);
  const strength = number(plain(all.denoise));
  return compact({
    prompt: positive.text ?? "",
    negativePrompt: negative.text ?? "",
    t5Prompt: positive.t5 === positive.text ? undefined : positive.t5,
    steps: number(plain(all.steps)),
    sampler: string(plain(all.sampler_name)),
    scheduler: string(plain(all.scheduler)),
    cfgScale: number(plain(all.cfg)),
    seed: seed(plain(all.noise_seed), plain(all.seed)),
    width: number(plain(size?.inputs.width)),
    height: number(plain(size?.inputs.height)),
    flowShift: number(plain(shift?.inputs.shift)),
    strength: strength === 1 ? undefined : strength,
    model: string(plain(model?.inputs.ckpt_name), plain(model?.inputs.unet_name)),
    fields: {},
  });
}

const conditioning = ["conditioning", "conditioning_1", "conditioning_to", "conditioning_from", "positive", "negative"];
const latents = ["samples", "latent_image", "latent", "pixels", "image"];
