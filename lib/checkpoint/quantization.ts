import { shown } from "./cursor.js";
import type { Header } from "./header.js";
import { collect, elementsOf, type TensorInfo } from "./tensors.js";

/** What makes a file's weights mean something else than their numbers. */
export interface Quantization {
  /** In words: "fp8 with a scale for each tensor". Undefined without scales or markers. */
  kind?: string;
  /** By the weight's name in the file: a factor for the whole weight or for each of its rows. */
  scales: Map<string, TensorInfo>;
  /** ComfyUI's `scaled_fp8`: they say that the fp8 weights under their prefix have scales. */
  markers: TensorInfo[];
  /** Tensors that describe the quantization and change no value, by the reason. */
  idle: Map<string, TensorInfo[]>;
  /** Layers that say their format themselves: the tensors with the JSON. */
  described: TensorInfo[];
  refused?: Refusal;
}

/** Why a file is not read. */
export interface Refusal {
  /** Goes on with "it …": "has weights quantized by bitsandbytes". */
  what: string;
  remedy?: string;
  tensors: TensorInfo[];
}

const otherCopy = "get a copy in fp16, bf16, fp8 or GGUF";

// The first line whose pattern is found in a tensor's name counts. What each writes is described in docs/files.md.
const schemes: [name: string, pattern: RegExp][] = [
  ["bitsandbytes (nf4, fp4)", /\.(nested_)?(absmax|quant_map)$|\.quant_state\.bitsandbytes__\w+$/],
  ["bitsandbytes (int8)", /\.(SCB|weight_format)$/],
  ["SVDQuant (Nunchaku)", /\.(wscales|wtscale|wcscales|smooth_factor(_orig)?)$/],
  ["GPTQ or AWQ", /\.(qweight|qzeros|g_idx)$/],
  ["Quanto", /\._(data|scale|shift|zeropoint)$/],
  ["torchao", /:_?(q?data|scale|zero_point)$|\._weight_\w+$/],
  ["HQQ", /\.W_q$/],
  ["NVFP4", /\.(weight_scale_2|weight_global_scale)$/],
  ["fp8 with scales of blocks", /\.weight_scale_inv$/],
  ["compressed-tensors", /\.weight_(packed|shape)$/],
  ["SDNQ", /\.svd_(up|down)$/],
  ["integers with zero points", /\.(weight_)?zero_points?$/],
];

/** ComfyUI's names of formats (comfy/quant_ops.py, QUANT_ALGOS), as far as they are read, and the type of their weights. */
const comfyFormats: Record<string, string> = { float8_e4m3fn: "f8_e4m3", float8_e5m2: "f8_e5m2" };

/** Members of a layer's description that change nothing of what its weight means. */
const comfyIdle = /^(format|full_precision_matrix_mult|orig_dtype|orig_shape)$/;

const scaleTypes = new Set(["f32", "f16", "bf16", "f64"]);

/**
 * Why a part's weights are not read: some are in fp8 without a factor, though others have one or a marker says that all do. ComfyUI's files have
 * a factor for each matrix in fp8, and keep in wider types what has none; biases and norms are plain numbers.
 */
export function unscaledRefusal({ scales, markers }: Quantization, prefix: string, tensors: readonly TensorInfo[]): Refusal | undefined {
  const isMatrix = ({ name, type, shape }: TensorInfo) => type.startsWith("f8_e") && shape.length > 1 && name.endsWith(".weight");
  const unscaled = tensors.filter((tensor) => isMatrix(tensor) && !scales.has(tensor.name));
  if (unscaled.length === 0) return undefined;
  const marked = markers.some(({ name }) => {
    const own = name.slice(0, -"scaled_fp8".length);
    return prefix.startsWith(own) || own.startsWith(prefix);
  });
  if (!marked && !tensors.some(({ name }) => scales.has(name))) return undefined;
  const what = `has fp8 weights without the factor that its ${marked ? "scaled_fp8 marks" : "other weights have"}`;
  return { what, remedy: "get the whole file anew, or a copy in fp16, bf16 or GGUF", tensors: unscaled };
}

/** What the names and the metadata of a file say. */
export function findQuantization({ tensors, metadata }: Header): Quantization {
  const found: Quantization = { scales: new Map(), markers: [], idle: new Map(), described: [] };
  const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  const refused = new Map<string, TensorInfo[]>();
  for (const tensor of tensors) {
    const { name } = tensor;
    const scheme = schemes.find(([, pattern]) => pattern.test(name))?.[0];
    if (scheme) collect(refused, scheme, tensor);
    else if (/\.(scale_weight|weight_scale)$/.test(name)) refuse(found, addScale(found, byName, tensor), [tensor]);
    else if (/\.(scale_input|input_scale)$/.test(name)) collect(found.idle, "scales of activations, for products in fp8", tensor);
    else if (/(^|\.)scaled_fp8$/.test(name)) {
      found.markers.push(tensor);
      collect(found.idle, "marks weights that have scales", tensor);
    } else if (name.endsWith(".comfy_quant")) {
      found.described.push(tensor);
      collect(found.idle, "says the format of a layer's weight", tensor);
    }
  }
  const scheme = schemes.find(([name]) => refused.has(name))?.[0];
  if (scheme !== undefined) refuse(found, `has weights quantized by ${scheme}, which are not read`, refused.get(scheme) ?? []);
  readMetadata(found, byName, metadata);
  if (found.scales.size > 0) {
    const rows = [...found.scales.values()].some(({ shape }) => (elementsOf(shape) ?? 0) > 1);
    found.kind = `scaled weights (a factor for each ${rows ? "row" : "tensor"})`;
  }
  return found;
}

/** The first reason counts; none is none. */
function refuse(found: Quantization, what: string | undefined, tensors: TensorInfo[] = []): void {
  if (what !== undefined) found.refused ??= { what, remedy: otherCopy, tensors };
}

/** @returns what is wrong with it */
function addScale(found: Quantization, byName: ReadonlyMap<string, TensorInfo>, scale: TensorInfo): string | undefined {
  const layer = scale.name.replace(/\.(scale_weight|weight_scale)$/, "");
  const weight = byName.get(`${layer}.weight`);
  if (!weight) return `has the scale ${shown(scale.name)} of a weight that it has not`;
  if (found.scales.has(weight.name)) return `has two scales for ${shown(weight.name)}`;
  const count = elementsOf(scale.shape) ?? 0;
  const ofRows =
    count === weight.shape.at(-1) && scale.shape.some((length) => length === count) && (scale.shape[0] === 1 || scale.shape.length === 1);
  if (count !== 1 && !ofRows) {
    return `has scales of blocks or columns (${shown(scale.name)} has the shape ${scale.shape.join("x")}), which are not read`;
  }
  if (!scaleTypes.has(scale.type)) return `has the scale ${shown(scale.name)} of type ${scale.type}, expected floats`;
  if (!/^(f8_e4m3|f8_e5m2|f16|bf16|f32|f64)$/.test(weight.type))
    return `has ${shown(weight.name)} of type ${weight.type} with a scale, expected fp8 or another float`;
  found.scales.set(weight.name, scale);
  return undefined;
}

function readMetadata(found: Quantization, byName: ReadonlyMap<string, TensorInfo>, metadata: Header["metadata"]): void {
  const { _quantization_metadata: comfy, quantization_config: config } = metadata;
  if (typeof config === "string") {
    const method = /"quant_method"\s*:\s*"([^"]{1,40})"/.exec(config)?.[1];
    refuse(found, `says that its weights are quantized${method ? ` by ${method}` : ""} (quantization_config in its metadata)`);
  }
  const texts = Object.values(metadata).filter((value) => typeof value === "string");
  const subclass = texts
    .map((text) => /"_type"\s*:\s*"(\w{1,60})"/.exec(text)?.[1])
    .find((name) => name !== undefined && name !== "Tensor");
  if (subclass) refuse(found, `has weights quantized by torchao (${subclass}), which are not read`);
  if (comfy === undefined) return;
  const layers = typeof comfy === "string" ? parse(comfy)?.layers : undefined;
  if (!isObject(layers)) {
    refuse(found, "has _quantization_metadata that is no JSON with layers");
    return;
  }
  const bySuffix = suffixes(byName.keys()); // some writers leave out the prefix of the model
  for (const [layer, description] of Object.entries(layers)) {
    refuse(found, descriptionProblem(found, byName, byName.has(`${layer}.weight`) ? layer : (bySuffix.get(layer) ?? layer), description));
  }
}

/** Layers that have a weight, by each end of their name that begins after a dot. */
function suffixes(names: Iterable<string>): Map<string, string> {
  const found = new Map<string, string>();
  for (const name of names) {
    if (!name.endsWith(".weight")) continue;
    const layer = name.slice(0, -".weight".length);
    for (let dot = layer.indexOf("."); dot >= 0; dot = layer.indexOf(".", dot + 1)) found.set(layer.slice(dot + 1), layer);
  }
  return found;
}

/** Takes note of what the `.comfy_quant` tensors contain. */
export function addDescriptions(found: Quantization, { tensors }: Header, contents: ReadonlyMap<TensorInfo, string>): void {
  const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  for (const [tensor, text] of contents) {
    refuse(found, descriptionProblem(found, byName, tensor.name.slice(0, -".comfy_quant".length), parse(text)), [tensor]);
  }
}

/** Why a layer with this description is not read. */
function descriptionProblem(
  { scales }: Quantization,
  byName: ReadonlyMap<string, TensorInfo>,
  layer: string,
  given: unknown,
): string | undefined {
  const description = typeof given === "string" ? { format: given } : given;
  if (!isObject(description) || typeof description.format !== "string")
    return `describes the quantization of ${shown(layer)} by what is no JSON with a format`;
  const { format } = description;
  const type = Object.hasOwn(comfyFormats, format) ? comfyFormats[format] : undefined;
  if (type === undefined) return `has weights of ComfyUI's format ${shown(format)}, which is not read`;
  const [odd] = Object.entries(description).filter(([name, value]) => !comfyIdle.test(name) && value !== false && value !== null);
  if (odd) return `has weights of ComfyUI's format ${shown(format)} with ${shown(odd[0])}, which is not read`;
  const weight = byName.get(`${layer}.weight`);
  if (!weight) return `describes the quantization of ${shown(layer)}, a layer that it has not`;
  if (weight.type !== type) return `calls ${shown(weight.name)} ${shown(format)}, but it is ${weight.type}`;
  return scales.has(weight.name) ? undefined : `calls ${shown(weight.name)} ${shown(format)}, but has no scale for it`;
}

function parse(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
