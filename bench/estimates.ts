/**
 * What `estimateMemory` says against the measured peak: one process a row, random weights of up to 1 GB; Linux. Prints the table of
 * docs/memory.md. Takes about 15 minutes and 2 GB of disk for the checkpoints.
 */
import { estimateMemory, type GenerateOptions, type ModelOptions } from "../lib/index.js";
import { checkpoint, clipG, clipL, mediumShaped, t5Small, taesd3, vae } from "../test/helpers/checkpoints.js";
import { mmdit } from "../test/helpers/layouts.js";
import { estimateOptions, measurePeak } from "../test/helpers/peak.js";
import { Table } from "./table.js";

type Row = [model: string, options: ModelOptions, picture: Partial<GenerateOptions>];

const square = (side: number) => ({ width: side, height: side });

async function rows(): Promise<Row[]> {
  const large = await checkpoint("memory-large-608-f16", () => mmdit({ depth: 38, hidden: 608, type: "f16" }));
  const medium = await checkpoint("memory-medium-480-f16", () => mmdit({ depth: 24, hidden: 480, dual: 13, type: "f16" }));
  const [l, g, t5xxl, tiny, full] = await Promise.all([clipL(), clipG(), t5Small(), taesd3(), vae()]);
  const small = await mediumShaped("q8_0");
  const largeVae: ModelOptions = { diffusionModel: large, clipL: l, vae: full };
  const mediumAll: ModelOptions = { diffusionModel: medium, clipL: l, clipG: g, t5xxl, vae: full };
  const demo: ModelOptions = { preset: "demo" };
  const [largeName, mediumName] = ["Large, CLIP-L, VAE", "Medium, all encoders, VAE"];
  return [
    ["demo", demo, square(64)],
    ["demo", demo, square(256)],
    ["demo", demo, square(512)],
    [largeName, largeVae, square(64)],
    [largeName, largeVae, square(256)],
    [largeName, largeVae, square(512)],
    [largeName, { ...largeVae, flashAttention: false }, square(512)],
    [largeName, { ...largeVae, weightType: "q8_0" }, square(64)],
    [largeName, { ...largeVae, mmap: true }, square(256)],
    [largeName, { ...largeVae, offload: { params: "disk" } }, square(256)],
    [mediumName, mediumAll, square(64)],
    [mediumName, mediumAll, { ...square(512), vaeTiling: true }],
    [mediumName, { ...mediumAll, offload: { params: "disk" } }, square(64)],
    ["Medium Q8_0, CLIP-L, TAESD", { diffusionModel: small, clipL: l, taesd: tiny }, square(512)],
    [
      "Medium Q8_0, CLIP-L, TAESD",
      { diffusionModel: small, clipL: l, taesd: tiny },
      { ...square(256), hires: { steps: 1 }, batchCount: 3 },
    ],
  ];
}

/** "mmap: true" */
function words(options: object): string {
  const shown = Object.entries(options).filter(([, value]) => typeof value !== "string" || !value.includes("/"));
  return shown.map(([name, value]) => `${name}: ${JSON.stringify(value).replace(/"(\w+)":/g, "$1: ")}`).join(", ");
}

async function main(): Promise<void> {
  const columns = ["model", "options", "picture", "weights, MB", "largest computation, MB", "estimate, MB", "measured, MB", "difference"];
  const table = new Table("estimates", columns);
  const megabytes = (bytes: number) => Math.round(bytes / 1e6);
  for (const [name, model, { width, height, ...more }] of await rows()) {
    const trial = { model, picture: { width, height, ...more } };
    const { parts, devices } = await estimateMemory(estimateOptions(trial));
    const measured = await measurePeak(trial);
    const all = Object.values(parts);
    const weights = all.reduce((sum, part) => sum + part.weights, 0);
    const compute = Math.max(...all.map((part) => part.compute));
    const peak = devices.cpu?.peak ?? 0;
    const difference = `${((peak / measured.peak - 1) * 100).toFixed(1)} %`;
    const options = words({ ...model, preset: "/" });
    const picture = [`${width}x${height}`, words(more)].filter(Boolean).join(", ");
    const cells = [name, options && `\`${options}\``, picture, ...[weights, compute, peak, measured.peak].map(megabytes), difference];
    table.row(cells, { weights, compute, peak, measured });
  }
}

main();
