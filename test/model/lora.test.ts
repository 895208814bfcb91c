import assert from "node:assert/strict";
import { copyFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { type GenerateOptions, type Image, InvalidOptionError, type Model, ModelFileError, readParameters } from "../../lib/index.js";
import { checkpoint, fileOf, largeShaped } from "../helpers/checkpoints.js";
import type { TensorSpec } from "../helpers/gguf.js";
import { clipLora, diffusersLora, kohya, kohyaLora, pair, peft } from "../helpers/loras.js";
import { meanDifference, pictureHash } from "../helpers/pixels.js";
import { rawGguf } from "../helpers/raw.js";
import { collect, drawHash, loadSmall, quick } from "../helpers/runs.js";

let folder: string;
let merged: Model;
let added: Model;
let a: string;
let b: string;
let plain: Image;

async function draw(model: Model, options: Partial<GenerateOptions> = {}): Promise<Image> {
  const { images } = await model.generate({ ...quick, ...options });
  assert.ok(images[0]);
  return images[0];
}

before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "sdcpp-lora-"));
  [a, b] = [await kohyaLora(24, "a"), await kohyaLora(24, "b")];
  await copyFile(a, path.join(folder, "style.gguf"));
  await copyFile(b, path.join(folder, "ink wash.gguf"));
  merged = await loadSmall({ loraApplyMode: "immediately", loraDir: folder });
  added = await loadSmall({ loraApplyMode: "at_runtime", loraDir: folder });
  plain = await draw(merged);
});
after(async () => {
  await merged.dispose();
  await added.dispose();
  await rm(folder, { recursive: true });
});

test("both apply modes change the picture alike, with the weight, and leave no trace", async () => {
  const pictures: Image[] = [];
  for (const model of [merged, added]) {
    const plain = await draw(model);
    assert.equal(pictureHash(await draw(model, { loras: [{ path: a, weight: 0 }] })), pictureHash(plain), "weight 0");
    const full = await draw(model, { loras: [{ path: a }] });
    const half = await draw(model, { loras: [{ path: a, weight: 0.5 }] });
    const twice = await draw(model, { loras: [{ path: a, weight: 0.5 }, { path: a, weight: 0.5 }] }); // biome-ignore format: one pair
    const both = await draw(model, { loras: [{ path: a }, { path: b }] });
    const effect = meanDifference(full, plain);
    assert.ok(effect > 1, `effect ${effect}`);
    assert.ok(meanDifference(half, plain) > 0.5 && meanDifference(half, full) > 0.5);
    assert.ok(meanDifference(twice, full) < effect / 10, "two halves are one whole");
    assert.ok(meanDifference(both, full) > 0.5 && meanDifference(both, await draw(model, { loras: [{ path: b }] })) > 0.5);
    assert.equal(pictureHash(await draw(model, { loras: [{ path: a }] })), pictureHash(full));
    assert.equal(pictureHash(await draw(model)), pictureHash(plain));
    pictures.push(full);
  }
  const [one, other] = pictures as [Image, Image];
  assert.ok(meanDifference(one, other) < meanDifference(one, await draw(merged)) / 10, "both modes draw the same");
});

test("a LoRA on a text encoder changes the encoding, also of a prompt that is remembered", async () => {
  const loras = [{ path: await clipLora() }];
  for (const model of [merged, added]) {
    const plain = await draw(model);
    const changed = await draw(model, { loras });
    assert.ok(meanDifference(changed, plain) > 0.2, `difference ${meanDifference(changed, plain)}`);
    assert.equal(pictureHash(await draw(model)), pictureHash(plain));
  }
});

test("tags in the prompt are LoRAs of the folder, and are written into the file", async () => {
  const reference = await draw(merged, { loras: [{ path: a, weight: 0.8 }, { path: b, weight: -1 }] }); // biome-ignore format: one pair
  const tagged = await draw(merged, { prompt: `${quick.prompt} <lora:style:0.8> <lora:ink wash:-1>` });
  assert.equal(pictureHash(tagged), pictureHash(reference));
  const parameters = await readParameters(await tagged.encode("png"));
  assert.equal(parameters?.prompt, quick.prompt);
  assert.deepEqual(parameters?.loras, [{ name: "style", weight: 0.8 }, { name: "ink wash", weight: -1 }]); // biome-ignore format: one pair

  const refuse = (prompt: string, message: RegExp) =>
    assert.rejects(merged.generate({ ...quick, prompt }), (error) => error instanceof InvalidOptionError && message.test(error.message));
  await refuse("<lora:stile>", /stile.* the LoRAs there are ink wash, style/);
  await refuse("<lora:../style>", /no file in loraDir/);
  await refuse("<lora:style:much>", /a number from -100 to 100/);
  const small = await loadSmall();
  await assert.rejects(small.generate({ ...quick, prompt: "<lora:style>" }), { code: "ERR_INVALID_OPTION", message: /loraDir/ });
  await small.dispose();
});

/** A change of a layer with 24 inputs and 48 outputs, the halves of whose outputs may stand in the other order. */
function changeOf(layer: string, kind: string, swapped: boolean): Promise<string> {
  const matrix = (name: string, inputs: number, outputs: number, swaps = false): TensorSpec => {
    const value = (index: number) =>
      Math.sin(((index + (swaps && swapped ? (inputs * outputs) / 2 : 0)) % (inputs * outputs)) * 7 + name.length) * 0.3;
    return { name: `${layer}.${name}`, shape: outputs > 1 ? [inputs, outputs] : [inputs], type: "f32", value };
  };
  const kinds: Record<string, TensorSpec[]> = {
    lora: [matrix("lora_A.weight", 24, 4), matrix("lora_B.weight", 4, 48, true)],
    loha: [matrix("hada_w1_a", 4, 48, true), matrix("hada_w1_b", 24, 4), matrix("hada_w2_a", 4, 48, true), matrix("hada_w2_b", 24, 4)],
    lokr: [matrix("lokr_w1", 4, 4, true), matrix("lokr_w2", 6, 12)],
    "lokr of one block": [matrix("lokr_w1", 4, 1), matrix("lokr_w2", 6, 48, true)],
    difference: [matrix("diff", 24, 48, true), matrix("diff_b", 48, 1, true)],
  };
  return checkpoint(`lora-halves-${layer}-${kind}-${swapped}`.replaceAll(" ", "-"), () => kinds[kind] ?? []);
}

test("what diffusers' names change in the layers whose halves it has in the other order is swapped, as a matrix of any kind", async () => {
  const layers = [
    ["transformer.norm_out.linear", "diffusion_model.final_layer.adaLN_modulation.1"],
    ["transformer.transformer_blocks.23.norm1_context.linear", "diffusion_model.joint_blocks.23.context_block.adaLN_modulation.1"],
  ] as const;
  for (const [theirs, original] of layers) {
    for (const kind of ["lora", "loha", "lokr", "lokr of one block", "difference"]) {
      const of = async (layer: string, swapped: boolean) =>
        pictureHash(await draw(merged, { loras: [{ path: await changeOf(layer, kind, swapped) }] }));
      const expected = await of(original, true);
      assert.equal(await of(theirs, false), expected, `${kind} of ${theirs}`);
      assert.notEqual(await of(original, false), expected);
    }
    const loras = [{ path: await changeOf(theirs, "lora", false) }];
    assert.ok(meanDifference(await draw(added, { loras }), await draw(merged, { loras })) < 0.3, "both modes draw the same");
  }
  const other = async (layer: string) => {
    const exact = pair(layer, 24, 144, peft).map((tensor) => ({ ...tensor, value: (index: number) => Math.sin(index * 7) * 0.3 }));
    return drawHash(merged, { loras: [{ path: await checkpoint(`lora-six-${layer}`, () => exact) }] });
  };
  const plainly = await other("diffusion_model.joint_blocks.3.context_block.adaLN_modulation.1");
  assert.equal(await other("transformer.transformer_blocks.3.norm1_context.linear"), plainly, "in the same order in both");
});

test("a quantized model takes LoRAs in both modes, mapped or not", async () => {
  const lora = { path: await diffusersLora(96) };
  const results: Image[] = [];
  const diffusionModel = await largeShaped("q8_0");
  for (const options of [{ mmap: true }, { loraApplyMode: "immediately" }] as const) {
    const model = await loadSmall({ diffusionModel, ...options });
    const before = await draw(model);
    const changed = await draw(model, { loras: [lora] });
    assert.ok(meanDifference(changed, before) > 0.5, `difference ${meanDifference(changed, before)}`);
    assert.equal(pictureHash(await draw(model)), pictureHash(before));
    results.push(changed);
    await model.dispose();
  }
  const [one, other] = results as [Image, Image];
  assert.ok(meanDifference(one, other) < 3, `difference ${meanDifference(one, other)}`); // merged weights are rounded to q8_0 again
});

test("a file that is no LoRA of this model is refused, and the model goes on", async () => {
  const lone = checkpoint("lora-lone", () => pair("lora_unet_joint_blocks_0_x_block_attn_qkv", 24, 72, kohya).slice(1));
  const tall = checkpoint("lora-tall", () => pair("lora_unet_joint_blocks_0_x_block_attn_qkv", 24, 71, kohya));
  const other = checkpoint("lora-other", () => pair("lora_unet_double_blocks_0_img_attn_qkv", 24, 72, kohya));
  const cases: [string | Promise<string>, RegExp][] = [
    ["no/such/lora.safetensors", /no\/such\/lora/],
    [fileOf("text.safetensors", "not a LoRA, but text"), /is not a model/],
    [largeShaped("f16"), /is a Stable Diffusion 3 Medium, expected a LoRA/],
    [fileOf("zero.gguf", rawGguf({ tensors: [{ name: "x.lora_down.weight", shape: [4, 0], type: 0, offset: 0 }] })), /dimension 1 .* is 0/], // ggml divides by it
    [lone, /attn_qkv\\?"? has no lora_down beside lora_up/],
    [kohyaLora(96), /takes 96 inputs, but the model's has 24/],
    [tall, /gives 71 outputs, but the model's has 72/],
    [other, /LoRA for another model.*double_blocks/],
  ];
  for (const model of [merged, added]) {
    const plain = await draw(model);
    for (const [file, message] of cases) {
      const lora = { path: await file };
      await assert.rejects(
        draw(model, { loras: [lora] }),
        (error) => error instanceof ModelFileError && message.test(error.message),
        lora.path,
      );
    }
    assert.equal(pictureHash(await draw(model)), pictureHash(plain));
  }
});

test("merging is a phase of its own, and a run that is stopped in it leaves no trace", async () => {
  const reference = await draw(merged, { loras: [{ path: a }] });
  await draw(merged);
  const run = merged.generate({ ...quick, loras: [{ path: a }] });
  for await (const event of run) {
    if (event.type !== "phase") continue;
    assert.equal(event.phase, "load");
    run.cancel(new Error("stop"));
    break;
  }
  await assert.rejects(run, /stop/);
  assert.equal(pictureHash(await draw(merged, { loras: [{ path: a }] })), pictureHash(reference));
  assert.equal(pictureHash(await draw(merged)), pictureHash(plain));

  for (const model of [merged, added]) {
    const { events } = await collect(model.generate({ ...quick, loras: [{ path: b }], batchCount: 2 }));
    const steps = events.flatMap((event) => (event.type === "progress" && event.phase !== "load" ? [`${event.phase} ${event.step}`] : []));
    assert.deepEqual(steps, ["sample 1", "sample 2", "sample 1", "sample 2"], "reading LoRAs counts in no other phase");
  }
});
