/**
 * Seconds per step of models of real size (random weights) on one device: `node --import tsx bench/gpu.ts --backend cuda:0`. Where Python has torch
 * and a card, the same pass in PyTorch beside it (torch_step.py), and what part of the card's measured rate of matrix products each reaches. Prints a
 * table and writes bench/results/gpu.json. scripts/gpu-check.sh runs it.
 */
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseArgs, promisify } from "node:util";
import { packageRoot } from "../lib/engine/binding.js";
import { type Backend, listDevices, loadModel } from "../lib/index.js";
import { clipL, taesd3 } from "../test/helpers/checkpoints.js";
import { writeGguf } from "../test/helpers/gguf.js";
import { mmdit } from "../test/helpers/layouts.js";
import type { TensorType } from "../test/helpers/weights.js";
import { type Summary, show, summarize } from "./stats.js";

const shapes = {
  large: { depth: 38, hidden: 2432 },
  medium: { depth: 24, hidden: 1536, dual: 13 },
  wide: { depth: 24, hidden: 768, dual: 13 }, // of no real model; to try this program
};
type Name = keyof typeof shapes;

const { values: args } = parseArgs({
  options: {
    backend: { type: "string", default: "auto" },
    models: { type: "string", default: "medium,large" },
    types: { type: "string", default: "f16,q8_0" },
    side: { type: "string", default: "1024" },
    steps: { type: "string", default: "12" },
  },
});
const side = Number(args.side);

/** Floating-point operations of one pass: the products of the joint blocks and their attentions; the rest is below a percent. */
function operations(name: Name): number {
  const { depth, hidden, dual = 0 } = { dual: 0, ...shapes[name] };
  const context = 154;
  const picture = (side / 16) ** 2;
  let products = 0;
  for (const { name: tensor, shape } of mmdit({ ...shapes[name], type: "f16" })) {
    const [inputs = 0, outputs = 0] = shape;
    if (!/^joint_blocks.*(qkv|proj|fc\d)\.weight$/.test(tensor)) continue;
    products += 2 * inputs * outputs * (tensor.includes("context_block") ? context : picture);
  }
  return products + depth * 4 * (picture + context) ** 2 * hidden + dual * 4 * picture ** 2 * hidden;
}

interface Row {
  model: Name;
  type: string;
  device: string;
  loadSeconds: number;
  secondsPerStep: Summary;
}

async function measure(model: Name, type: TensorType, folder: string): Promise<Row> {
  const diffusionModel = path.join(folder, `${model}-${type}.gguf`);
  await writeGguf(diffusionModel, mmdit({ ...shapes[model], type }), { metadata: { "general.architecture": "sd3" }, repeat: true });
  const begin = performance.now();
  await using loaded = await loadModel({ diffusionModel, clipL: await clipL(), taesd: await taesd3(), backend: args.backend as Backend });
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
  return { model, type, device: loaded.info.devices.diffusion, loadSeconds, secondsPerStep: summarize(seconds) };
}

interface Torch {
  device: string;
  torch: string;
  /** Floating-point operations a second. */
  matrix: number;
  eager: number[];
  compiled?: number[];
}

/** The same pass in PyTorch; undefined where there is no Python with torch and a card. */
async function torch(model: Name): Promise<Torch | undefined> {
  try {
    const script = path.join(packageRoot, "bench", "torch_step.py");
    const { stdout } = await promisify(execFile)("python3", [script, model, String(side), "10"], { timeout: 180_000 });
    return JSON.parse(stdout);
  } catch (error) {
    console.error(
      `PyTorch was not measured: ${String((error as Error).message)
        .split("\n")
        .at(-2)}`,
    );
    return undefined;
  }
}

async function main(): Promise<void> {
  const folder = await mkdtemp(path.join(tmpdir(), "sdcpp-gpu-"));
  const rows: Row[] = [];
  const peers: Partial<Record<Name, Torch>> = {};
  console.log(`One pass at ${side}x${side}.\n\n| model | run by | load, s | s per step | TFLOP/s | of the card's |`);
  console.log("| --- | --- | --- | --- | --- | --- |");
  const print = (model: Name, by: string, seconds: Summary, load = "") => {
    const rate = operations(model) / seconds.median;
    const matrix = peers[model]?.matrix;
    const part = matrix ? `${((100 * rate) / matrix).toFixed(0)} %` : "";
    console.log(`| ${[model, by, load, show(seconds, 3), (rate / 1e12).toFixed(0), part].join(" | ")} |`);
  };
  for (const model of args.models.split(",") as Name[]) {
    peers[model] = await torch(model);
    for (const type of args.types.split(",") as TensorType[]) {
      const row = await measure(model, type, folder);
      rows.push(row);
      print(model, `node-sd-cpp, ${type}, ${row.device}`, row.secondsPerStep, row.loadSeconds.toFixed(1));
    }
    for (const way of ["eager", "compiled"] as const) {
      const seconds = peers[model]?.[way];
      if (seconds) print(model, `PyTorch, bf16, ${way}`, summarize(seconds));
    }
  }
  await rm(folder, { recursive: true });
  const results = path.join(packageRoot, "bench", "results");
  await mkdir(results, { recursive: true });
  await writeFile(path.join(results, "gpu.json"), `${JSON.stringify({ side, devices: await listDevices(), rows, peers }, undefined, 2)}\n`);
}

main();
