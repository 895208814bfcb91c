import { cached } from "../helpers/checkpoints.js";
import type { TensorSpec } from "../helpers/gguf.js";
import { clip, mmdit, t5, taesd3, vae } from "../helpers/layouts.js";
import { type Weights, writeWeights } from "./weights.js";

/** The files that the reference's pictures are drawn with, in the original layout. `parts.json` tells reference.py of them: see layouts.ts. */

const types = { type: "f32", positionType: "f16" } as const;
const rank = 4;

/** A LoRA's pair, in the names of PEFT or of sd-scripts. */
function pair(name: string, inputs: number, outputs: number, names: "lora_A lora_B" | "lora_down lora_up"): TensorSpec[] {
  const [down, up] = names.split(" ");
  return [
    { name: `${name}.${down}.weight`, shape: [inputs, rank], type: "f32", std: 1 / Math.sqrt(inputs) },
    { name: `${name}.${up}.weight`, shape: [rank, outputs], type: "f32", std: 0.2 },
  ];
}

const width = 96;
const blocks = Array.from({ length: 24 }, (_, i) => i);

/** Every kind of layer that diffusers' names have, with the two whose halves it has in the other order. */
function peftLora(): TensorSpec[] {
  const change = (name: string, outputs: number, inputs = width) => pair(`transformer.${name}`, inputs, outputs, "lora_A lora_B");
  return [
    ...blocks.flatMap((i) => [
      ...["to_q", "to_k", "to_v", "to_out.0"].flatMap((part) => change(`transformer_blocks.${i}.attn.${part}`, width)),
      ...change(`transformer_blocks.${i}.ff.net.0.proj`, 4 * width),
      ...change(`transformer_blocks.${i}.norm1_context.linear`, (i === 23 ? 2 : 6) * width),
    ]),
    ...change("norm_out.linear", 2 * width),
  ];
}

function kohyaLora(): TensorSpec[] {
  return blocks.flatMap((i) => [
    ...pair(`lora_unet_joint_blocks_${i}_x_block_attn_qkv`, width, 3 * width, "lora_down lora_up"),
    ...(i < 23 ? pair(`lora_unet_joint_blocks_${i}_context_block_mlp_fc1`, width, 4 * width, "lora_down lora_up") : []),
    { name: `lora_unet_joint_blocks_${i}_x_block_attn_qkv.alpha`, shape: [1], type: "f32", mean: 2, std: 0 } as const,
  ]);
}

export const parts = {
  large: () => mmdit({ depth: 24, hidden: width, ...types }),
  large38: () => mmdit({ depth: 38, hidden: 76, ...types }),
  medium: () => mmdit({ depth: 24, hidden: width, dual: 13, ...types }),
  clipL: () => clip("l", "f32"),
  clipG: () => clip("g", "f32"),
  t5: () => t5({ layers: 1, vocabulary: 32128, feedForward: 64, type: "f32" }),
  vae: () => vae(32),
  taesd: () => taesd3(),
  peft: peftLora,
  kohya: kohyaLora,
};

export type PartId = keyof typeof parts;

/** What the layouts' spreads are changed to, so that the pictures neither saturate nor hang on rounding. */
const gains: [PartId, RegExp, number][] = [];

/** The tensors of a part as they are written. */
export function weightsOf(part: PartId): Weights[] {
  return parts[part]().map(({ name, shape, mean = 0, std = 0.02 }) => {
    const gain = gains.find(([id, pattern]) => id === part && pattern.test(name))?.[2] ?? 1;
    const scale = mean === 1 && std === 0 ? 0.1 : std * gain; // of a norm
    const stored = shape.length > 2 || /token_embedding|shared/.test(name); // kernels, which the engine has in half precision, and tables
    return { name, shape: [...shape].reverse(), mean, std: scale, half: stored };
  });
}

/** To be raised when weights change. */
const version = 1;

/** The part's file, made on first use and kept between runs. */
export function partFile(part: PartId): Promise<string> {
  return cached(`reference-${part}-v${version}.safetensors`, (file) => writeWeights(file, weightsOf(part)));
}
