import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { readCheckpoint } from "../../../lib/checkpoint/checkpoint.js";
import { assemble } from "../../../lib/checkpoint/components.js";
import { describe as describeFile } from "../../../lib/checkpoint/describe.js";
import { inspectModel, loadModel, UnsupportedModelError } from "../../../lib/index.js";
import { type TensorSpec, writeSparseGguf } from "../../helpers/gguf.js";
import { clip, mmdit, prefixed, t5, vae } from "../../helpers/layouts.js";
import { rawSafetensors } from "../../helpers/raw.js";

/** Every tensor of a file is read, known to change nothing, or the reason why the file is refused. */

let folder: string;
before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "sdcpp-uses-"));
});
after(() => rm(folder, { recursive: true, force: true }));

const dit = () => mmdit({ depth: 24, hidden: 24, type: "f16" });
const tensor = (name: string, ...shape: number[]): TensorSpec => ({ name, shape, type: "f16" });

interface Extra {
  dtype: string;
  shape: number[];
  data?: Buffer;
}

let count = 0;
/** A safetensors file of half floats, some with another type, and of others beside. */
async function file(
  tensors: TensorSpec[],
  extras: Record<string, Extra> = {},
  metadata?: Record<string, string>,
  types: Record<string, string> = {},
) {
  const sizes: Record<string, number> = { F16: 2, F32: 4, F8_E4M3: 1, F8_E5M2: 1, U8: 1, I8: 1, I32: 4, BF16: 2, F8_E8M0: 1 };
  let end = 0;
  const content: [number, Buffer][] = [];
  const entry = (dtype: string, shape: number[], data?: Buffer) => {
    const begin = end;
    end += shape.reduce((product, length) => product * length, sizes[dtype] ?? 1);
    if (data) content.push([begin, data]);
    return { dtype, shape, data_offsets: [begin, end] };
  };
  const entries = [
    ...tensors.map(({ name, shape }) => [name, entry(types[name] ?? "F16", [...shape].reverse())] as const),
    ...Object.entries(extras).map(([name, { dtype, shape, data }]) => [name, entry(dtype, shape, data)] as const),
  ];
  const head = rawSafetensors({ ...(metadata && { __metadata__: metadata }), ...Object.fromEntries(entries) }, end);
  for (const [at, data] of content) data.copy(head, head.length - end + at);
  const at = path.join(folder, `${count++}.safetensors`);
  await writeFile(at, head);
  return at;
}

const layer = "joint_blocks.0.x_block.mlp.fc1";
const one = Buffer.from([0, 0, 128, 63]);
const json = (value: unknown): Extra => ({ dtype: "U8", shape: [JSON.stringify(value).length], data: Buffer.from(JSON.stringify(value)) });
const fp8 = { [`${layer}.weight`]: "F8_E4M3" };
const scale: Extra = { dtype: "F32", shape: [], data: one };

describe("refused by name", () => {
  const cases: [RegExp, Record<string, Extra>, Record<string, string>?, Record<string, string>?][] = [
    [/quantized by bitsandbytes \(nf4, fp4\)/, { [`${layer}.weight.absmax`]: { dtype: "F32", shape: [4] } }],
    [/quantized by bitsandbytes \(nf4, fp4\)/, { [`${layer}.weight.quant_state.bitsandbytes__nf4`]: { dtype: "U8", shape: [4] } }],
    [/quantized by bitsandbytes \(int8\)/, { [`${layer}.SCB`]: { dtype: "F32", shape: [96] } }],
    [/quantized by GPTQ or AWQ/, { [`${layer}.qweight`]: { dtype: "I32", shape: [4] }, [`${layer}.qzeros`]: { dtype: "I32", shape: [4] } }],
    [/quantized by SVDQuant/, { [`${layer}.qweight`]: { dtype: "I8", shape: [4] }, [`${layer}.wscales`]: { dtype: "BF16", shape: [4] } }],
    [
      /quantized by Quanto/,
      { [`${layer}.weight._data`]: { dtype: "I8", shape: [4] }, [`${layer}.weight._scale`]: { dtype: "F16", shape: [4] } },
    ],
    [/quantized by torchao/, { [`${layer}._weight_qdata`]: { dtype: "I8", shape: [4] } }],
    [/quantized by torchao \(Float8Tensor\)/, {}, { [`${layer}.weight`]: '{"_type":"Float8Tensor","_data":{}}' }],
    [/quantized by HQQ/, { [`${layer}.W_q`]: { dtype: "U8", shape: [4] } }],
    [/quantized by NVFP4/, { [`${layer}.weight_scale_2`]: scale }],
    [/scales of blocks/, { [`${layer}.weight_scale_inv`]: { dtype: "F32", shape: [1, 1] } }],
    [/scales of blocks or columns .*shape 4x96/, { [`${layer}.weight_scale`]: { dtype: "F32", shape: [96, 4] } }, undefined, fp8],
    [/scales of blocks or columns .*shape 24/, { [`${layer}.weight_scale`]: { dtype: "F32", shape: [1, 24] } }, undefined, fp8],
    [/scale ".*" of type f8_e8m0, expected floats/, { [`${layer}.weight_scale`]: { dtype: "F8_E8M0", shape: [] } }, undefined, fp8],
    [/of type i8 with a scale/, { [`${layer}.weight_scale`]: scale }, undefined, { [`${layer}.weight`]: "I8" }],
    [/has the scale "other.scale_weight" of a weight that it has not/, { "other.scale_weight": scale }],
    [/has two scales/, { [`${layer}.weight_scale`]: scale, [`${layer}.scale_weight`]: scale }, undefined, fp8],
    [/ComfyUI's format "nvfp4"/, { [`${layer}.comfy_quant`]: json({ format: "nvfp4" }) }],
    [/ComfyUI's format "mxfp8"/, { [`${layer}.comfy_quant`]: json({ format: "mxfp8" }) }],
    [/ComfyUI's format "int8_tensorwise"/, { [`${layer}.comfy_quant`]: json({ format: "int8_tensorwise", convrot: true }) }],
    [/format "float8_e4m3fn" with "convrot"/, { [`${layer}.weight_scale`]: scale, [`${layer}.comfy_quant`]: json({ format: "float8_e4m3fn", convrot: true }) }, undefined, fp8], // biome-ignore format: short
    [/what is no JSON with a format/, { [`${layer}.comfy_quant`]: { dtype: "U8", shape: [3], data: Buffer.from("{]}") } }],
    [/calls ".*fc1.weight" "float8_e5m2", but it is f8_e4m3/, { [`${layer}.weight_scale`]: scale, [`${layer}.comfy_quant`]: json({ format: "float8_e5m2" }) }, undefined, fp8], // biome-ignore format: short
    [/but has no scale for it/, { [`${layer}.comfy_quant`]: json({ format: "float8_e4m3fn" }) }, undefined, fp8],
    [/of "nothing", a layer that it has not/, {}, { _quantization_metadata: '{"layers":{"nothing":{"format":"float8_e4m3fn"}}}' }],
    [/_quantization_metadata that is no JSON/, {}, { _quantization_metadata: "{" }],
    [/quantized by gptq \(quantization_config/, {}, { quantization_config: '{"quant_method":"gptq"}' }],
    [
      /it is not known what they change: the tensor "joint_blocks.0.x_block.mlp.fc1.novel"/,
      { [`${layer}.novel`]: { dtype: "F16", shape: [4] } },
    ],
    [
      /it is not known what they change: 2 tensors such as "extra/,
      { extra: { dtype: "F16", shape: [4] }, extra2: { dtype: "U8", shape: [4] } },
    ],
  ];
  for (const [i, [message, extras, metadata, types]] of cases.entries()) {
    test(`${message} (${i})`, async () => {
      const diffusionModel = await file(dit(), extras, metadata, types);
      await assert.rejects(
        loadModel({ diffusionModel }),
        (error) => error instanceof UnsupportedModelError && message.test(error.message),
        String(message),
      );
      const { files, loadable } = await inspectModel(diffusionModel);
      assert.equal(loadable, false);
      assert.match(files[0]?.tensors?.refused?.reason ?? "", message);
    });
  }

  test("quantized so that no part is seen", async () => {
    const names = dit().map((spec) => ({ ...spec, name: spec.name.replace(/x_block\.(.*)\.weight$/, "x_block.$1.qweight") }));
    await assert.rejects(loadModel({ diffusionModel: await file(names) }), /quantized by GPTQ or AWQ/);
    await assert.rejects(loadModel({ files: await file([tensor("layers.0.weight.absmax", 4)]) }), /quantized by bitsandbytes/);
  });

  test("fp8 without the factors that a marker or others tell of", async () => {
    const marker = (name = "scaled_fp8"): Record<string, Extra> => ({ [name]: { dtype: "F8_E4M3", shape: [0] } });
    const other = "joint_blocks.1.context_block.attn.qkv";
    const two = { ...fp8, [`${other}.weight`]: "F8_E5M2" };
    const scaled = { [`${layer}.weight_scale`]: scale };
    const whole = { ...scaled, [`${other}.scale_weight`]: scale };
    const bias = { [`${layer}.bias`]: "F8_E4M3" };
    const prefix = "model.diffusion_model.";
    const add = <T>(object: Record<string, T>) => Object.fromEntries(Object.entries(object).map(([name, value]) => [prefix + name, value]));
    const cases: [RegExp | undefined, Record<string, Extra>, Record<string, string>][] = [
      [/without the factor that its scaled_fp8 marks: 2 tensors such as ".*mlp.fc1.weight"/, marker(), two],
      [/without the factor that its scaled_fp8 marks: the tensor ".*1.context_block.attn.qkv.weight"/, { ...marker(), ...scaled }, two],
      [/without the factor that its other weights have: the tensor ".*1.context_block.attn.qkv.weight"/, scaled, two],
      [undefined, { ...marker(), ...whole }, { ...two, ...bias }],
      [undefined, whole, two],
      [undefined, marker(), {}],
      [undefined, {}, two],
    ];
    const same = (found: { used?: number; refused?: unknown }, count: number) => assert.equal(found.used, count);
    for (const [message, extras, types] of cases) {
      for (const [tensors, beside, typed] of [
        [dit(), extras, types],
        [prefixed(prefix, dit()), add(extras), add(types)],
        [prefixed(prefix, dit()), Object.fromEntries(Object.entries(extras).map(([name, value]) => [name === "scaled_fp8" ? name : prefix + name, value])), add(types)], // biome-ignore format: short
      ] as const) {
        const checkpoint = await readCheckpoint(await file([...tensors], beside, undefined, typed));
        const found = describeFile(checkpoint, 0).tensors;
        if (message) assert.match(found?.refused?.reason ?? "", message);
        else assert.equal(found?.refused, undefined);
        const markers = "scaled_fp8" in extras ? 1 : 0;
        same(found ?? {}, tensors.length + Object.keys(extras).length - markers - (found?.refused?.tensors ?? 0));
      }
    }
    const parts = await file(
      [...prefixed(prefix, dit()), ...prefixed("first_stage_model.", vae())],
      add({ ...marker(), ...scaled }),
      undefined,
      { ...add(fp8), "first_stage_model.encoder.conv_in.weight": "F8_E4M3" },
    );
    assert.equal((await readCheckpoint(parts)).refused, undefined, "a marker is for the part under its prefix");
  });

  test("two tensors for one weight", async () => {
    const double = (tensors: TensorSpec[], from: RegExp, to: string) => [
      ...tensors,
      ...tensors.filter(({ name }) => from.test(name)).map((spec) => ({ ...spec, name: spec.name.replace(from, to) })),
    ];
    const query = "transformer_blocks.0.attn.add_q_proj.weight";
    const diffusers = [
      ...["add_q_proj", "add_k_proj", "add_v_proj"].map((name) => tensor(`transformer_blocks.0.attn.${name}.weight`, 24, 24)),
      tensor("transformer_blocks.0.attn.to_added_qkv.weight", 24, 72),
    ];
    const cases: [TensorSpec[], RegExp, number][] = [
      [double(clip("l"), /^text_model\.(?=encoder\.layers\.0\.mlp)/, ""), /"text_model.encoder.layers.0.mlp.fc1.\w+" and another/, 4],
      [double(clip("l"), /^text_model\.(?=encoder)/, ""), /two tensors for one weight/, 192],
      [diffusers, /"transformer_blocks.0.attn.to_added_qkv.weight" and another: 3 tensors such as "transformer_blocks.0.attn.add_q_proj.weight"/, 3], // biome-ignore format: short
      [[...diffusers.slice(0, 3), { ...tensor(query, 24, 24), name: query.replace(".0.", ".00.") }], /add_q_proj.weight" and another/, 1],
    ];
    for (const [tensors, message, count] of cases) {
      const found = describeFile(await readCheckpoint(await file(tensors)), 0).tensors;
      assert.match(found?.refused?.reason ?? "", message);
      assert.equal(found?.refused?.tensors, count);
    }
    const found = describeFile(await readCheckpoint(await file(cases[0]?.[0] ?? [])), 0).tensors;
    assert.equal((found?.used ?? 0) + (found?.refused?.tensors ?? 0), clip("l").length + 4);
  });

  test("a part that is there twice", async () => {
    const two = await file([...dit(), ...prefixed("model.diffusion_model.", dit())]);
    const { used, refused } = describeFile(await readCheckpoint(two), 0).tensors ?? {};
    assert.deepEqual([used, refused?.tensors], [dit().length, dit().length]);
    await assert.rejects(loadModel({ model: two }), /holds the part diffusion twice, without a prefix and as "model.diffusion_model."/);
  });
});

describe("without effect, with the reason", () => {
  const cases: [string, TensorSpec[], Record<string, Extra>, RegExp, number][] = [
    ["clipL", clip("l"), { "vision_model.pre_layrnorm.weight": { dtype: "F16", shape: [8] }, "visual_projection.weight": { dtype: "F16", shape: [8, 8] } }, /half for pictures/, 2], // biome-ignore format: short
    ["clipL", clip("l"), { "text_projection.weight": { dtype: "F16", shape: [768, 768] } }, /before the projection/, 1],
    ["clipL", clip("l"), { logit_scale: { dtype: "F32", shape: [] } }, /compares texts with pictures/, 1],
    ["clipG", clip("g"), { "text_model.embeddings.position_ids": { dtype: "I32", shape: [1, 77] } }, /numbers of the positions/, 1],
    ["t5xxl", t5({ layers: 1, vocabulary: 64, feedForward: 64 }), { "encoder.embed_tokens.weight": { dtype: "F16", shape: [64, 4096] } }, /table of tokens once more/, 1], // biome-ignore format: short
    ["t5xxl", t5({ layers: 1, vocabulary: 64, feedForward: 64 }), { "decoder.block.0.layer.0.SelfAttention.q.weight": { dtype: "F16", shape: [8, 8] }, "lm_head.weight": { dtype: "F16", shape: [8, 8] } }, /T5's decoder/, 2], // biome-ignore format: short
    ["t5xxl", t5({ layers: 1, vocabulary: 64, feedForward: 64 }), { spiece_model: { dtype: "U8", shape: [8] } }, /a tokenizer/, 1],
    ["vae", vae(), { "loss.discriminator.main.0.weight": { dtype: "F16", shape: [8] } }, /training/, 1],
    ["diffusionModel", dit(), { "model_ema.decay": { dtype: "F32", shape: [] }, "model_ema.joint_blocks.0.x_block.mlp.fc1.weight": { dtype: "F16", shape: [8] } }, /averaged copies/, 2], // biome-ignore format: short
    ["diffusionModel", dit(), { "model_sampling.sigmas": { dtype: "F32", shape: [8] } }, /schedule of noise/, 1],
  ];
  for (const [option, tensors, extras, reason, number] of cases) {
    test(`${option}: ${Object.keys(extras)[0]}`, async () => {
      const found = describeFile(await readCheckpoint(await file(tensors, extras)), 0);
      assert.equal(found.option, option);
      assert.deepEqual([found.tensors?.refused, found.tensors?.used], [undefined, tensors.length]);
      const [idle] = found.tensors?.withoutEffect ?? [];
      assert.match(idle?.reason ?? "", reason);
      assert.deepEqual([idle?.tensors, idle?.first], [number, Object.keys(extras)]);
    });
  }

  test("docs/files.md names each reason", async () => {
    const { readFile } = await import("node:fs/promises");
    const [code, docs] = [await readFile("lib/checkpoint/effects.ts", "utf8"), await readFile("docs/files.md", "utf8")];
    const reasons = [...code.matchAll(/"([^"]{8,})"\],?$/gm)].map(([, reason]) => reason as string);
    assert.ok(reasons.length > 8);
    for (const reason of reasons) assert.ok(docs.includes(reason), reason);
  });
});

describe("a diffusers folder", () => {
  async function pipeline(
    index: object | string,
    configs: Record<string, object> = {},
    files: Record<string, TensorSpec[]> = {},
  ): Promise<string> {
    const home = await mkdtemp(path.join(folder, "pipeline-"));
    const put = async (name: string, content: string) => {
      await mkdir(path.dirname(path.join(home, name)), { recursive: true });
      await writeFile(path.join(home, name), content);
    };
    await put("model_index.json", typeof index === "string" ? index : JSON.stringify(index));
    for (const [component, config] of Object.entries(configs)) await put(`${component}/config.json`, JSON.stringify(config));
    for (const [name, tensors] of Object.entries(files)) {
      await mkdir(path.dirname(path.join(home, name)), { recursive: true });
      if (name.endsWith(".gguf")) await writeSparseGguf(path.join(home, name), tensors);
      else await (await import("node:fs/promises")).rename(await file(tensors), path.join(home, name));
    }
    return home;
  }

  const component = (name: string) => ["diffusers", name];
  const sd3 = { _class_name: "StableDiffusion3Pipeline", transformer: component("SD3Transformer2DModel"), vae: component("AutoencoderKL") };
  const weights = () => ({ "transformer/diffusion_pytorch_model.safetensors": dit(), "vae/diffusion_pytorch_model.safetensors": vae() });
  const cases: [RegExp, object | string, Record<string, object>?][] = [
    [/model_index.json describes "FluxPipeline", expected a StableDiffusion3Pipeline/, { ...sd3, _class_name: "FluxPipeline" }],
    [/describes "StableDiffusion3ControlNetPipeline"/, { ...sd3, _class_name: "StableDiffusion3ControlNetPipeline" }],
    [/describes "undefined"/, { transformer: component("SD3Transformer2DModel") }],
    [/model_index.json is no valid JSON/, "{"],
    [/model_index.json is no JSON object/, "[]"],
    [
      /config.json of "FluxTransformer2DModel", expected SD3Transformer2DModel/,
      sd3,
      { transformer: { _class_name: "FluxTransformer2DModel" } },
    ],
    [/config.json with 20 attention heads and 24 layers/, sd3, { transformer: { num_layers: 24, num_attention_heads: 20 } }],
    [/config.json with in_channels 32, expected 16/, sd3, { transformer: { in_channels: 32 } }],
    [
      /config.json with a quantization_config \("bitsandbytes"\)/,
      sd3,
      { transformer: { quantization_config: { quant_method: "bitsandbytes" } } },
    ],
    [/config.json with scaling_factor 0.3611, expected 1.5305/, sd3, { vae: { scaling_factor: 0.3611 } }],
    [/config.json with use_quant_conv true, expected false/, sd3, { vae: { use_quant_conv: true } }],
    [/config.json of "AutoencoderKLWan"/, sd3, { vae: { _class_name: "AutoencoderKLWan" } }],
  ];
  for (const [message, index, configs] of cases) {
    test(String(message), async () => {
      const files = await pipeline(index, configs, { ...weights(), "text_encoder/model.safetensors": clip("l") });
      await assert.rejects(loadModel({ files }), message);
    });
  }

  test("an encoder with another activation", async () => {
    const index = { ...sd3, text_encoder: ["transformers", "CLIPTextModelWithProjection"] };
    const files = await pipeline(
      index,
      { text_encoder: { hidden_act: "gelu" } },
      { ...weights(), "text_encoder/model.safetensors": clip("l") },
    );
    await assert.rejects(loadModel({ files }), /config.json with hidden_act "gelu", expected "quick_gelu"/);
  });

  test("which files are taken", async () => {
    const index = { ...sd3, text_encoder: ["transformers", "CLIPTextModelWithProjection"], text_encoder_2: [null, null] };
    const shards = (variant: string, of: number) => Object.fromEntries(Array.from({ length: of }, (_, i) => [`transformer/diffusion_pytorch_model${variant}-0000${i + 1}-of-0000${of}.safetensors`, i ? [] : dit()])); // biome-ignore format: short
    const home = await pipeline(
      index,
      {},
      {
        ...shards("", 2),
        ...shards(".fp16", 3),
        "vae/diffusion_pytorch_model.fp16.safetensors": vae(),
        "vae/diffusion_pytorch_model.bf16.safetensors": vae(),
        "text_encoder/model.safetensors": clip("l"),
        "text_encoder/model.fp16.safetensors": clip("l"),
        "text_encoder_2/model.safetensors": clip("g"),
        "text_encoders/clip_l.safetensors": clip("l"),
        "sd3.5_large.safetensors": prefixed("model.diffusion_model.", dit()),
      },
    );
    const { options } = await inspectModel(home);
    assert.deepEqual(options, {
      diffusionModel: path.join(home, "transformer/diffusion_pytorch_model-00001-of-00002.safetensors"),
      vae: path.join(home, "vae/diffusion_pytorch_model.fp16.safetensors"),
      clipL: path.join(home, "text_encoder/model.safetensors"),
    });
  });

  test("the scheduler's shift is taken, and another kind of scheduler refused", async () => {
    const flow = "FlowMatchEulerDiscreteScheduler";
    const cases: [object | string, RegExp | number | undefined][] = [
      [{ _class_name: flow, shift: 3.0, shift_terminal: null, use_dynamic_shifting: false }, 3],
      [{ _class_name: flow, shift: 6 }, 6],
      [{ _class_name: "FlowMatchHeunDiscreteScheduler" }, 1],
      [{ _class_name: "UniPCMultistepScheduler", use_flow_sigmas: true, prediction_type: "flow_prediction", flow_shift: 5 }, 5],
      [{ _class_name: flow, shift: "3" }, /scheduler_config.json has shift "3", expected a number above 0/],
      [{ _class_name: flow, shift: -1 }, /has shift -1/],
      [{ _class_name: flow, shift: 3, use_dynamic_shifting: true }, /has use_dynamic_shifting true, expected false/],
      [{ _class_name: flow, shift: 3, prediction_type: "epsilon" }, /has prediction_type "epsilon", expected "flow_prediction"/],
      [{ _class_name: flow, shift: 3, use_karras_sigmas: true }, /has use_karras_sigmas true/],
      [{ _class_name: flow, shift: 3, shift_terminal: 0.1 }, /has shift_terminal 0.1, expected none/],
      [{ _class_name: "DDIMScheduler", prediction_type: "epsilon" }, /describes "DDIMScheduler", expected a scheduler of a flow model/],
      [{ _class_name: "UniPCMultistepScheduler", flow_shift: 3 }, /describes "UniPCMultistepScheduler"/],
      ["{", /scheduler_config.json is no valid JSON/],
    ];
    for (const [config, expected] of cases) {
      const files = await pipeline(sd3, {}, { ...weights(), "text_encoder/model.safetensors": clip("l") });
      assert.equal((await assemble({ explicit: {}, found: [files] })).flowShift, undefined, "no scheduler");
      await mkdir(path.join(files, "scheduler"));
      await writeFile(path.join(files, "scheduler", "scheduler_config.json"), typeof config === "string" ? config : JSON.stringify(config));
      if (expected instanceof RegExp) {
        await assert.rejects(loadModel({ files }), expected);
        await assert.rejects(inspectModel(files), expected);
        continue;
      }
      assert.equal((await assemble({ explicit: {}, found: [files] })).flowShift, expected);
      const diffusionModel = path.join(files, "transformer/diffusion_pytorch_model.safetensors");
      assert.equal((await assemble({ explicit: { diffusionModel }, found: [files] })).flowShift, undefined, "another diffusion model");
    }
  });

  test("pickles alone, and a transformer that was not fetched", async () => {
    const index = { ...sd3, text_encoder: ["transformers", "CLIPTextModelWithProjection"] };
    const home = await pipeline(index, { text_encoder: {} }, weights());
    await writeFile(path.join(home, "text_encoder", "pytorch_model.bin"), "x");
    await assert.rejects(loadModel({ files: home }), /pytorch_model.bin is a pickle of Python, and no .safetensors file is beside it/);
    const single = await pipeline(index, {}, { "sd3.5_large.safetensors": prefixed("model.diffusion_model.", dit()) });
    assert.deepEqual(Object.keys((await inspectModel(single)).options), ["diffusionModel"]);
  });

  test("Turbo by the folder's name, or by the repository's in the hub's cache", async () => {
    for (const at of ["stable-diffusion-3.5-large-turbo", "models--owner--some-3.5-large-turbo/snapshots/0123abcd"]) {
      const home = path.join(folder, at);
      await mkdir(path.dirname(home), { recursive: true });
      const large = () => mmdit({ depth: 38, hidden: 38, type: "f16" });
      await (await import("node:fs/promises")).rename(
        await pipeline(sd3, {}, { "transformer/diffusion_pytorch_model.safetensors": large() }),
        home,
      );
      assert.equal((await inspectModel(home)).family, "sd3.5-large-turbo", at);
    }
  });
});
