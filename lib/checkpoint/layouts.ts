import type { Part } from "./parts.js";
import { diffusionSize } from "./size.js";

/** A tensor that the engine asks for: its original name and its shape, row first. */
export type Wanted = [name: string, shape: number[]];

/** All tensors that the engine asks for in a part; the sizes that it reads from the file are read from the part. */
export function wantedTensors(part: Part, format: "gguf" | "safetensors"): Wanted[] {
  switch (part.name) {
    case "diffusion":
      return diffusion(part, format);
    case "clipL":
      return clip(part, 12, 768);
    case "clipG":
      return [...clip(part, 32, 1280), ["text_projection", [1280, 1280]]];
    case "t5xxl":
      return t5(part);
    case "vae":
      return vae(part);
    case "taesd":
      return taesd();
  }
}

const range = (count: number) => Array.from({ length: count }, (_, i) => i);
const linear = (name: string, inputs: number, outputs: number): Wanted[] => [
  [`${name}.weight`, [inputs, outputs]],
  [`${name}.bias`, [outputs]],
];
const conv = (name: string, inputs: number, outputs: number, side = 3): Wanted[] => [
  [`${name}.weight`, [side, side, inputs, outputs]],
  [`${name}.bias`, [outputs]],
];
const norm = (name: string, width: number): Wanted[] => [
  [`${name}.weight`, [width]],
  [`${name}.bias`, [width]],
];

function diffusion(part: Part, format: "gguf" | "safetensors"): Wanted[] {
  const { depth, hidden, dualAttentionBlocks, positions } = diffusionSize(part);
  const normed = [...part.tensors.keys()].some((name) => name.includes(".attn.ln_q."));
  const biased = [...part.tensors.keys()].some((name) => name.endsWith(".attn.ln_q.bias"));
  const headNorm = (name: string): Wanted[] => (biased ? norm(name, hidden / depth) : [[`${name}.weight`, [hidden / depth]]]);
  const attention = (name: string, project: boolean): Wanted[] => [
    ...linear(`${name}.qkv`, hidden, 3 * hidden),
    ...(normed ? [...headNorm(`${name}.ln_q`), ...headNorm(`${name}.ln_k`)] : []),
    ...(project ? linear(`${name}.proj`, hidden, hidden) : []),
  ];
  const half = (name: string, modulations: number): Wanted[] => [
    ...attention(`${name}.attn`, modulations > 2),
    ...(modulations === 9 ? attention(`${name}.attn2`, true) : []),
    ...linear(`${name}.adaLN_modulation.1`, hidden, modulations * hidden),
    ...(modulations > 2 ? [...linear(`${name}.mlp.fc1`, hidden, 4 * hidden), ...linear(`${name}.mlp.fc2`, 4 * hidden, hidden)] : []),
  ];
  // GGUF loses the leading 1 of the table's shape, and then the engine takes no other sizes than those of the published models.
  const published = (dualAttentionBlocks > 0 ? 384 : 192) ** 2;
  const square = Number.isInteger(Math.sqrt(positions)) && part.tensors.get("pos_embed")?.shape.length === 3;
  return [
    ["pos_embed", [hidden, format === "safetensors" && square ? positions : published]],
    ...conv("x_embedder.proj", 16, hidden, 2),
    ...linear("t_embedder.mlp.0", 256, hidden),
    ...linear("t_embedder.mlp.2", hidden, hidden),
    ...linear("y_embedder.mlp.0", 2048, hidden),
    ...linear("y_embedder.mlp.2", hidden, hidden),
    ...linear("context_embedder", 4096, hidden),
    ...range(depth).flatMap((i) => [
      ...half(`joint_blocks.${i}.context_block`, i === depth - 1 ? 2 : 6),
      ...half(`joint_blocks.${i}.x_block`, i < dualAttentionBlocks ? 9 : 6),
    ]),
    ...linear("final_layer.linear", hidden, 64),
    ...linear("final_layer.adaLN_modulation.1", hidden, 2 * hidden),
  ];
}

function clip({ tensors }: Part, layers: number, width: number): Wanted[] {
  const fused = [...tensors.keys()].some((name) => name.includes(".self_attn.in_proj."));
  const layer = (name: string): Wanted[] => [
    ...norm(`${name}.layer_norm1`, width),
    ...(fused
      ? linear(`${name}.self_attn.in_proj`, width, 3 * width)
      : ["q", "k", "v"].flatMap((part) => linear(`${name}.self_attn.${part}_proj`, width, width))),
    ...linear(`${name}.self_attn.out_proj`, width, width),
    ...norm(`${name}.layer_norm2`, width),
    ...linear(`${name}.mlp.fc1`, width, 4 * width),
    ...linear(`${name}.mlp.fc2`, 4 * width, width),
  ];
  return [
    ["text_model.embeddings.token_embedding.weight", [width, 49_408]],
    ["text_model.embeddings.position_embedding.weight", [width, 77]],
    ...range(layers).flatMap((i) => layer(`text_model.encoder.layers.${i}`)),
    ...norm("text_model.final_layer_norm", width),
  ];
}

/** Layers, vocabulary, heads and the width of the feed-forward part come from the file. */
function t5({ tensors }: Part): Wanted[] {
  const bias = "encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight";
  const width = 4096;
  const [, vocabulary = 32_128] = tensors.get("shared.weight")?.shape ?? [];
  const [heads = 64] = tensors.get(bias)?.shape ?? [];
  const [, inner = 10_240] = tensors.get("encoder.block.0.layer.1.DenseReluDense.wi_0.weight")?.shape ?? [];
  const blocks = [...tensors.keys()].map((name) => Number(/^encoder\.block\.(\d{1,4})\./.exec(name)?.[1] ?? -1));
  const layers = blocks.reduce((most, block) => Math.max(most, block + 1), 1);
  return [
    ["shared.weight", [width, vocabulary]],
    [bias, [width % heads ? 64 : heads, 32]],
    ...range(layers).flatMap((i): Wanted[] => [
      ...["q", "k", "v", "o"].map((part): Wanted => [`encoder.block.${i}.layer.0.SelfAttention.${part}.weight`, [width, width]]),
      [`encoder.block.${i}.layer.0.layer_norm.weight`, [width]],
      [`encoder.block.${i}.layer.1.DenseReluDense.wi_0.weight`, [width, inner]],
      [`encoder.block.${i}.layer.1.DenseReluDense.wi_1.weight`, [width, inner]],
      [`encoder.block.${i}.layer.1.DenseReluDense.wo.weight`, [inner, width]],
      [`encoder.block.${i}.layer.1.layer_norm.weight`, [width]],
    ]),
    ["encoder.final_layer_norm.weight", [width]],
  ];
}

/** The encoder is 128 wide, the decoder as wide as its file. The attention's weights may be those of a convolution or of a matrix product. */
function vae({ tensors }: Part): Wanted[] {
  const shapeOf = (name: string) => tensors.get(name)?.shape;
  const resnet = (name: string, inputs: number, outputs: number): Wanted[] => [
    ...norm(`${name}.norm1`, inputs),
    ...conv(`${name}.conv1`, inputs, outputs),
    ...norm(`${name}.norm2`, outputs),
    ...conv(`${name}.conv2`, outputs, outputs),
    ...(inputs === outputs ? [] : conv(`${name}.nin_shortcut`, inputs, outputs, 1)),
  ];
  const middle = (side: string, width: number): Wanted[] => [
    ...resnet(`${side}.mid.block_1`, width, width),
    ...norm(`${side}.mid.attn_1.norm`, width),
    ...["q", "k", "v", "proj_out"].flatMap((part) => {
      const isMatrix = shapeOf(`${side}.mid.attn_1.proj_out.weight`)?.length === 2;
      return (isMatrix ? linear : (...size: [string, number, number]) => conv(...size, 1))(`${side}.mid.attn_1.${part}`, width, width);
    }),
    ...resnet(`${side}.mid.block_2`, width, width),
  ];
  const [, , , top = 512] = shapeOf("decoder.conv_in.weight") ?? [];
  const factors = [1, 2, 4, 4];
  const down = factors.flatMap((factor, level) => {
    const before = 128 * (factors[level - 1] ?? 1);
    return [
      ...resnet(`encoder.down.${level}.block.0`, before, 128 * factor),
      ...resnet(`encoder.down.${level}.block.1`, 128 * factor, 128 * factor),
      ...(level < 3 ? conv(`encoder.down.${level}.downsample.conv`, 128 * factor, 128 * factor) : []),
    ];
  });
  const base = top / 4;
  const up = factors.flatMap((factor, level) => {
    const before = base * (factors[level + 1] ?? 4);
    return [
      ...range(3).flatMap((i) => resnet(`decoder.up.${level}.block.${i}`, i === 0 ? before : base * factor, base * factor)),
      ...(level > 0 ? conv(`decoder.up.${level}.upsample.conv`, base * factor, base * factor) : []),
    ];
  });
  return [
    ...conv("encoder.conv_in", 3, 128),
    ...down,
    ...middle("encoder", 512),
    ...norm("encoder.norm_out", 512),
    ...conv("encoder.conv_out", 512, 32),
    ...conv("decoder.conv_in", 16, top),
    ...middle("decoder", top),
    ...up,
    ...norm("decoder.norm_out", base),
    ...conv("decoder.conv_out", base, 3),
  ];
}

function taesd(): Wanted[] {
  const width = 64;
  const blocks = (side: string, ...numbers: number[]): Wanted[] =>
    numbers.flatMap((i) => [0, 2, 4].flatMap((layer) => conv(`${side}.layers.${i}.conv.${layer}`, width, width)));
  const bare = (side: string, ...numbers: number[]): Wanted[] =>
    numbers.map((i): Wanted => [`${side}.layers.${i}.weight`, [3, 3, width, width]]);
  return [
    ...conv("encoder.layers.0", 3, width),
    ...blocks("encoder", 1, 3, 4, 5, 7, 8, 9, 11, 12, 13),
    ...bare("encoder", 2, 6, 10),
    ...conv("encoder.layers.14", width, 16),
    ...conv("decoder.layers.0", 16, width),
    ...blocks("decoder", 2, 3, 4, 7, 8, 9, 12, 13, 14, 17),
    ...bare("decoder", 6, 11, 16),
    ...conv("decoder.layers.18", width, 3),
  ];
}
