import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { GenerateOptions, Image, Model } from "../../lib/index.js";
import { kinds, type Module, someTargets } from "../helpers/adapter-kinds.js";
import {
  type Changes,
  changedModel,
  exactModel,
  type FileTensor,
  inRows,
  type Matrix,
  plus,
  product,
  random,
  saveLora,
  scalar,
  tensor,
} from "../helpers/adapters.js";
import { meanDifference, pictureHash } from "../helpers/pixels.js";
import { loadSmall, quick } from "../helpers/runs.js";

let base: string;
let merging: Model;
let adding: Model;
let plain: Image;

async function draw(model: Model, options: Partial<GenerateOptions> = {}): Promise<Image> {
  const { images } = await model.generate({ ...quick, steps: 1, ...options });
  assert.ok(images[0]);
  return images[0];
}

/**
 * The picture of a model whose weights have been changed before; and how far one is from it whose weights differ by a millionth. That is
 * 0.02 to 0.4 of 255 here, as the decoder computes in half floats: a number next to a border between two rounds to the other.
 */
async function drawChanged(name: string, changes: Changes): Promise<{ expected: Image; noise: number }> {
  const nudged = Object.entries(changes).map(([target, change]) => [target, (weight: Matrix) => nudge(change(weight))] as const);
  const pictures: Image[] = [];
  for (const [label, all] of [
    ["", changes],
    ["-nudged6", Object.fromEntries(nudged)],
  ] as const) {
    const model = await loadSmall({ diffusionModel: await changedModel(`${name}${label}`, base, all) });
    pictures.push(await draw(model));
    await model.dispose();
  }
  const [expected, other] = pictures as [Image, Image];
  return { expected, noise: meanDifference(expected, other) };
}

const nudge = (weight: Matrix): Matrix => ({ ...weight, values: weight.values.map((value, i) => value * (1 + 1e-6 * Math.sin(i))) });

function assertEqual(picture: Image, { expected, noise }: { expected: Image; noise: number }): void {
  const difference = meanDifference(picture, expected);
  const effect = meanDifference(expected, plain);
  assert.ok(effect > 0.5, `effect ${effect}`);
  assert.ok(difference < 0.05 + 1.5 * noise, `${difference} off, with a noise of ${noise} and an effect of ${effect}`);
}

/** A LoRA of one kind on all targets, and the changes that it makes at a strength. */
async function makeKind(kind: string, seed = "") {
  const tensors: Record<string, FileTensor> = {};
  const modules: { target: ReturnType<typeof someTargets>[0]; made: Module }[] = [];
  for (const target of someTargets()) {
    const made = kinds[kind]?.(`${kind}${seed} ${target.module}`, target.rows, target.columns);
    assert.ok(made);
    modules.push({ target, made });
    for (const [end, value] of Object.entries(made.tensors)) tensors[`lora_unet_${target.module.replaceAll(".", "_")}.${end}`] = value;
  }
  const slug = `${kind}${seed}`.replaceAll(" ", "-");
  const changes = (strength: number, others: Changes = {}): Changes => {
    const all: Changes = { ...others };
    for (const { target, made } of modules) {
      const { tensor: name, first = 0, rows, swapped = false } = target;
      const before = all[name] ?? ((weight) => weight);
      all[name] = (weight) => {
        const difference = inRows(weight, first, rows, swapped, made.merged);
        return plus(before(weight), plus(difference, weight, -1), strength);
      };
    }
    return all;
  };
  return { path: await saveLora(slug, tensors), slug, changes };
}

before(async () => {
  base = await exactModel();
  merging = await loadSmall({ diffusionModel: base, loraApplyMode: "immediately" });
  adding = await loadSmall({ diffusionModel: base, loraApplyMode: "at_runtime" });
  plain = await draw(merging);
});
after(async () => {
  await merging.dispose();
  await adding.dispose();
});

for (const [i, kind] of Object.keys(kinds).entries()) {
  test(`${kind}: the picture is that of the model with the LoRA in its weights`, async () => {
    const { path, slug, changes } = await makeKind(kind);
    const weight = [1, -0.5][i % 2] ?? 1;
    const wanted = await drawChanged(`${slug}-${weight}`, changes(weight));
    for (const model of [merging, adding]) assertEqual(await draw(model, { loras: [{ path, weight }] }), wanted);
    assert.equal(pictureHash(await draw(merging)), pictureHash(plain), "no trace is left");
  });
}

test("several at once, with weights from -2 to 2, each change the weight as it was", async () => {
  const made = await Promise.all(
    ["LoRA with alpha", "DoRA by outputs", "LoKr whole", "GLoRA"].map((kind) => makeKind(kind, " of several")),
  );
  const strengths = [2, -0.7, 0.4, -2];
  const all = made.reduce<Changes>((changes, one, i) => one.changes(strengths[i] ?? 1, changes), {});
  const wanted = await drawChanged("several", all);
  const loras = made.map(({ path }, i) => ({ path, weight: strengths[i] ?? 1 }));
  for (const model of [merging, adding]) assertEqual(await draw(model, { loras }), wanted);
});

test("biases, norms, convolutions and the table of positions are changed too", async () => {
  const bias = random("bias", 24, 1, 0.3);
  const biased = random("biased", 24, 1, 0.3);
  const norm = random("norm", 1, 1, 0.5);
  const [down, up, mid] = [random("conv down", 2, 16, 0.3), random("conv up", 24, 2, 0.3), random("conv mid", 2, 2 * 4, 1)];
  const [low, high] = [random("low", 2, 24, 0.2), random("high", 24, 2, 0.2)];
  const positions = random("positions", 192 * 192, 24, 0.2);
  const path = await saveLora("others", {
    "transformer.transformer_blocks.0.attn.to_add_out.diff_b": tensor(bias, [24]),
    "transformer.transformer_blocks.1.attn.to_out.0.lora_A.weight": tensor(low),
    "transformer.transformer_blocks.1.attn.to_out.0.lora_B.weight": tensor(high),
    "transformer.transformer_blocks.1.attn.to_out.0.lora_B.bias": tensor(biased, [24]),
    "transformer.transformer_blocks.1.attn.to_out.0.alpha": scalar(4),
    "transformer.transformer_blocks.2.attn.norm_q.w_norm": tensor(norm, [1]),
    "transformer.pos_embed.proj.lora_down.weight": tensor(down, [2, 16, 1, 1]),
    "transformer.pos_embed.proj.lora_up.weight": tensor(up, [24, 2, 1, 1]),
    "transformer.pos_embed.proj.lora_mid.weight": tensor(mid, [2, 2, 2, 2]),
    "transformer.pos_embed.pos_embed.diff": tensor(positions, [1, 192 * 192, 24]),
  });
  const convolution = (output: number, column: number) => {
    let sum = 0;
    for (let m = 0; m < 2; m++) {
      for (let n = 0; n < 2; n++) {
        const core = mid.values[(m * 2 + n) * 4 + (column % 4)] as number;
        sum += core * (up.values[output * 2 + m] as number) * (down.values[n * 16 + Math.floor(column / 4)] as number);
      }
    }
    return sum;
  };
  const wanted = await drawChanged("others", {
    "joint_blocks.0.context_block.attn.proj.bias": (weight) => plus(weight, bias),
    "joint_blocks.1.x_block.attn.proj.weight": (weight) => plus(weight, product(high, low), 2),
    "joint_blocks.1.x_block.attn.proj.bias": (weight) => plus(weight, biased, 2),
    "joint_blocks.2.x_block.attn.ln_q.weight": (weight) => plus(weight, norm),
    "x_embedder.proj.weight": (weight) => ({
      ...weight,
      values: weight.values.map((value, i) => value + convolution(Math.floor(i / 64), i % 64)),
    }),
    pos_embed: (weight) => ({ ...weight, values: weight.values.map((value, i) => value + (positions.values[i] as number)) }),
  });
  for (const model of [merging, adding]) assertEqual(await draw(model, { loras: [{ path }] }), wanted);
  assert.equal(pictureHash(await draw(merging)), pictureHash(plain));
});

test("an alpha that makes weights infinite, or beyond half floats, is an error that names the LoRA and its tensor, in each mode", async () => {
  const name = "transformer.transformer_blocks.1.attn.to_out.0";
  const [low, high] = [random("low of too much", 2, 24, 0.2), random("high of too much", 24, 2, 0.2)];
  for (const alpha of [1e30, 1e8]) {
    const path = await saveLora(`too-much-${alpha}`, {
      [`${name}.lora_A.weight`]: tensor(low),
      [`${name}.lora_B.weight`]: tensor(high),
      [`${name}.alpha`]: scalar(alpha),
    });
    for (const model of [merging, adding]) {
      const message = /too-much-.*transformer_blocks\.1\.attn\.to_out\.0\..*too large/s;
      await assert.rejects(draw(model, { loras: [{ path }] }), (error: Error) => {
        assert.match(error.message, message);
        return (error as { code?: string }).code === "ERR_MODEL_FILE";
      });
    }
  }
  for (const model of [merging, adding]) assert.ok(meanDifference(await draw(model), plain) < 1, "the next picture is drawn");
});
