import { fork } from "node:child_process";
import path from "node:path";
import type { EstimateOptions, GenerateOptions, ModelOptions } from "../../lib/index.js";

/** A load and one picture. */
export interface Trial {
  model: ModelOptions;
  picture: Partial<GenerateOptions>;
}

/** Bytes that the process grew by. */
export interface Measured {
  loaded: number;
  peak: number;
}

/** Measures in a fresh process; Linux. */
export function measurePeak(trial: Trial): Promise<Measured> {
  return new Promise((resolve, reject) => {
    const child = fork(path.join(__dirname, "../fixtures/measure-peak.ts"), [JSON.stringify(trial)], { execArgv: ["--import", "tsx"] });
    child.once("message", (message) => resolve(message as Measured));
    child.once("error", reject);
    child.once("exit", (code, signal) => reject(new Error(`the measuring process ended with ${code ?? signal}`)));
  });
}

/** The same for `estimateMemory`. */
export function estimateOptions({ model, picture }: Trial): EstimateOptions {
  return { threads: 1, ...(model as EstimateOptions), ...(picture as EstimateOptions) };
}
