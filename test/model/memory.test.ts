import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { copyFile, mkdtemp, rm, stat, truncate } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { loadModel, type Model, type ModelOptions, type WeightType } from "../../lib/index.js";
import { checkpoint, clipG, largeShaped, mediumShaped, taesd3 } from "../helpers/checkpoints.js";
import { readHeader } from "../helpers/header.js";
import { mmdit } from "../helpers/layouts.js";
import { collect, drawHash, loadSmall, quick } from "../helpers/runs.js";

/** CLIP-G makes up most of it: 394 MB. */
async function load(options: ModelOptions = {}): Promise<Model> {
  return loadModel({ diffusionModel: await largeShaped("f16"), clipG: await clipG(), taesd: await taesd3(), threads: 1, ...options });
}

const resident = () => process.memoryUsage().rss;

/** Loads, draws and disposes: what memory grew by, as a part of the weights, and the picture's hash. */
async function measure(options: ModelOptions) {
  const before = resident();
  await using model = await load(options);
  const { weights } = model.memory();
  const grown = () => (resident() - before) / weights;
  const loaded = grown();
  const hash = await drawHash(model, { steps: 1 });
  const drawn = grown();
  return { loaded, drawn, hash };
}

test("weights on disk and mapped files: less resident memory after the load; from the disk the same bytes", async () => {
  const usual = await measure({});
  assert.ok(usual.loaded > 0.9, `all weights are in memory: ${usual.loaded}`);
  const disk = await measure({ offload: { params: "disk" } });
  assert.ok(disk.loaded < 0.4 && disk.drawn < 0.5, `after the load ${disk.loaded}, after a picture ${disk.drawn}`);
  const mapped = await measure({ mmap: true });
  assert.ok(mapped.loaded < 0.5, `after the load ${mapped.loaded}`);
  assert.equal(disk.hash, usual.hash); // mapped quantized weights are multiplied in another order: repack.test.ts
});

test("what concerns a GPU alone, and placing each module on the CPU, leave the bytes as they are", async () => {
  await using usual = await loadSmall();
  const hash = await drawHash(usual, { steps: 1 });
  const choices: ModelOptions[] = [
    { offload: { params: "cpu", maxVram: 0.01, streamLayers: true } },
    { placement: { diffusion: "cpu", textEncoders: "cpu", vae: "cpu" } },
  ];
  for (const options of choices) {
    await using model = await loadSmall(options);
    assert.deepEqual(model.info.devices, { diffusion: "cpu", textEncoders: "cpu", vae: "cpu" });
    assert.equal(await drawHash(model, { steps: 1 }), hash, JSON.stringify(options));
  }
});

test("weights on disk: cancel while they are read, then the same bytes twice", async () => {
  await using usual = await loadSmall();
  const hash = await drawHash(usual);
  await using model = await loadSmall({ offload: { params: "disk" }, promptCache: 0 });
  for (const phase of ["encode", "sample", "decode"] as const) {
    const run = model.generate(quick);
    const { error } = await collect(
      (async function* () {
        for await (const event of run) {
          if (event.type === "phase" && event.phase === phase) run.cancel(new Error(phase));
          yield event;
        }
      })(),
    );
    assert.equal((error as Error | undefined)?.message, phase);
  }
  assert.deepEqual([await drawHash(model), await drawHash(model)], [hash, hash]);
});

test("weights on disk: a file that is cut after the load fails the picture, not the process", async () => {
  const folder = await mkdtemp(path.join(tmpdir(), "sdcpp-memory-"));
  const diffusionModel = path.join(folder, "model.gguf");
  try {
    await copyFile(await largeShaped("f16"), diffusionModel);
    await using model = await loadSmall({ offload: { params: "disk" }, diffusionModel });
    await truncate(diffusionModel, Math.floor((await stat(diffusionModel)).size / 2));
    await assert.rejects(drawHash(model, { steps: 1 }), { code: "ERR_GENERATION" });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

test("weightType: Q8_0 takes 53 % of F16", async () => {
  const file = await checkpoint("convert-f16-192", () => mmdit({ depth: 24, hidden: 192, type: "f16" }), {
    "general.architecture": "sd3",
    "general.name": "a name to keep",
  });
  const blocks = Array.from((await readHeader(file)).tensors).filter(([name, { type }]) => name.includes("joint_blocks") && type === 1);
  const halves = blocks.reduce((sum, [, { shape }]) => sum + 2 * shape.reduce((product, n) => product * n, 1), 0);
  const bytes = async (weightType?: WeightType) => {
    await using model = await loadSmall({ diffusionModel: file, weightType });
    return model.memory().parts.diffusion ?? 0;
  };
  const saved = (await bytes()) - (await bytes("q8_0"));
  assert.ok(Math.abs(saved / halves - (1 - 34 / 64)) < 0.001, `${saved} of ${halves} bytes saved`);
});

test("streaming without what it needs is refused", async () => {
  for (const offload of [
    { streamLayers: true },
    { streamLayers: true, params: "cpu" },
    { streamLayers: true, maxVram: 2, params: "disk" },
  ]) {
    await assert.rejects(load({ offload: offload as never }), { code: "ERR_INVALID_OPTION", path: "offload.streamLayers" });
  }
  await assert.rejects(load({ offload: { params: "gpu" as never } }), { code: "ERR_INVALID_OPTION", path: "offload.params" });
  await assert.rejects(load({ offload: { maxVram: 0 } }), { code: "ERR_INVALID_OPTION", path: "offload.maxVram" });
});

test("the table of positions takes what it takes in the file", async () => {
  const diffusionModel = await mediumShaped("f16"); // the table is most of it
  const { size } = await stat(diffusionModel);
  await using model = await loadSmall({ diffusionModel });
  const { bytes = 0 } = model.info.parts.diffusion ?? {};
  assert.ok(bytes < size * 1.2, `${bytes} bytes of a file of ${size}`);
});

const thp = "/sys/kernel/mm/transparent_hugepage/enabled";
const hugePages = existsSync(thp) && !/\[never\]/.test(readFileSync(thp, "utf8"));

test("weights are in huge pages", { skip: !hugePages && "the system has none" }, async () => {
  const kilobytes = () => Number(/AnonHugePages:\s+(\d+)/.exec(readFileSync("/proc/self/smaps_rollup", "utf8"))?.[1]);
  const before = kilobytes();
  await using model = await load();
  const part = ((kilobytes() - before) * 1024) / model.memory().weights;
  assert.ok(part > 0.5, `${(part * 100).toFixed(0)} % of the weights`);
});
