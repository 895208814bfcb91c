import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import type { Readable, Writable } from "node:stream";
import { packageRoot } from "../lib/engine/binding.js";
import type { Model } from "../lib/index.js";
import { type Summary, summarize } from "./stats.js";

export interface Setup {
  files: { diffusionModel: string; clipL: string; taesd: string };
  threads: number;
  side: number;
  steps: number;
}

/** Seconds per step of one picture, from the first step's beginning to the last one's end. */
export async function secondsPerStep(model: Model, { side, steps }: Setup): Promise<number> {
  const run = model.generate({ prompt: "a red circle on a blue background", width: side, height: side, steps, cfgScale: 1, seed: 7 });
  let last = 0;
  for await (const event of run) if (event.type === "progress" && event.step === steps) last = event.secondsPerStep;
  return last;
}

/** The engine in a process of its own (bench/driver.cc), which draws when asked. */
class Driver {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;

  constructor({ files, threads, side, steps }: Setup) {
    const program = path.join(packageRoot, "build", "Release", "bench-driver");
    const args = [files.diffusionModel, files.clipL, files.taesd, threads, side, steps, 1].map(String);
    this.#child = spawn(program, args, { stdio: ["pipe", "pipe", "inherit"] });
    this.#child.on("exit", (code) => {
      if (code) throw new Error(`${program} ended with ${code}`);
    });
  }

  async secondsPerStep(): Promise<number> {
    this.#child.stdin.write("\n");
    const [line] = await once(this.#child.stdout, "data");
    return Number(line);
  }

  close(): void {
    this.#child.stdin.end();
  }
}

/** Time per step of the addon against the driver, one picture of each in turn: ratios of neighbors, whose median is the overhead. */
export async function overhead(model: Model, setup: Setup, pairs: number): Promise<{ addon: Summary; driver: Summary; ratio: Summary }> {
  const driver = new Driver(setup);
  const addon: number[] = [];
  const plain: number[] = [];
  await secondsPerStep(model, setup);
  await driver.secondsPerStep();
  for (let pair = 0; pair < pairs; pair++) {
    // Who goes first alternates, so that a drift of the machine favors neither.
    if (pair % 2) plain.push(await driver.secondsPerStep());
    addon.push(await secondsPerStep(model, setup));
    if (pair % 2 === 0) plain.push(await driver.secondsPerStep());
  }
  driver.close();
  const ratios = addon.map((seconds, i) => seconds / (plain[i] ?? Number.NaN));
  return { addon: summarize(addon), driver: summarize(plain), ratio: summarize(ratios) };
}
