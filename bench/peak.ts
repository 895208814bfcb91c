/**
 * How much memory a model and one picture take at most beyond the weights and the largest computation, as `estimateMemory` counts them: one
 * process a row, Medium at its real size; Linux.
 */
import { parseArgs } from "node:util";
import { estimateMemory, type ModelOptions } from "../lib/index.js";
import { clipG, clipL, medium, taesd3 } from "../test/helpers/checkpoints.js";
import { estimateOptions, measurePeak } from "../test/helpers/peak.js";
import type { TensorType } from "../test/helpers/weights.js";
import { Table } from "./table.js";

const { values: args } = parseArgs({
  options: { types: { type: "string", default: "f16,q8_0,q4_0,q4_k" }, sides: { type: "string", default: "256,512" } },
});

async function main(): Promise<void> {
  const table = new Table("peak", ["weights", "picture", "weights, MB", "largest computation, MB", "peak, MB", "beyond both, MB"]);
  const encoders = { clipL: await clipL(), clipG: await clipG() };
  for (const type of args.types.split(",") as TensorType[]) {
    for (const side of args.sides.split(",").map(Number)) {
      const model: ModelOptions = { diffusionModel: await medium(type), ...encoders, taesd: await taesd3() };
      const trial = { model, picture: { width: side, height: side } };
      const parts = Object.values((await estimateMemory(estimateOptions(trial))).parts);
      const weights = parts.reduce((sum, part) => sum + part.weights, 0);
      const compute = Math.max(...parts.map((part) => part.compute));
      const { peak } = await measurePeak(trial);
      const sizes = [weights, compute, peak, peak - weights - compute].map((bytes) => Math.round(bytes / 1e6));
      table.row([type, `${side}x${side}`, ...sizes], { type, side, weights, compute, peak });
    }
  }
}

main();
