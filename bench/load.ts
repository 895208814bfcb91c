/**
 * Time to load Medium at its real size, read and mapped, against `cat FILE > /dev/null`, in turns: `npm run bench -- --only load`. Cold, the system's file cache is
 * emptied before each, which takes root on Linux; without, only warm times are measured. What is left of a mapped model is read by its first picture.
 */
import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { parseArgs, promisify } from "node:util";
import { loadModel } from "../lib/index.js";
import { clipL, medium, taesd3 } from "../test/helpers/checkpoints.js";
import type { TensorType } from "../test/helpers/weights.js";
import { show, summarize } from "./stats.js";
import { Table } from "./table.js";

const run = promisify(execFile);
const { values: args } = parseArgs({
  options: {
    types: { type: "string", default: "f16,q8_0,q4_0" },
    rounds: { type: "string", default: "3" },
    threads: { type: "string", default: "2" },
  },
});

async function seconds(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
}

/** Empties the file cache; false where that is not allowed. */
async function forget(): Promise<boolean> {
  await run("sync");
  return writeFile("/proc/sys/vm/drop_caches", "3").then(
    () => true,
    () => false,
  );
}

async function main(): Promise<void> {
  const files = { clipL: await clipL(), taesd: await taesd3() };
  const all = Object.values(files);
  const table = new Table("load", ["weights", "file cache", "cat, s", "read, s", "cat / read", "mapped, s", "cat / mapped"]);
  for (const type of args.types.split(",") as TensorType[]) {
    const diffusionModel = await medium(type);
    const ways: Record<string, () => Promise<number>> = {
      cat: () => seconds(() => run("sh", ["-c", `cat ${[diffusionModel, ...all].map((file) => `'${file}'`).join(" ")} > /dev/null`])),
      read: () => load({ mmap: false }),
      mapped: () => load({ mmap: true }),
    };
    const load = async (options: { mmap: boolean }) => {
      const start = performance.now();
      const model = await loadModel({ ...files, ...options, diffusionModel, threads: Number(args.threads) });
      const time = (performance.now() - start) / 1000;
      await model.dispose();
      return time;
    };
    for (const cold of [false, true]) {
      const times: Record<string, number[]> = { cat: [], read: [], mapped: [] };
      if (cold && !(await forget())) continue;
      for (let round = 0; round < Number(args.rounds); round++) {
        for (const [name, way] of Object.entries(ways)) {
          if (cold) await forget();
          times[name]?.push(await way());
        }
      }
      const [cat = [], read = [], mapped = []] = [times.cat, times.read, times.mapped];
      const against = (other: number[]) => show(summarize(cat.map((time, i) => time / (other[i] as number))), 2);
      const seconds = (series: number[]) => show(summarize(series), 2);
      const cells = [seconds(cat), seconds(read), against(read), seconds(mapped), against(mapped)];
      table.row([type, cold ? "empty" : "filled", ...cells], { type, cold, ...times });
    }
  }
}

main();
