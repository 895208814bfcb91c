import { checkpoint } from "./checkpoints.js";
import type { TensorSpec } from "./gguf.js";

/** Random LoRAs of rank 4 for the random-weight models, in the names of the tools that make real ones. Each function returns a path. */

const rank = 4;
const blocks = Array.from({ length: 8 }, (_, block) => block);

type Names = { down: string; up: string };
export const kohya: Names = { down: "lora_down.weight", up: "lora_up.weight" };
export const peft: Names = { down: "lora_A.weight", up: "lora_B.weight" };

/** The pair that changes one matrix. */
export function pair(name: string, inputs: number, outputs: number, { down, up }: Names): TensorSpec[] {
  return [
    { name: `${name}.${down}`, shape: [inputs, rank], type: "f32", std: 1 / Math.sqrt(inputs) },
    { name: `${name}.${up}`, shape: [rank, outputs], type: "f32", std: 0.3 },
  ];
}

/** As sd-scripts names them: `lora_unet_joint_blocks_0_x_block_attn_qkv.lora_down.weight`. */
export function kohyaLora(hidden: number, seed = "a"): Promise<string> {
  return checkpoint(`lora-kohya-${hidden}-${seed}`, () =>
    blocks.flatMap((block) => [
      ...pair(`lora_unet_joint_blocks_${block}_x_block_attn_qkv`, hidden, 3 * hidden, kohya),
      ...pair(`lora_unet_joint_blocks_${block}_x_block_mlp_fc1`, hidden, 4 * hidden, kohya),
      { name: `lora_unet_joint_blocks_${block}_x_block_mlp_fc1.alpha`, shape: [1], type: "f32", mean: 2, std: 0 },
    ]),
  );
}

/** As diffusers does: `transformer.transformer_blocks.0.attn.to_q.lora_A.weight`. */
export function diffusersLora(hidden: number, parts = ["to_q", "to_k", "to_v"]): Promise<string> {
  return checkpoint(`lora-diffusers-${hidden}-${parts.join("-")}`, () =>
    blocks.flatMap((block) => parts.flatMap((part) => pair(`transformer.transformer_blocks.${block}.attn.${part}`, hidden, hidden, peft))),
  );
}

/** Changes CLIP-L's first layers and nothing else. */
export function clipLora(): Promise<string> {
  return checkpoint("lora-clip-l", () =>
    blocks.flatMap((layer) => pair(`lora_te1_text_model_encoder_layers_${layer}_mlp_fc1`, 768, 3072, kohya)),
  );
}
