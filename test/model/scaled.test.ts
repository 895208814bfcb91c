import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { convert, inspectModel, loadModel, type ModelOptions } from "../../lib/index.js";
import { checkpoint, clipL, largeShaped, mediumShaped, taesd3 } from "../helpers/checkpoints.js";
import { type Fp8, toFp8 } from "../helpers/fp8.js";
import { t5 } from "../helpers/layouts.js";
import { kohyaLora } from "../helpers/loras.js";
import { drawHash, loadSmall } from "../helpers/runs.js";
import { asDiffusers, prefixedStored, type Stored, storedOf, writeStored } from "../helpers/stored.js";

/** fp8 with factors draws the same bytes as the products, as half floats. */

let folder: string;
before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "sdcpp-scaled-"));
});
after(() => rm(folder, { recursive: true, force: true }));

async function draw(options: ModelOptions): Promise<string> {
  await using model = await loadSmall(options);
  return await drawHash(model);
}

interface Pair {
  scaled: Stored[];
  plain: Stored[];
  layers: string[];
}

/** Every matrix of half floats in fp8 by a factor, beside the same as half floats again. */
function quantize(tensors: readonly Stored[], type: Fp8, by: "tensor" | "row", factor?: number): Pair {
  const pair: Pair = { scaled: [], plain: [], layers: [] };
  for (const tensor of tensors) {
    if (
      tensor.dtype !== "F16" ||
      tensor.shape.length !== 2 ||
      !/\.weight$/.test(tensor.name) ||
      /relative|shared|embeddings/.test(tensor.name)
    ) {
      pair.scaled.push(tensor);
      pair.plain.push(tensor);
      continue;
    }
    const { weight, scale, plain } = toFp8(tensor, type, by, factor);
    pair.scaled.push(weight, scale);
    pair.plain.push(plain);
    pair.layers.push(tensor.name.slice(0, -".weight".length));
  }
  return pair;
}

const bytes = (name: string, dtype: string, text: string | Buffer): Stored => ({
  name,
  dtype,
  shape: [Buffer.from(text).length],
  data: Buffer.from(text),
});
const write = (name: string, tensors: readonly Stored[], metadata?: Record<string, string>) =>
  writeStored(path.join(folder, name), tensors, metadata);
const renamed = (tensors: readonly Stored[], from: RegExp, to: string) =>
  tensors.map((tensor) => ({ ...tensor, name: tensor.name.replace(from, to) }));

test("a factor for each tensor, as ComfyUI wrote it first: scaled_fp8, scale_weight, scale_input", async () => {
  const { scaled, plain, layers } = quantize(await storedOf(await largeShaped()), "e4m3", "tensor");
  const inputs = layers.map((layer) => ({ name: `${layer}.scale_input`, dtype: "F32", shape: [], data: Buffer.from([0, 0, 128, 63]) }));
  const old = renamed([...scaled, ...inputs], /\.weight_scale$/, ".scale_weight");
  const halves = await write("plain.safetensors", plain);
  const want = await draw({ diffusionModel: halves });
  assert.notEqual(want, await draw({}));
  for (const marker of ["", "\0\0"]) {
    const diffusionModel = await write("scaled.safetensors", [...old, bytes("scaled_fp8", "F8_E4M3", marker)]);
    assert.equal(await draw({ diffusionModel }), want);
    for (const options of [{ mmap: true }, { offload: { params: "disk" } }] as ModelOptions[])
      assert.equal(await draw({ diffusionModel, ...options }), await draw({ diffusionModel: halves, ...options }));
  }
  const model = await write("all.safetensors", [
    ...prefixedStored("model.diffusion_model.", [...old, bytes("scaled_fp8", "F8_E4M3", "")]),
    ...prefixedStored("tae.", await storedOf(await taesd3())),
  ]);
  assert.equal(await draw({ diffusionModel: undefined, model }), want);
  const { files } = await inspectModel(model);
  assert.equal(files[0]?.quantization, "scaled weights (a factor for each tensor)");
  assert.deepEqual(
    files[0]?.tensors?.withoutEffect.map(({ reason, tensors }) => [reason, tensors]),
    [
      ["scales of activations, for products in fp8", layers.length],
      ["marks weights that have scales", 1],
    ],
  );
});

test("a factor for each row, as ComfyUI describes it: comfy_quant or _quantization_metadata", async () => {
  for (const type of ["e4m3", "e5m2"] as const) {
    const { scaled, plain, layers } = quantize(await storedOf(await mediumShaped()), type, type === "e4m3" ? "row" : "tensor");
    const want = await draw({ diffusionModel: await write("plain.safetensors", plain) });
    const format = { e4m3: "float8_e4m3fn", e5m2: "float8_e5m2" }[type];
    const described = layers.map((layer) =>
      bytes(`${layer}.comfy_quant`, "U8", JSON.stringify({ format, full_precision_matrix_mult: true })),
    );
    assert.equal(await draw({ diffusionModel: await write("comfy.safetensors", [...scaled, ...described]) }), want, type);
    const metadata = {
      _quantization_metadata: JSON.stringify({
        format_version: "1.0",
        layers: Object.fromEntries(layers.map((layer) => [layer, { format }])),
      }),
    };
    const prefixed = prefixedStored("model.diffusion_model.", scaled);
    assert.equal(await draw({ diffusionModel: await write("meta.safetensors", prefixed, metadata) }), want, `${type}, in the metadata`);
  }
});

test("query, key and value with factors of their own, in diffusers' names", async () => {
  const original = await storedOf(await largeShaped());
  const { scaled, plain } = quantize(asDiffusers(original), "e4m3", "tensor");
  const halves = quantize(asDiffusers(original), "e4m3", "row");
  assert.equal(
    await draw({ diffusionModel: await write("d.safetensors", scaled) }),
    await draw({ diffusionModel: await write("p.safetensors", plain) }),
  );
  assert.equal(
    await draw({ diffusionModel: await write("d.safetensors", halves.scaled) }),
    await draw({ diffusionModel: await write("p.safetensors", halves.plain) }),
  );
});

test("factors that half floats cannot hold make floats", async () => {
  const original = await storedOf(await largeShaped());
  const tiny = quantize(original, "e4m3", "tensor", 2 ** -20); // 448 · 2^-20: as half floats, 3 bits would be left
  const floats = tiny.scaled.flatMap((tensor) => {
    if (tensor.name.endsWith("_scale")) return [];
    return tensor.dtype.startsWith("F8") ? [{ ...tensor, dtype: "F32", data: toFloats(tensor, 2 ** -20) }] : [tensor];
  });
  assert.equal(
    await draw({ diffusionModel: await write("tiny.safetensors", tiny.scaled) }),
    await draw({ diffusionModel: await write("floats.safetensors", floats) }),
  );
});

function toFloats({ data }: Stored, factor: number): Buffer {
  const out = Buffer.alloc(4 * data.length);
  for (let i = 0; i < data.length; i++) {
    const code = data[i] ?? 0;
    const [exponent, fraction] = [(code >> 3) & 15, code & 7];
    const magnitude = exponent ? (8 + fraction) * 2 ** (exponent - 10) : fraction * 2 ** -9;
    out.writeFloatLE((code & 128 ? -1 : 1) * magnitude * factor, 4 * i);
  }
  return out;
}

test("converted: scale times value, in every type", async () => {
  const { scaled, plain } = quantize(await storedOf(await largeShaped()), "e4m3", "row");
  const inputs = [await write("scaled.safetensors", scaled), await write("plain.safetensors", plain)];
  for (const type of ["f16", "q8_0"] as const) {
    const outputs = inputs.map((input, i) => ({ input, output: path.join(folder, `${i}.gguf`), type, threads: 1 }));
    const hashes = [];
    for (const options of outputs) {
      await convert(options);
      hashes.push(await draw({ diffusionModel: options.output }));
    }
    assert.equal(hashes[0], hashes[1], type);
  }
});

test("T5 and a CLIP with factors", async () => {
  const encoder = await checkpoint("t5-f16", () => t5({ layers: 1, vocabulary: 32_128, feedForward: 64, type: "f16" }));
  const { scaled, plain } = quantize(await storedOf(encoder), "e4m3", "tensor");
  const files = { diffusionModel: await largeShaped(), taesd: await taesd3(), clipL: await clipL(), threads: 1 };
  const withT5 = async (t5xxl: string) => {
    await using model = await loadModel({ ...files, t5xxl });
    return await drawHash(model);
  };
  const want = await withT5(await write("t5-plain.safetensors", plain));
  const old = renamed(scaled, /\.weight_scale$/, ".scale_weight");
  assert.equal(await withT5(await write("t5.safetensors", [...old, bytes("scaled_fp8", "F8_E4M3", "")])), want);
  const apart = renamed(old, /^shared\.weight$/, "encoder.embed_tokens.weight");
  assert.equal(await withT5(await write("t5.safetensors", apart)), want, "the table under its other name");
});

test("a LoRA changes scaled weights as it does their products, in each mode", async () => {
  const { scaled, plain } = quantize(await storedOf(await largeShaped()), "e4m3", "tensor");
  const files = [await write("scaled-lora.safetensors", scaled), await write("plain-lora.safetensors", plain)];
  const loras = [{ path: await kohyaLora(24), weight: 1.5 }];
  for (const loraApplyMode of ["immediately", "at_runtime"] as const) {
    const hashes = [];
    for (const diffusionModel of files) {
      await using model = await loadSmall({ diffusionModel, loraApplyMode });
      hashes.push(await drawHash(model, { loras }));
    }
    assert.equal(hashes[0], hashes[1], loraApplyMode);
    assert.notEqual(hashes[0], await draw({ diffusionModel: files[1] }));
  }
});
