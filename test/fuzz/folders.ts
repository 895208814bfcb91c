import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { assemble } from "../../lib/checkpoint/components.js";
import { planModel } from "../../lib/checkpoint/plan.js";
import { checkLoadable } from "../../lib/checkpoint/refusals.js";
import { SdcppError } from "../../lib/errors.js";
import { RandomBytes } from "../helpers/random.js";
import { rawSafetensors } from "../helpers/raw.js";
import { mutate } from "./mutate.js";

/** A diffusers folder of few and small tensors: it is read as such, and refused for what it lacks. */
const files: Record<string, Buffer> = {
  "model_index.json": json({
    _class_name: "StableDiffusion3Pipeline",
    transformer: ["diffusers", "SD3Transformer2DModel"],
    text_encoder: ["transformers", "CLIPTextModelWithProjection"],
    vae: ["diffusers", "AutoencoderKL"],
  }),
  "transformer/config.json": json({ _class_name: "SD3Transformer2DModel", num_layers: 24, num_attention_heads: 24, in_channels: 16 }),
  "transformer/diffusion_pytorch_model.safetensors.index.json": json({
    metadata: { total_size: 64 },
    weight_map: { "transformer_blocks.0.attn.add_q_proj.weight": "one.safetensors", "proj_out.weight": "two.safetensors" },
  }),
  "transformer/one.safetensors": one("transformer_blocks.0.attn.add_q_proj.weight"),
  "transformer/two.safetensors": one("proj_out.weight"),
  "vae/config.json": json({ _class_name: "AutoencoderKL", latent_channels: 16, scaling_factor: 1.5305, quantization_config: null }),
  "vae/diffusion_pytorch_model.fp16.safetensors": one("decoder.mid_block.attentions.0.to_q.weight"),
  "text_encoder/config.json": json({ architectures: ["CLIPTextModelWithProjection"], hidden_act: "quick_gelu" }),
};

function json(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}

function one(name: string): Buffer {
  return rawSafetensors({ [name]: { dtype: "F16", shape: [4, 4], data_offsets: [0, 32] } }, 32);
}

/** A folder in which cases are tried one after the other; only what a case changes is written again. */
export class FuzzFolder {
  #home: string | undefined;
  #changed: string | undefined;

  /** Looks at the folder with one file mutated: it is a model or refused by a typed error, and nothing else. Returns whether it was read. */
  async check(seed: string, number: number): Promise<boolean> {
    const home = await this.#restored();
    const names = Object.keys(files);
    const name = names[number % names.length] as string;
    this.#changed = name;
    await writeFile(path.join(home, name), mutate(files[name] as Buffer, new RandomBytes(`${seed}/${number}`)));
    try {
      const assembly = await assemble({ explicit: {}, found: [home] });
      await planModel(assembly);
      checkLoadable(assembly);
      return true;
    } catch (error) {
      assert.ok(error instanceof SdcppError, `not of ours: ${error instanceof Error ? error.stack : error}`);
      assert.ok(error.message.length < 4000, "the message repeats the file");
      return /cannot be used as diffusion model|lacks/.test(error.message); // as the folder without a change
    }
  }

  async #restored(): Promise<string> {
    const home = this.#home ?? (await mkdtemp(path.join(tmpdir(), "sdcpp-fuzz-")));
    const stale = this.#home === undefined ? Object.keys(files) : this.#changed === undefined ? [] : [this.#changed];
    this.#home = home;
    for (const name of stale) {
      await mkdir(path.dirname(path.join(home, name)), { recursive: true });
      await writeFile(path.join(home, name), files[name] as Buffer);
    }
    return home;
  }

  async close(): Promise<void> {
    if (this.#home !== undefined) await rm(this.#home, { recursive: true, force: true });
  }
}
