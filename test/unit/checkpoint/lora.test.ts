import assert from "node:assert/strict";
import { test } from "node:test";
import { readAdapter } from "../../../lib/checkpoint/lora/adapter.js";
import { namePattern } from "../../../lib/checkpoint/lora/patterns.js";
import { placeOf } from "../../../lib/checkpoint/lora/places.js";
import { planOf } from "../../../lib/checkpoint/lora/plan.js";
import type { TensorInfo } from "../../../lib/checkpoint/tensors.js";

/** Tensors by name, with their shapes in torch's order. */
const header = (shapes: Record<string, number[]>, metadata: Record<string, unknown> = {}) => ({
  metadata,
  tensors: Object.entries(shapes).map(
    ([name, shape], i): TensorInfo => ({ name, shape: [...shape].reverse(), type: "f32", offset: i * 1000, bytes: 4, file: "x" }),
  ),
});
const pair = (down: string, up: string, rank = 2) => ({ [down]: [rank, 24], [up]: [24, rank] });
const weightOf = (module: string, sides = [24, 24]) => {
  const { weight, third, halves } = placeOf(module, sides) ?? {};
  return `${weight}${third === undefined ? "" : ` ${third}`}${halves ? " halves" : ""}`;
};

test("modules are found by the names of all tools", () => {
  const query = "model.diffusion_model.joint_blocks.7.x_block.attn.qkv.weight 0";
  const names = [
    "transformer.transformer_blocks.7.attn.to_q", // diffusers
    "transformer_blocks.7.attn.to_q",
    "base_model.model.transformer_blocks.7.attn.to_q", // PEFT
    "transformer.base_model.model.transformer_blocks.7.attn.to_q",
    "lora_transformer_transformer_blocks_7_attn_to_q", // OneTrainer, legacy
    "lora_transformer.transformer_blocks.7.attn.to_q", // and new
    "transformer.joint_blocks.7.x_block.attn.qkv.0", // OMI
    "lycoris_transformer_blocks_7_attn_to_q", // LyCORIS, SimpleTuner
    "lora_unet_transformer_blocks_7_attn_to_q", // ComfyUI
    "diffusion_model.joint_blocks.7.x_block.attn.qkv.0",
    "module.transformer_blocks.7.attn.to_q",
    "transformer.transformer_blocks.7.attn.processor.to_q", // old diffusers
    "unet.transformer_blocks.7.attn.to_q",
  ];
  for (const name of names) assert.equal(weightOf(name), query, name);

  const model = "model.diffusion_model.";
  const others: [string, string][] = [
    ["lora_unet_joint_blocks_11_context_block_attn_qkv", `${model}joint_blocks.11.context_block.attn.qkv.weight`], // sd-scripts
    ["lora_unet_joint_blocks_11_x_block_adaLN_modulation_1", `${model}joint_blocks.11.x_block.adaLN_modulation.1.weight`],
    ["lora_unet_final_layer_adaLN_modulation_1", `${model}final_layer.adaLN_modulation.1.weight`],
    ["lora_unet_x_embedder_proj", `${model}x_embedder.proj.weight`],
    ["model.diffusion_model.joint_blocks.0.x_block.attn2.proj", `${model}joint_blocks.0.x_block.attn2.proj.weight`],
    ["transformer.transformer_blocks.3.attn2.to_v", `${model}joint_blocks.3.x_block.attn2.qkv.weight 2`],
    ["transformer.transformer_blocks.3.attn.add_k_proj", `${model}joint_blocks.3.context_block.attn.qkv.weight 1`],
    ["transformer.transformer_blocks.3.attn.to_qkv", `${model}joint_blocks.3.x_block.attn.qkv.weight`],
    ["transformer.transformer_blocks.3.norm1_context.linear", `${model}joint_blocks.3.context_block.adaLN_modulation.1.weight halves`],
    ["transformer.norm_out.linear", `${model}final_layer.adaLN_modulation.1.weight halves`],
    ["transformer.time_text_embed.text_embedder.linear_2", `${model}y_embedder.mlp.2.weight`],
    ["transformer.pos_embed.pos_embed", `${model}pos_embed`],
    [
      "lora_te1_text_model_encoder_layers_3_self_attn_q_proj",
      "text_encoders.clip_l.transformer.text_model.encoder.layers.3.self_attn.q_proj.weight",
    ],
    ["lora_te_text_model_encoder_layers_3_mlp_fc1", "text_encoders.clip_l.transformer.text_model.encoder.layers.3.mlp.fc1.weight"],
    ["text_encoder.text_model.encoder.layers.3.mlp.fc2", "text_encoders.clip_l.transformer.text_model.encoder.layers.3.mlp.fc2.weight"],
    ["text_encoder_2.text_model.encoder.layers.31.mlp.fc2", "text_encoders.clip_g.transformer.text_model.encoder.layers.31.mlp.fc2.weight"],
    [
      "text_encoders.clip_g.transformer.text_model.encoder.layers.0.mlp.fc2",
      "text_encoders.clip_g.transformer.text_model.encoder.layers.0.mlp.fc2.weight",
    ],
    ["clip_g.text_projection", "text_encoders.clip_g.transformer.text_model.text_projection"],
    [
      "lora_te3_encoder_block_5_layer_1_DenseReluDense_wi_0",
      "text_encoders.t5xxl.transformer.encoder.block.5.layer.1.DenseReluDense.wi_0.weight",
    ],
    [
      "text_encoder_3.encoder.block.5.layer.0.SelfAttention.q",
      "text_encoders.t5xxl.transformer.encoder.block.5.layer.0.SelfAttention.q.weight",
    ],
    ["t5.encoder.block.5.layer.0.SelfAttention.o", "text_encoders.t5xxl.transformer.encoder.block.5.layer.0.SelfAttention.o.weight"],
    ["first_stage_model.decoder.conv_in", "first_stage_model.decoder.conv_in.weight"],
  ];
  for (const [name, expected] of others) assert.equal(weightOf(name), expected, name);
  const clip = "base_model.model.text_model.encoder.layers.0.mlp.fc1";
  assert.match(weightOf(clip, [3072, 768]), /clip_l/, "a file of an encoder alone: its width tells");
  assert.match(weightOf(clip, [5120, 1280]), /clip_g/);
  for (const name of [
    "lora_unet_double_blocks_0_img_attn_qkv",
    "transformer.single_transformer_blocks.0.attn.to_q",
    "joint_blocks.x.y",
    "",
  ]) {
    assert.equal(placeOf(name, [24, 24]), undefined, name);
  }
});

test("pairs, magnitudes and alphas are found by the ends of all tools' names", () => {
  const module = "transformer.transformer_blocks.0.attn.to_k";
  const pairs: [string, string][] = [
    [".lora_down.weight", ".lora_up.weight"],
    [".lora_A.weight", ".lora_B.weight"],
    [".lora_A.default.weight", ".lora_B.default.weight"],
    [".lora_A.my_style.weight", ".lora_B.my_style.weight"],
    [".lora_A", ".lora_B"],
    [".lora.down.weight", ".lora.up.weight"],
    ["_lora.down.weight", "_lora.up.weight"],
    [".lora_linear_layer.down.weight", ".lora_linear_layer.up.weight"],
    [".weight.lora_a", ".weight.lora_b"],
  ];
  for (const [down, up] of pairs) {
    const { changes, fault } = readAdapter(header(pair(module + down, module + up)));
    assert.equal(fault, undefined, down);
    assert.deepEqual(changes.map(({ form, rank, place }) => [form, rank, place.third]), [["lora", 2, 1]], down); // biome-ignore format: short
  }
  const ends = ["dora_scale", "lora_magnitude_vector", "lora_magnitude_vector.weight", "lora_magnitude_vector.default.weight"];
  for (const end of ends) {
    const shapes = {
      ...pair(`${module}.lora_A.weight`, `${module}.lora_B.weight`),
      [`${module}.${end}`]: end === "dora_scale" ? [24, 1] : [24],
    };
    const adapter = readAdapter(header(shapes));
    assert.equal(adapter.title, "DoRA");
    assert.match(planOf(adapter, 1), /"magnitudeOf":"rows"/, end);
  }
  const byInputs = { ...pair(`${module}.lora_A.weight`, `${module}.lora_B.weight`), [`${module}.dora_scale`]: [1, 24] };
  assert.match(planOf(readAdapter(header(byInputs)), 1), /"magnitudeOf":"columns"/);
});

test("alphas of the metadata are those of PEFT: by pattern, by the root of the rank, for each part", () => {
  const query = "transformer.transformer_blocks.0.attn.to_q";
  const value = "transformer.transformer_blocks.0.attn.to_v";
  const clip = "text_encoder.text_model.encoder.layers.0.mlp.fc1";
  const shapes = {
    ...pair(`${query}.lora_A.weight`, `${query}.lora_B.weight`),
    ...pair(`${value}.lora_A.weight`, `${value}.lora_B.weight`),
    [`${clip}.lora_A.weight`]: [4, 768],
    [`${clip}.lora_B.weight`]: [3072, 4],
  };
  const read = (config: object) => {
    const { changes, fault } = readAdapter(header(shapes, { lora_adapter_metadata: JSON.stringify(config) }));
    assert.equal(fault, undefined);
    return changes.map(({ alpha, rootOfRank }) => (rootOfRank ? `root ${alpha}` : alpha));
  };
  assert.deepEqual(read({ "transformer.r": 2, "transformer.lora_alpha": 8, "text_encoder.lora_alpha": 16 }), [8, 8, 16]);
  assert.deepEqual(read({ "transformer.lora_alpha": 8, "transformer.use_rslora": true }), ["root 8", "root 8", undefined]);
  for (const flag of ["true", "True", 1]) {
    assert.deepEqual(read({ "transformer.lora_alpha": 8, "transformer.use_rslora": flag }), ["root 8", "root 8", undefined]);
  }
  for (const flag of ["false", 0, null]) {
    assert.deepEqual(read({ "transformer.lora_alpha": 8, "transformer.use_rslora": flag }), [8, 8, undefined]);
  }
  assert.deepEqual(read({ "transformer.lora_alpha": 8, "transformer.alpha_pattern": { to_v: 3 } }), [8, 3, undefined]);
  assert.deepEqual(read({ "transformer.lora_alpha": 8, "transformer.alpha_pattern": { "^transformer_blocks.0.attn.to_q": 3 } }), [
    3,
    8,
    undefined,
  ]);
  assert.deepEqual(read({ lora_alpha: 5, peft_type: "LORA" }), [5, 5, 5]);
  assert.deepEqual(read({ transformer: { lora_alpha: 7 } }), [7, 7, undefined]);
  assert.deepEqual(read({ "transformer.lora_alpha": null }), [undefined, undefined, undefined]);

  const whole = header({ [`${query}.lokr_w1`]: [4, 4], [`${query}.lokr_w2`]: [6, 6] });
  const [lokr] = readAdapter(whole, '{"peft_type": "LOKR", "alpha": 3, "r": 64, "rank_pattern": {"to_q": 32}}').changes;
  assert.deepEqual([lokr?.alpha, lokr?.rank], [3, 32], "PEFT divides LoKr's alpha by the rank that was asked for");
  assert.equal(readAdapter(whole).changes[0]?.rank, undefined);

  const withTensor = header({ ...shapes, [`${query}.alpha`]: [] }, { lora_adapter_metadata: '{"transformer.lora_alpha": 8}' });
  assert.deepEqual(readAdapter(withTensor).changes.map(({ alpha }) => alpha), [undefined, 8, undefined], "a tensor goes before"); // biome-ignore format: short
  const config = '{"lora_alpha": 9, "peft_type": "LORA"}';
  assert.equal(readAdapter(header(shapes), config).changes[0]?.alpha, 9, "adapter_config.json");
  assert.equal(readAdapter(header(shapes, { ss_network_alpha: "64" })).changes[0]?.alpha, undefined, "kohya's is for people");
  assert.equal(readAdapter(header(shapes, { "adapter.lora.alpha": 6 })).changes[0]?.alpha, 6, "llama.cpp's");
});

test("patterns are Python's, in bounded time", () => {
  const fits = (pattern: string, name: string) => namePattern(pattern)?.(name);
  const name = "transformer_blocks.12.attn.to_q";
  for (const pattern of [
    "to_q",
    "attn.to_q",
    ".*to_q",
    "transformer_blocks\\.\\d+\\.attn\\.to_q",
    "(to_k|to_q)",
    "(?:attn|ff)\\.(to_q)",
    "^transformer.*",
    ".*",
  ]) {
    assert.equal(fits(pattern, name), true, pattern);
  }
  for (const pattern of ["o_q", "to_k", "attn", "^attn.to_q", "transformer_blocks\\.\\d\\.attn\\.to_q", "to_q.", ""])
    assert.equal(fits(pattern, name), false, pattern);
  for (const pattern of ["[ab]", "a{2}", "(a", "a)", "(a)*", "((a)b)", "a|b", "x".repeat(501), "(a|b)".repeat(7), "*", "a**"]) {
    assert.equal(namePattern(pattern), undefined, pattern);
  }
  assert.equal(fits(`${".*".repeat(240)}x`, "a".repeat(1000)), false);
});

test("what changes the meaning and is not understood is refused by name", () => {
  const module = "transformer.transformer_blocks.0.attn.to_q";
  const good = pair(`${module}.lora_A.weight`, `${module}.lora_B.weight`);
  const faultOf = (shapes: Record<string, number[]>, metadata?: Record<string, unknown>, config?: string) =>
    readAdapter(header(shapes, metadata), config).fault;
  const metadata = (config: object) => ({ lora_adapter_metadata: JSON.stringify(config) });
  const cases: [string | undefined, RegExp][] = [
    [faultOf({ ...good, [`${module}.oft_blocks`]: [4, 6, 6] }), /oft_blocks.*not known/],
    [faultOf({ ...good, [`${module}.lora_E`]: [2, 1] }), /lora_E.*not known/],
    [faultOf({ ...good, "transformer.proj_out.weight": [64, 24] }), /proj_out\.weight.*not known/],
    [faultOf({ [`${module}.lora_A.weight`]: [2, 24] }), /to_q.* has no lora_up beside lora_down/],
    [faultOf({ [`${module}.lora_A.weight`]: [2, 24], [`${module}.lora_B.weight`]: [24, 3] }), /ranks 2 and 3/],
    [faultOf({ [`${module}.dora_scale`]: [24, 1] }), /magnitude/],
    [
      faultOf({
        ...good,
        ...pair("lora_unet_transformer_blocks_0_attn_to_q.lora_down.weight", "lora_unet_transformer_blocks_0_attn_to_q.lora_up.weight"),
      }),
      /twice/,
    ],
    [faultOf({ ...good, ...pair(`${module}.lora_A.other.weight`, `${module}.lora_B.other.weight`) }), /two adapters/],
    [faultOf({ ...good, [`${module}.diff`]: [24, 24] }), /LoRA and as full difference at once/],
    [faultOf({ [`${module}.hada_w1_a`]: [24, 2], [`${module}.hada_w1_b`]: [2, 24] }), /has no hada_w2_a/],
    [faultOf({ [`${module}.lokr_w1`]: [4, 4] }), /has no lokr_w2_a/],
    [faultOf(good, { lora_adapter_metadata: "{" }), /no JSON/],
    [faultOf(good, metadata([])), /no object/],
    [faultOf(good, metadata({ "transformer.lora_alpha": "8" })), /lora_alpha.*expected a number/],
    [faultOf(good, metadata({ "transformer.alpha_pattern": { "[a]": 1 } })), /alpha_pattern.*not understood/],
    [faultOf(good, metadata({ "transformer.init_lora_weights": "pissa_niter_4" })), /pissa/],
    [faultOf(good, metadata({ "transformer.use_dora": true })), /says DoRA/],
    [faultOf(good, metadata({ "transformer.use_dora": "True" })), /says DoRA/],
    [faultOf(good, metadata({ "transformer.use_dora": 1 })), /says DoRA/],
    [faultOf(good, metadata({ "transformer.use_dora": "yes" })), /use_dora.*expected true or false/],
    [faultOf(good, metadata({ "transformer.use_rslora": 2 })), /use_rslora.*expected true or false/],
    [faultOf(good, metadata({ "transformer.use_rslora": [] })), /use_rslora.*expected true or false/],
    [faultOf(good, metadata({ "transformer.lora_alpha": 1e39 })), /lora_alpha "1e\+39", expected a number that F32/],
    [faultOf(good, {}, '{"lora_alpha": 1e400}'), /lora_alpha "Infinity"/],
    [faultOf(good, {}, '{"lora_alpha": 1, "alpha_pattern": {"to_q": -1e60}}'), /alpha_pattern.*expected a number that F32/],
    [faultOf(good, { "adapter.lora.alpha": Number.NaN }), /adapter\.lora\.alpha NaN/],
    [faultOf(good, {}, "{}x"), /adapter_config\.json.*no JSON/],
  ];
  for (const [fault, message] of cases) assert.match(fault ?? "no fault", message);
  assert.equal(faultOf({ ...good, "bundle_emb.word.clip_l": [4, 768] }), undefined);
});

test("factors under another name than the tensors that they scale are refused by name", () => {
  const module = "transformer.transformer_blocks.0.attn.to_q";
  const good = pair(`${module}.lora_A.weight`, `${module}.lora_B.weight`);
  const clipModule = "text_model.encoder.layers.0.mlp.fc1";
  const clipG = { [`text_encoder_2.${clipModule}.lora_A.weight`]: [2, 1280], [`text_encoder_2.${clipModule}.lora_B.weight`]: [5120, 2] };
  const cases: [string, RegExp | undefined, object?][] = [
    ["transformer_blocks.0.attn.to_q.alpha", /to_q\.alpha" scales a module whose other tensors have another name/],
    ["lora_unet_transformer_blocks_0_attn_to_q.alpha", /lora_unet_.*another name/],
    ["diffusion_model.joint_blocks.0.x_block.attn.qkv.alpha", /qkv\.alpha".*another name/],
    ["joint_blocks.0.x_block.attn.qkv.0.scalar", /scalar".*another name/],
    ["base_model.model.transformer_blocks.0.attn.to_q.scale", /scale".*another name/],
    [`${module}.lora_A.default.alpha`, /lora_A\.default\.alpha" scales no module/],
    [`${module}.lora_B.weight.alpha`, /lora_B\.weight\.alpha" scales no module/],
    [`${module}.attn.alpha`, /attn\.alpha" scales no module/],
    ["transformer.alpha", /"transformer\.alpha" scales no module/],
    ["network.scalar", /"network\.scalar" scales no module/],
    ["lora.scale", /"lora\.scale" scales no module/],
    [`lora_te2_${clipModule.replaceAll(".", "_")}.alpha`, /another name/, clipG],
    [`${clipModule}.alpha`, /another name/, clipG],
    [`text_encoder.${clipModule}.alpha`, undefined, clipG],
    [`${module}.alpha`, undefined],
    ["transformer_blocks.0.attn.to_k.alpha", undefined], // of a pair that is not there
    ["lora_unet_transformer_blocks_1_attn_to_q.alpha", undefined],
  ];
  for (const [name, message, shapes = good] of cases) {
    const { fault } = readAdapter(header({ ...(shapes as Record<string, number[]>), [name]: [] }));
    if (message) assert.match(fault ?? "no fault", message, name);
    else assert.equal(fault, undefined, name);
  }
});

test("tensors are counted as used, without effect, or without a module", () => {
  const shapes = {
    ...pair("lora_unet_joint_blocks_0_x_block_attn_proj.lora_down.weight", "lora_unet_joint_blocks_0_x_block_attn_proj.lora_up.weight"),
    "lora_unet_joint_blocks_0_x_block_attn_proj.alpha": [],
    "lora_unet_joint_blocks_1_x_block_attn_proj.alpha": [],
    "bundle_emb.word.clip_l": [4, 768],
    ...pair("lora_unet_double_blocks_0_img_attn_qkv.lora_down.weight", "lora_unet_double_blocks_0_img_attn_qkv.lora_up.weight"),
  };
  const { changes, idle, homeless, title } = readAdapter(header(shapes));
  assert.equal(title, "LoRA");
  assert.deepEqual([changes.length, changes[0]?.tensors.size, idle.length, homeless.length], [1, 3, 2, 2]);
});
