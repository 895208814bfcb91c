/**
 * Seconds per step of two builds of the addon, each in processes of its own, in turns: this machine's own (build/Release) against the prebuild, or
 * `npm run bench:variants -- --a FOLDER --b FOLDER`, where a folder holds build/Release as node-gyp-build looks for it; or of one build with
 * options of `loadModel` and without: `-- --with '{ "weightType": "bf16" }'`. Prints a table of ratios.
 */
import { execFile } from "node:child_process";
import path from "node:path";
import { parseArgs, promisify } from "node:util";
import { clipL, taesd3, wide } from "../test/helpers/checkpoints.js";
import type { TensorType } from "../test/helpers/weights.js";
import { show, summarize } from "./stats.js";
import { Table } from "./table.js";

const { values: args } = parseArgs({
  options: {
    a: { type: "string", default: "." },
    b: { type: "string" }, // the prebuild
    with: { type: "string" }, // b is a, with these options
    types: { type: "string", default: "f16,q8_0,q4_0,q4_k" },
    pairs: { type: "string", default: "5" },
    steps: { type: "string", default: "6" },
    side: { type: "string", default: "256" },
    threads: { type: "string", default: "1" },
  },
});

/** The fastest step: what other programs take is never less than nothing. */
async function seconds(folder: string | undefined, options: object): Promise<number> {
  const given = JSON.stringify({
    options,
    steps: Number(args.steps),
    side: Number(args.side),
    threads: Number(args.threads),
  });
  const build = folder === undefined ? { PREBUILDS_ONLY: "1" } : { NODE_SD_CPP_PREBUILD: path.resolve(folder) };
  const env = { ...process.env, ...build };
  const { stdout } = await promisify(execFile)(process.execPath, [path.join(__dirname, "variants-child.cjs"), given], { env });
  return Math.min(...(JSON.parse(stdout) as number[]));
}

async function main(): Promise<void> {
  const files = { clipL: await clipL(), taesd: await taesd3() };
  const table = new Table("variants", ["weights", "a, s per step", "b, s per step", "b / a"]);
  for (const type of args.types.split(",") as TensorType[]) {
    const diffusionModel = await wide(type);
    const a: number[] = [];
    const b: number[] = [];
    for (let pair = 0; pair < Number(args.pairs); pair++) {
      a.push(await seconds(args.a, { ...files, diffusionModel }));
      b.push(await seconds(args.with ? args.a : args.b, { ...files, diffusionModel, ...JSON.parse(args.with ?? "{}") }));
    }
    const ratio = summarize(b.map((value, i) => value / (a[i] as number)));
    table.row([type, show(summarize(a), 3), show(summarize(b), 3), show(ratio, 3)], { type, a, b });
  }
}

main();
