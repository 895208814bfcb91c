import type { Part } from "./parts.js";

/** What decides the sizes of the diffusion model. */
export interface DiffusionSize {
  /** Joint blocks, which is also the number of attention heads. */
  depth: number;
  hidden: number;
  /** Blocks with a second attention, from the first on. */
  dualAttentionBlocks: number;
  /** Rows of the position table. */
  positions: number;
}

export function diffusionSize({ tensors }: Part): DiffusionSize {
  let depth = 0;
  let dualAttentionBlocks = 0;
  for (const name of tensors.keys()) {
    const [, block, dual] = /^joint_blocks\.(\d{1,4})\.(x_block\.attn2)?/.exec(name) ?? [];
    if (block === undefined) continue;
    depth = Math.max(depth, Number(block) + 1);
    if (dual) dualAttentionBlocks = Math.max(dualAttentionBlocks, Number(block) + 1);
  }
  const hidden = tensors.get("x_embedder.proj.weight")?.shape[3] ?? tensors.get("x_embedder.proj.bias")?.shape[0] ?? 0;
  return { depth, hidden, dualAttentionBlocks, positions: tensors.get("pos_embed")?.shape[1] ?? 0 };
}
