import type { TensorSpec } from "./gguf.js";
import { type TensorType, tensorTypes } from "./weights.js";

/** The tensors of each part of a checkpoint, with the engine's names and shapes, spread so that activations stay near 1. */

/** A matrix product's weight; a row that is no whole number of blocks falls back to Q4_0 or F16, as converters do. */
function linear(name: string, inputs: number, outputs: number, type: TensorType, gain = 1, bias = true): TensorSpec[] {
  const fitting = ([type, "q4_0"] as const).find((candidate) => inputs % tensorTypes[candidate].elements === 0) ?? "f16";
  const weight: TensorSpec = { name: `${name}.weight`, shape: [inputs, outputs], type: fitting, std: gain / Math.sqrt(inputs) };
  return bias ? [weight, vector(`${name}.bias`, outputs, { std: 0.02 })] : [weight];
}

/** `bias` is the mean of the bias values. */
function conv(name: string, inputs: number, outputs: number, size = 3, gain = 1, bias: number | "none" = 0): TensorSpec[] {
  const std = gain / Math.sqrt(inputs * size * size);
  const weight: TensorSpec = { name: `${name}.weight`, shape: [size, size, inputs, outputs], type: "f16", std };
  return bias === "none" ? [weight] : [weight, vector(`${name}.bias`, outputs, { mean: bias, std: 0.02 })];
}

function vector(name: string, length: number, spread: { mean?: number; std?: number }): TensorSpec {
  return { name, shape: [length], type: "f32", mean: 0, std: 0, ...spread };
}

function norm(name: string, length: number): TensorSpec[] {
  return [vector(`${name}.weight`, length, { mean: 1 }), vector(`${name}.bias`, length, { std: 0.02 })];
}

export function prefixed(prefix: string, tensors: TensorSpec[]): TensorSpec[] {
  return tensors.map((tensor) => ({ ...tensor, name: prefix + tensor.name }));
}

function range(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}

export interface MmditShape {
  /** Joint blocks, which is also the number of heads: at least 24. */
  depth: number;
  /** A multiple of `depth`. */
  hidden: number;
  /** Blocks with a second attention, from the first on: 13 in Medium, 0 in Large. */
  dual?: number;
  /** Of the weights inside the joint blocks; the embedders stay F16, as in published files. */
  type: TensorType;
  /** Of the position table. */
  positionType?: TensorType;
}

/** The diffusion transformer, names as in files that hold it alone. */
export function mmdit({ depth, hidden, dual = 0, type, positionType = "f16" }: MmditShape): TensorSpec[] {
  const attention = (name: string, project: boolean) => [
    ...linear(`${name}.qkv`, hidden, 3 * hidden, type),
    vector(`${name}.ln_q.weight`, hidden / depth, { mean: 1 }),
    vector(`${name}.ln_k.weight`, hidden / depth, { mean: 1 }),
    ...(project ? linear(`${name}.proj`, hidden, hidden, type) : []),
  ];
  const half = (name: string, modulations: number) => [
    ...attention(`${name}.attn`, modulations > 2),
    ...(modulations === 9 ? attention(`${name}.attn2`, true) : []),
    ...linear(`${name}.adaLN_modulation.1`, hidden, modulations * hidden, type, 1.5),
    ...(modulations > 2 ? linear(`${name}.mlp.fc1`, hidden, 4 * hidden, type) : []),
    ...(modulations > 2 ? linear(`${name}.mlp.fc2`, 4 * hidden, hidden, type) : []),
  ];
  // The engine takes no other table sizes from GGUF, where the leading 1 of the shape is lost.
  const positions = dual > 0 ? 384 * 384 : 192 * 192;
  return [
    { name: "pos_embed", shape: [hidden, positions, 1], type: positionType, std: 0.5 },
    ...conv("x_embedder.proj", 16, hidden, 2),
    ...linear("t_embedder.mlp.0", 256, hidden, "f16"),
    ...linear("t_embedder.mlp.2", hidden, hidden, "f16"),
    ...linear("y_embedder.mlp.0", 2048, hidden, "f16", 2),
    ...linear("y_embedder.mlp.2", hidden, hidden, "f16", 2),
    ...linear("context_embedder", 4096, hidden, "f16"),
    ...range(depth).flatMap((i) => [
      ...half(`joint_blocks.${i}.context_block`, i === depth - 1 ? 2 : 6),
      ...half(`joint_blocks.${i}.x_block`, i < dual ? 9 : 6),
    ]),
    ...linear("final_layer.linear", hidden, 64, "f16"),
    ...linear("final_layer.adaLN_modulation.1", hidden, 2 * hidden, "f16"),
  ];
}

/** A CLIP text encoder; "l" has 12 layers of width 768, "g" 32 of 1280 and a projection. The engine takes no other sizes. */
export function clip(which: "l" | "g", type: TensorType = "q4_0"): TensorSpec[] {
  const [layers, width] = which === "l" ? [12, 768] : [32, 1280];
  return [
    // Any type outside F16, Q8_0, Q5_x and Q4_x would be expanded to F32 in memory.
    { name: "text_model.embeddings.token_embedding.weight", shape: [width, 49408], type: "q4_0", std: 0.5 },
    { name: "text_model.embeddings.position_embedding.weight", shape: [width, 77], type: "f32", std: 0.1 },
    ...range(layers).flatMap((i) =>
      prefixed(`text_model.encoder.layers.${i}.`, [
        ...norm("layer_norm1", width),
        ...linear("self_attn.q_proj", width, width, type),
        ...linear("self_attn.k_proj", width, width, type),
        ...linear("self_attn.v_proj", width, width, type, 2),
        ...linear("self_attn.out_proj", width, width, type),
        ...norm("layer_norm2", width),
        ...linear("mlp.fc1", width, 4 * width, type),
        ...linear("mlp.fc2", 4 * width, width, type),
      ]),
    ),
    ...norm("text_model.final_layer_norm", width),
    ...(which === "g" ? linear("text_projection", width, width, "f16", 1, false) : []),
  ];
}

export interface T5Shape {
  layers: number;
  /** 32128 in the real vocabulary. */
  vocabulary: number;
  /** A multiple of 32. */
  feedForward: number;
  type?: TensorType;
}

/** A T5 encoder. Its width is 4096 as in XXL, because that is the width of the transformer's context. */
export function t5({ layers, vocabulary, feedForward, type = "q4_0" }: T5Shape): TensorSpec[] {
  const width = 4096;
  const heads = 64;
  const scale = (name: string) => vector(`${name}.weight`, width, { mean: 1 });
  const plain = (name: string, inputs: number, outputs: number, gain = 1) => linear(name, inputs, outputs, type, gain, false);
  return [
    { name: "shared.weight", shape: [width, vocabulary], type, std: 1 },
    ...range(layers).flatMap((i) =>
      prefixed(`encoder.block.${i}.layer.`, [
        ...(["q", "k"] as const).flatMap((part) => plain(`0.SelfAttention.${part}`, width, width, 0.35)), // T5 does not divide by √64
        ...(["v", "o"] as const).flatMap((part) => plain(`0.SelfAttention.${part}`, width, width)),
        ...(i === 0
          ? [{ name: "0.SelfAttention.relative_attention_bias.weight", shape: [heads, 32], type: "f16" as const, std: 0.5 }]
          : []),
        scale("0.layer_norm"),
        ...plain("1.DenseReluDense.wi_0", width, feedForward),
        ...plain("1.DenseReluDense.wi_1", width, feedForward),
        ...plain("1.DenseReluDense.wo", feedForward, width),
        scale("1.layer_norm"),
      ]),
    ),
    scale("encoder.final_layer_norm"),
  ];
}

/** TAESD3, the tiny autoencoder: 64 channels inside, 16 in the latent picture. */
export function taesd3(): TensorSpec[] {
  const width = 64;
  const block = (name: string) => [
    ...conv(`${name}.conv.0`, width, width, 3, Math.SQRT2),
    ...conv(`${name}.conv.2`, width, width, 3, Math.SQRT2),
    ...conv(`${name}.conv.4`, width, width, 3, 0.3), // small, so that ten blocks in a row do not blow up
  ];
  const blocks = (side: string, ...numbers: number[]) => numbers.flatMap((i) => block(`${side}.layers.${i}`));
  const bare = (name: string) => conv(name, width, width, 3, Math.SQRT2, "none");
  return [
    ...conv("encoder.layers.0", 3, width),
    ...blocks("encoder", 1),
    ...bare("encoder.layers.2"),
    ...blocks("encoder", 3, 4, 5),
    ...bare("encoder.layers.6"),
    ...blocks("encoder", 7, 8, 9),
    ...bare("encoder.layers.10"),
    ...blocks("encoder", 11, 12, 13),
    ...conv("encoder.layers.14", width, 16),
    ...conv("decoder.layers.0", 16, width, 3, Math.SQRT2),
    ...blocks("decoder", 2, 3, 4),
    ...bare("decoder.layers.6"),
    ...blocks("decoder", 7, 8, 9),
    ...bare("decoder.layers.11"),
    ...blocks("decoder", 12, 13, 14),
    ...bare("decoder.layers.16"),
    ...blocks("decoder", 17),
    ...conv("decoder.layers.18", width, 3, 3, 0.1, 0.5), // around middle gray
  ];
}

/** An ESRGAN network (RRDBNet) of one block, whose 64 features and 32 growth channels are fixed. */
export function esrgan(scale: 1 | 2 | 4): TensorSpec[] {
  const dense = [1, 2, 3].flatMap((rdb) =>
    [1, 2, 3, 4, 5].flatMap((i) => conv(`body.0.rdb${rdb}.conv${i}`, 64 + 32 * (i - 1), i < 5 ? 32 : 64)),
  );
  const up = ["conv_up1", "conv_up2"].slice(0, Math.log2(scale)).flatMap((name) => conv(name, 64, 64, 3, Math.SQRT2));
  const ends = [...conv("conv_hr", 64, 64, 3, Math.SQRT2), ...conv("conv_last", 64, 3, 3, 0.3, 0.5)];
  return [...conv("conv_first", 3, 64, 3, 2), ...dense, ...conv("conv_body", 64, 64), ...up, ...ends];
}

/** The same, with weights that hand the colors through from the first layer to the last: it enlarges by repeating pixels. */
export function passingEsrgan(scale: 1 | 2 | 4): TensorSpec[] {
  const passing = /^conv_(first|up1|up2|hr|last)\.weight$/;
  return esrgan(scale).map(({ name, shape }) => {
    const [, , inputs = 1] = shape;
    const isOne = (index: number) => {
      const output = Math.floor(index / 9 / inputs);
      return index % 9 === 4 && Math.floor(index / 9) % inputs === output && output < 3; // 4: the middle of the 3x3 kernel
    };
    return { name, shape, type: "f32", value: (index) => (passing.test(name) && isOne(index) ? 1 : 0) };
  });
}

/** The full 16-channel VAE. The encoder's width is fixed at 128; the decoder's is read from the file, so it may be smaller. */
export function vae(decoderWidth = 32): TensorSpec[] {
  const resnet = (name: string, inputs: number, outputs: number) => [
    ...norm(`${name}.norm1`, inputs),
    ...conv(`${name}.conv1`, inputs, outputs),
    ...norm(`${name}.norm2`, outputs),
    ...conv(`${name}.conv2`, outputs, outputs),
    ...(inputs === outputs ? [] : conv(`${name}.nin_shortcut`, inputs, outputs, 1)),
  ];
  const middle = (side: string, width: number) => [
    ...resnet(`${side}.mid.block_1`, width, width),
    ...norm(`${side}.mid.attn_1.norm`, width),
    ...["q", "k", "v", "proj_out"].flatMap((part) => conv(`${side}.mid.attn_1.${part}`, width, width, 1)),
    ...resnet(`${side}.mid.block_2`, width, width),
  ];
  const ends = (side: string, width: number, outputs: number) => [
    ...norm(`${side}.norm_out`, width),
    ...conv(`${side}.conv_out`, width, outputs),
  ];
  const down = [128, 256, 512, 512].flatMap((width, level, widths) => [
    ...resnet(`encoder.down.${level}.block.0`, widths[level - 1] ?? 128, width),
    ...resnet(`encoder.down.${level}.block.1`, width, width),
    ...(level < 3 ? conv(`encoder.down.${level}.downsample.conv`, width, width) : []),
  ]);
  const top = 4 * decoderWidth;
  const up = [1, 2, 4, 4].flatMap((factor, level, factors) => [
    ...resnet(`decoder.up.${level}.block.0`, (factors[level + 1] ?? 4) * decoderWidth, factor * decoderWidth),
    ...resnet(`decoder.up.${level}.block.1`, factor * decoderWidth, factor * decoderWidth),
    ...resnet(`decoder.up.${level}.block.2`, factor * decoderWidth, factor * decoderWidth),
    ...(level > 0 ? conv(`decoder.up.${level}.upsample.conv`, factor * decoderWidth, factor * decoderWidth) : []),
  ]);
  return [
    ...conv("encoder.conv_in", 3, 128),
    ...down,
    ...middle("encoder", 512),
    ...ends("encoder", 512, 32),
    ...conv("decoder.conv_in", 16, top),
    ...middle("decoder", top),
    ...up,
    ...ends("decoder", decoderWidth, 3),
  ];
}
