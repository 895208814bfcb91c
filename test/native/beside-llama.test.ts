import assert from "node:assert/strict";
import path from "node:path";
import { before, describe, it } from "node:test";
import { packageRoot } from "../../lib/engine/binding.js";
import { checkpoint, clipL, largeShaped, taesd3 } from "../helpers/checkpoints.js";
import { runChild } from "../helpers/child.js";
import { drawHash, loadSmall } from "../helpers/runs.js";

/** Where node-llama-cpp has been installed; CONTRIBUTING.md says how. */
const llama = process.env.SDCPP_LLAMA;
const script = path.join(__dirname, "..", "fixtures", "beside-llama.mjs");

/** A language model of random weights: one block, a vocabulary of bytes. */
function tinyLlama(): Promise<string> {
  const [width, inner, bytes] = [64, 128, 256];
  const tensor = (name: string, ...shape: number[]) => ({ name: `${name}.weight`, shape, type: "f32" as const, std: 0.3 });
  const norm = (name: string) => ({ ...tensor(name, width), mean: 1, std: 0 });
  const tensors = () => [
    tensor("token_embd", width, bytes),
    norm("output_norm"),
    norm("blk.0.attn_norm"),
    norm("blk.0.ffn_norm"),
    ...["q", "k", "v", "output"].map((part) => tensor(`blk.0.attn_${part}`, width, width)),
    ...["gate", "up"].map((part) => tensor(`blk.0.ffn_${part}`, width, inner)),
    tensor("blk.0.ffn_down", inner, width),
  ];
  return checkpoint("llama", tensors, {
    "general.architecture": "llama",
    "llama.context_length": 256,
    "llama.embedding_length": width,
    "llama.block_count": 1,
    "llama.feed_forward_length": inner,
    "llama.attention.head_count": 4,
    "llama.attention.layer_norm_rms_epsilon": 1e-5,
    "llama.rope.dimension_count": 16,
    "tokenizer.ggml.model": "gpt2",
    "tokenizer.ggml.pre": "gpt-2",
    "tokenizer.ggml.tokens": byteTokens(),
    "tokenizer.ggml.merges": ["a b"],
    "tokenizer.ggml.bos_token_id": 0,
    "tokenizer.ggml.eos_token_id": 1,
  });
}

/** GPT-2's letters for the 256 bytes: itself where it prints, else one from 256 on. */
function byteTokens(): string[] {
  const prints = (byte: number) => (byte > 32 && byte < 127) || (byte > 160 && byte !== 173);
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) => String.fromCodePoint(prints(byte) ? byte : next++));
}

describe("node-llama-cpp in the same process", { skip: !llama && "SDCPP_LLAMA does not say where node-llama-cpp is" }, () => {
  let given: object;
  let reference: string;
  before(async () => {
    const files = { diffusionModel: await largeShaped("f16"), clipL: await clipL(), taesd: await taesd3() };
    given = { root: packageRoot, files, llama, gguf: await tinyLlama() };
    await using model = await loadSmall();
    reference = await drawHash(model);
  });

  for (const first of ["llama", "sdcpp"]) {
    it(`both run in turns and at once, loaded ${first} first`, async () => {
      const { code, signal, stdout, stderr } = await runChild(script, [JSON.stringify({ ...given, first })]);
      assert.deepEqual({ code, signal }, { code: 0, signal: null }, stderr);
      const { drawn, written } = JSON.parse(stdout);
      assert.deepEqual(drawn, Array(4).fill(reference));
      assert.ok(written[0].length > 0);
      assert.deepEqual(written, Array(3).fill(written[0]));
    });
  }
});
