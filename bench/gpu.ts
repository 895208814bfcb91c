/**
 * Seconds per step of models of real size on one device: `node --import tsx bench/gpu.ts --backend cuda:0`. Weights are zeros, which take as long
 * as any. Prints a table and writes bench/results/gpu.json. scripts/gpu-check.sh runs it.
 */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { packageRoot } from "../lib/binding.js";
import { listDevices, loadModel } from "../lib/index.js";
import { clipL, taesd3 } from "../test/helpers/checkpoints.js";
import { writeSparseGguf } from "../test/helpers/gguf.js";
import { mmdit } from "../test/helpers/layouts.js";
import type { TensorType } from "../test/helpers/weights.js";
import { show, summarize } from "./stats.js";

const shapes = {
  large: { depth: 38, hidden: 2432 },
  medium: { depth: 24, hidden: 1536, dual: 13 },
  wide: { depth: 24, hidden: 768, dual: 13 }, // of no real model; to try this program
};

const { values: args } = parseArgs({
  options: {
    backend: { type: "string", default: "auto" },
    models: { type: "string", default: "medium,large" },
    types: { type: "string", default: "f16,q8_0" },
    side: { type: "string", default: "1024" },
    steps: { type: "string", default: "12" },
  },
});

interface Row {
  model: string;
  type: string;
  side: number;
  device: string;
  loadSeconds: number;
  secondsPerStep: ReturnType<typeof summarize>;
}

async function measure(model: keyof typeof shapes, type: TensorType, folder: string): Promise<Row> {
  const diffusionModel = path.join(folder, `${model}-${type}.gguf`);
  await writeSparseGguf(diffusionModel, mmdit({ ...shapes[model], type }), { "general.architecture": "sd3" });
  const side = Number(args.side);
  const begin = performance.now();
  await using loaded = await loadModel({ diffusionModel, clipL: await clipL(), taesd: await taesd3(), backend: args.backend });
  const loadSeconds = (performance.now() - begin) / 1000;
  const seconds: number[] = [];
  let last = 0;
  for await (const event of loaded.generate({ prompt: "x", width: side, height: side, steps: Number(args.steps), cfgScale: 1, seed: 1 })) {
    if (event.type !== "progress" || event.phase !== "sample") continue;
    const now = performance.now();
    if (last && event.step > 2) seconds.push((now - last) / 1000); // the first also compile and plan
    last = now;
  }
  await rm(diffusionModel);
  return { model, type, side, device: loaded.info.devices.diffusion, loadSeconds, secondsPerStep: summarize(seconds) };
}

async function main(): Promise<void> {
  const folder = await mkdtemp(path.join(tmpdir(), "sdcpp-gpu-"));
  const rows: Row[] = [];
  console.log("| model | weights | picture | device | load, s | s per step, one pass |\n| --- | --- | --- | --- | --- | --- |");
  for (const model of args.models.split(",") as (keyof typeof shapes)[]) {
    for (const type of args.types.split(",") as TensorType[]) {
      const row = await measure(model, type, folder);
      rows.push(row);
      const cells = [row.model, row.type, `${row.side}²`, row.device, row.loadSeconds.toFixed(1), show(row.secondsPerStep, 3)];
      console.log(`| ${cells.join(" | ")} |`);
    }
  }
  await rm(folder, { recursive: true });
  const results = path.join(packageRoot, "bench", "results");
  await mkdir(results, { recursive: true });
  await writeFile(path.join(results, "gpu.json"), `${JSON.stringify({ devices: await listDevices(), rows }, undefined, 2)}\n`);
}

main();
