import { open, writeFile } from "node:fs/promises";
import path from "node:path";
import { readHeader } from "../../lib/checkpoint/reader.js";
import { rawSafetensors } from "./raw.js";

/** A tensor with its numbers, as safetensors files have it: the slowest dimension first. */
export interface Stored {
  name: string;
  dtype: string;
  shape: number[];
  data: Buffer;
}

/** All tensors of a GGUF or safetensors file of floats. */
export async function storedOf(file: string): Promise<Stored[]> {
  const { tensors } = await readHeader(file);
  const handle = await open(file);
  try {
    const stored: Stored[] = [];
    for (const { name, type, shape, offset, bytes } of tensors) {
      const data = Buffer.alloc(bytes);
      await handle.read(data, 0, bytes, offset);
      stored.push({ name, dtype: type.toUpperCase(), shape: [...shape].reverse(), data });
    }
    return stored;
  } finally {
    await handle.close();
  }
}

/** Writes them in this order; returns the file. */
export async function writeStored(file: string, tensors: readonly Stored[], metadata?: Record<string, string>): Promise<string> {
  let end = 0;
  const entries = tensors.map(({ name, dtype, shape, data }) => {
    end += data.length;
    return [name, { dtype, shape, data_offsets: [end - data.length, end] }] as const;
  });
  const head = rawSafetensors({ ...(metadata && { __metadata__: metadata }), ...Object.fromEntries(entries) });
  await writeFile(file, Buffer.concat([head, ...tensors.map(({ data }) => data)]));
  return file;
}

/** Writes them as shards with an index, as diffusers does; returns the index. */
export async function writeShards(folder: string, stem: string, tensors: readonly Stored[], count: number): Promise<string> {
  const map: Record<string, string> = {};
  for (let i = 0; i < count; i++) {
    const name = `${stem}-${String(i + 1).padStart(5, "0")}-of-${String(count).padStart(5, "0")}.safetensors`;
    const own = tensors.filter((_, at) => at % count === i); // thirds of one weight get into different files
    for (const tensor of own) map[tensor.name] = name;
    await writeStored(path.join(folder, name), own);
  }
  const index = path.join(folder, `${stem}.safetensors.index.json`);
  await writeFile(index, JSON.stringify({ metadata: {}, weight_map: map }));
  return index;
}

export const prefixedStored = (prefix: string, tensors: readonly Stored[]) =>
  tensors.map((tensor) => ({ ...tensor, name: prefix + tensor.name }));

/** The first rows of a tensor's slowest dimension, or others. */
function rowsOf({ shape, data }: Stored, from: number, count: number): Pick<Stored, "shape" | "data"> {
  const [rows = 1, ...rest] = shape;
  const bytes = data.length / rows;
  return { shape: [count, ...rest], data: data.subarray(from * bytes, (from + count) * bytes) };
}

/** As diffusers' SD3Transformer2DModel names and cuts an original transformer. */
export function asDiffusers(tensors: readonly Stored[]): Stored[] {
  const last = Math.max(...tensors.map(({ name }) => Number(/^joint_blocks\.(\d+)/.exec(name)?.[1] ?? 0)));
  return tensors.flatMap((tensor) => {
    const { name } = tensor;
    const outer: Record<string, string> = {
      pos_embed: "pos_embed.pos_embed",
      "x_embedder.proj": "pos_embed.proj",
      "t_embedder.mlp.0": "time_text_embed.timestep_embedder.linear_1",
      "t_embedder.mlp.2": "time_text_embed.timestep_embedder.linear_2",
      "y_embedder.mlp.0": "time_text_embed.text_embedder.linear_1",
      "y_embedder.mlp.2": "time_text_embed.text_embedder.linear_2",
      context_embedder: "context_embedder",
      "final_layer.linear": "proj_out",
      "final_layer.adaLN_modulation.1": "norm_out.linear",
    };
    const [, layer = name, member] = /^(.*)\.(weight|bias)$/.exec(name) ?? [];
    const end = member === undefined ? "" : `.${member}`;
    const half = (tensor.shape[0] ?? 0) / 2;
    const [upper, lower] = [rowsOf(tensor, half, half), rowsOf(tensor, 0, half)];
    const swapped = { ...tensor, data: Buffer.concat([upper.data, lower.data]) };
    if (outer[layer]) return [{ ...(layer.startsWith("final_layer.ada") ? swapped : tensor), name: outer[layer] + end }];
    const [, block = "", side = "", inner = ""] = /^joint_blocks\.(\d+)\.(x|context)_block\.(.*)$/.exec(layer) ?? [];
    const at = `transformer_blocks.${block}.`;
    const context = side === "context";
    if (inner.endsWith(".qkv")) {
      const third = (tensor.shape[0] ?? 0) / 3;
      const names = context ? ["add_q_proj", "add_k_proj", "add_v_proj"] : ["to_q", "to_k", "to_v"];
      const attention = inner.replace(".qkv", "");
      return names.map((part, i) => ({ ...tensor, ...rowsOf(tensor, i * third, third), name: `${at}${attention}.${part}${end}` }));
    }
    const inside: Record<string, string> = {
      "attn.ln_q": context ? "attn.norm_added_q" : "attn.norm_q",
      "attn.ln_k": context ? "attn.norm_added_k" : "attn.norm_k",
      "attn.proj": context ? "attn.to_add_out" : "attn.to_out.0",
      "attn2.ln_q": "attn2.norm_q",
      "attn2.ln_k": "attn2.norm_k",
      "attn2.proj": "attn2.to_out.0",
      "adaLN_modulation.1": context ? "norm1_context.linear" : "norm1.linear",
      "mlp.fc1": context ? "ff_context.net.0.proj" : "ff.net.0.proj",
      "mlp.fc2": context ? "ff_context.net.2" : "ff.net.2",
    };
    const cut = context && inner.startsWith("ada") && Number(block) === last;
    return [{ ...(cut ? swapped : tensor), name: `${at}${inside[inner]}${end}` }];
  });
}
