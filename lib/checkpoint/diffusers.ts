import type { Piece, TensorInfo, Weight } from "./tensors.js";

// Names of a block of diffusers' SD3Transformer2DModel and of the original MMDiT; a number is the third of the fused tensor. After
// convert_sd3_transformer_checkpoint_to_diffusers (diffusers/loaders/single_file_utils.py), read backwards; to_qkv and to_added_qkv are
// what fuse_qkv_projections() leaves.
const blockTable = `
attn.to_q x_block.attn.qkv 0
attn.to_k x_block.attn.qkv 1
attn.to_v x_block.attn.qkv 2
attn.to_qkv x_block.attn.qkv
attn.add_q_proj context_block.attn.qkv 0
attn.add_k_proj context_block.attn.qkv 1
attn.add_v_proj context_block.attn.qkv 2
attn.to_added_qkv context_block.attn.qkv
attn.norm_q x_block.attn.ln_q
attn.norm_k x_block.attn.ln_k
attn.norm_added_q context_block.attn.ln_q
attn.norm_added_k context_block.attn.ln_k
attn.to_out.0 x_block.attn.proj
attn.to_add_out context_block.attn.proj
attn2.to_q x_block.attn2.qkv 0
attn2.to_k x_block.attn2.qkv 1
attn2.to_v x_block.attn2.qkv 2
attn2.to_qkv x_block.attn2.qkv
attn2.norm_q x_block.attn2.ln_q
attn2.norm_k x_block.attn2.ln_k
attn2.to_out.0 x_block.attn2.proj
norm1.linear x_block.adaLN_modulation.1
norm1_context.linear context_block.adaLN_modulation.1
ff.net.0.proj x_block.mlp.fc1
ff.net.2 x_block.mlp.fc2
ff_context.net.0.proj context_block.mlp.fc1
ff_context.net.2 context_block.mlp.fc2`;

const outerTable = `
pos_embed.proj x_embedder.proj
time_text_embed.timestep_embedder.linear_1 t_embedder.mlp.0
time_text_embed.timestep_embedder.linear_2 t_embedder.mlp.2
time_text_embed.text_embedder.linear_1 y_embedder.mlp.0
time_text_embed.text_embedder.linear_2 y_embedder.mlp.2
context_embedder context_embedder
norm_out.linear final_layer.adaLN_modulation.1
proj_out final_layer.linear`;

interface Place {
  name: string;
  third?: number;
}

const read = (table: string) =>
  new Map<string, Place>(
    table
      .trim()
      .split("\n")
      .map((line) => {
        const [from = "", name = "", third] = line.split(" ");
        return [from, third === undefined ? { name } : { name, third: Number(third) }];
      }),
  );

const blockNames = read(blockTable);
const outerNames = read(outerTable);

function placeOf(key: string): Place | undefined {
  if (key === "pos_embed.pos_embed") return { name: "pos_embed" };
  const [, block, inner = "", member = ""] = /^(?:transformer_blocks\.(\d{1,4})\.)?(.*)\.(weight|bias)$/.exec(key) ?? [];
  const place = (block === undefined ? outerNames : blockNames).get(inner);
  return place && { ...place, name: `${block === undefined ? "" : `joint_blocks.${Number(block)}.`}${place.name}.${member}` };
}

/**
 * A transformer in diffusers' names as the original one: query, key and value are thirds of one tensor, and the last two modulations have
 * their halves in the other order (diffusers: scale, shift; the original: shift, scale). Names that diffusers does not have stay.
 * @param rivals takes note of tensors for what another one makes already
 */
export function originalTransformer(
  tensors: ReadonlyMap<string, TensorInfo>,
  rivals: [first: TensorInfo, other: TensorInfo][],
): Map<string, Weight> {
  const blocks = [...tensors.keys()].map((key) => Number(/^transformer_blocks\.(\d{1,4})\./.exec(key)?.[1] ?? -1));
  const last = blocks.reduce((most, block) => Math.max(most, block), 0);
  const swapped = new RegExp(`^(final_layer|joint_blocks\\.${last}\\.context_block)\\.adaLN_modulation\\.1\\.`);
  const result = new Map<string, Weight>();
  const thirds = new Map<string, (TensorInfo | undefined)[]>();
  for (const [key, tensor] of tensors) {
    const { name, third } = placeOf(key) ?? { name: key };
    if (third !== undefined) {
      const found = thirds.get(name) ?? [undefined, undefined, undefined];
      const first = found[third];
      if (first) rivals.push([first, tensor]);
      else found[third] = tensor;
      thirds.set(name, found);
      continue;
    }
    const first = result.get(name);
    if (first) rivals.push([first, tensor]);
    else result.set(name, swapped.test(name) ? swapHalves(tensor) : tensor);
  }
  for (const [name, found] of thirds) {
    const whole = result.get(name);
    if (whole) for (const third of found) if (third) rivals.push([whole, third]);
    const fused = whole ? undefined : fuse(found);
    if (fused) result.set(name, fused);
  }
  return result;
}

/** Undefined when one is missing: the fused tensor then counts as missing. */
function fuse(found: readonly (TensorInfo | undefined)[]): Weight | undefined {
  const [first] = found;
  const parts = found.filter((part) => part !== undefined);
  if (!first || parts.length !== 3) return undefined;
  const slowest = first.shape.length - 1;
  const rows = parts.reduce((sum, { shape }) => sum + (shape[slowest] ?? 1), 0);
  const same = parts.every(({ shape }) => shape.every((length, i) => i === slowest || length === first.shape[i]));
  const shape = first.shape.map((length, i) => (i === slowest ? rows : length));
  return { ...first, type: commonType(parts), shape: same ? shape : [], bytes: sumOf(parts), pieces: parts.map((tensor) => ({ tensor })) };
}

function swapHalves(tensor: TensorInfo): Weight {
  const rows = tensor.shape.at(-1) ?? 0;
  const half = Math.floor(rows / 2);
  const pieces: Piece[] = [
    { tensor, from: half, rows: rows - half },
    { tensor, from: 0, rows: half },
  ];
  return { ...tensor, pieces };
}

const sumOf = (tensors: readonly TensorInfo[]) => tensors.reduce((sum, { bytes }) => sum + bytes, 0);

/** What holds all values: F16 has those of both fp8 types, F32 those of F16 and BF16. */
function commonType(tensors: readonly TensorInfo[]): string {
  const types = new Set(tensors.map(({ type }) => type));
  const [first = ""] = types;
  if (types.size === 1) return first;
  if ([...types].every((type) => type === "f16" || type.startsWith("f8_"))) return "f16";
  return [...types].every((type) => /^(f8_e[45]m[32]|bf16|f16|f32|f64)$/.test(type)) ? "f32" : `mix of ${[...types].join(", ")}`;
}
