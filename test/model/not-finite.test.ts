import assert from "node:assert/strict";
import { copyFile, mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { readHeader } from "../../lib/checkpoint/reader.js";
import { convert, type ModelOptions } from "../../lib/index.js";
import { clipL, largeShaped } from "../helpers/checkpoints.js";
import { toFp8 } from "../helpers/fp8.js";
import { drawHash, loadSmall } from "../helpers/runs.js";
import { type Stored, storedOf, writeStored } from "../helpers/stored.js";

let folder: string;
before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "sdcpp-finite-"));
});
after(() => rm(folder, { recursive: true, force: true }));

const name = "joint_blocks.3.x_block.mlp.fc1.weight";

/** A copy of a model with `bits` in the middle of a tensor's data. */
async function spoiled(file: string, tensor: string, bits: Buffer): Promise<string> {
  const found = (await readHeader(file)).tensors.find((one) => one.name === tensor);
  const copy = path.join(folder, `spoiled-${path.basename(file)}`);
  await copyFile(file, copy);
  const handle = await open(copy, "r+");
  await handle.write(bits, 0, bits.length, found?.offset ?? 0).finally(() => handle.close());
  return copy;
}

const refused = (options: ModelOptions, tensor = name) =>
  assert.rejects(
    loadSmall(options).then((model) => model.dispose()),
    (error: Error & { code: string }) => {
      assert.equal(error.code, "ERR_MODEL_FILE");
      assert.ok(error.message.includes(`${tensor}' has NaN or infinite weights`) && error.message.includes("BF16 or F32"), error.message);
      return true;
    },
  );

const half = { NaN: Buffer.from([1, 0x7e]), Infinity: Buffer.from([0, 0x7c]), "-Infinity": Buffer.from([0, 0xfc]) };

test("half floats with NaN or infinity are refused by name, read and mapped", async () => {
  for (const [what, bits] of Object.entries(half)) {
    const diffusionModel = await spoiled(await largeShaped(), name, bits);
    await refused({ diffusionModel });
    if (what === "NaN") await refused({ diffusionModel, mmap: true });
    if (what === "NaN") await refused({ diffusionModel, weightType: "q8_0" });
    const output = path.join(folder, "never.gguf");
    await assert.rejects(convert({ input: diffusionModel, output, type: "q8_0", threads: 1 }), {
      code: "ERR_MODEL_FILE",
      message: /NaN or infinite/,
    });
  }
  await using model = await loadSmall();
  await drawHash(model); // the fault of one load is not that of the next
});

test("other types: BF16, F32, fp8, and the factors of quantized blocks", async () => {
  const tensors = await storedOf(await largeShaped());
  const put = async (change: (tensor: Stored) => Stored[]) => {
    return writeStored(
      path.join(folder, "typed.safetensors"),
      tensors.flatMap((tensor) => (tensor.name === name ? change(tensor) : [tensor])),
    );
  };
  const filled = (tensor: Stored, dtype: string, bytes: number) => ({
    ...tensor,
    dtype,
    data: Buffer.alloc((tensor.data.length / 2) * bytes),
  });
  for (const [dtype, bits] of Object.entries({ BF16: [0x80, 0x7f], F32: [0, 0, 0xc0, 0x7f], F64: [0, 0, 0, 0, 0, 0, 0xf0, 0x7f] })) {
    const change = (tensor: Stored) => {
      const other = filled(tensor, dtype, bits.length);
      Buffer.from(bits).copy(other.data, bits.length * 5);
      return [other];
    };
    await refused({ diffusionModel: await put(change) });
  }
  const scaled = (tensor: Stored) => {
    const { weight, scale } = toFp8(tensor, "e4m3", "tensor");
    weight.data[17] = 0x7f;
    return [weight, scale];
  };
  await refused({ diffusionModel: await put(scaled) });
  const factor = Buffer.from([0, 0, 0x80, 0x7f]); // of the scale itself: named before anything is loaded
  await assert.rejects(
    loadSmall({
      diffusionModel: await put((tensor) => [
        toFp8(tensor, "e4m3", "tensor").weight,
        { ...toFp8(tensor, "e4m3", "tensor").scale, data: factor },
      ]),
    }),
    {
      code: "ERR_MODEL_FILE",
      message: /has the scale ".*fc1.weight_scale" with the value Infinity/,
    },
  );
  const table = "text_model.encoder.layers.0.mlp.fc1.weight";
  await refused({ clipL: await spoiled(await clipL(), table, half.NaN) }, table);
});

test("read from disk in each picture: the run fails, and names it", async () => {
  const diffusionModel = await spoiled(await largeShaped(), name, half.NaN);
  await using model = await loadSmall({ diffusionModel, offload: { params: "disk" } });
  await assert.rejects(drawHash(model), /fc1\.weight' has NaN or infinite weights/);
});
