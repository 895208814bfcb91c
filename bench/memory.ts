/**
 * What each memory option costs: one process a row, on random weights; Linux. Prints the table of docs/memory.md. Times are the processor's,
 * which other programs disturb less.
 */
import { fork } from "node:child_process";
import { readFileSync } from "node:fs";
import { loadModel, type ModelOptions } from "../lib/index.js";
import { checkpoint, clipG, clipL, vae } from "../test/helpers/checkpoints.js";
import { mmdit } from "../test/helpers/layouts.js";
import { Table } from "./table.js";

const rows: [string, ModelOptions][] = [
  ["(default)", {}],
  ["`mmap: true`", { mmap: true }],
  ['`offload: { params: "disk" }`', { offload: { params: "disk" } }],
  ['`offload: { params: "disk" }, mmap: true`', { offload: { params: "disk" }, mmap: true }],
  ['`weightType: "q8_0"`', { weightType: "q8_0" }],
  ['`weightType: "q4_0"`', { weightType: "q4_0" }],
  ['`offload: { params: "cpu", maxVram: 1 }`', { offload: { params: "cpu", maxVram: 1 } }],
  ['`placement: { textEncoders: "cpu" }`', { placement: { textEncoders: "cpu" } }],
];

interface Measured {
  weights: number;
  loadSeconds: number;
  loaded: number;
  firstSeconds: number;
  nextSeconds: number;
  drawn: number;
  peak: number;
}

/** Resident memory of this process, now or at its highest. */
function status(field: "VmRSS" | "VmHWM"): number {
  return Number(new RegExp(`${field}:\\s+(\\d+)`).exec(readFileSync("/proc/self/status", "utf8"))?.[1]) * 1024;
}

async function measure(index: number): Promise<Measured> {
  const diffusionModel = await checkpoint("memory-f16-384", () => mmdit({ depth: 24, hidden: 384, type: "f16" }));
  const files = { diffusionModel, clipL: await clipL(), clipG: await clipG(), vae: await vae() };
  const before = status("VmRSS");
  const seconds = (since?: NodeJS.CpuUsage) => {
    const { user, system } = process.cpuUsage(since);
    return (user + system) / 1e6;
  };
  const clock = process.cpuUsage();
  const model = await loadModel({ ...files, threads: 1, promptCache: 0, ...rows[index]?.[1] });
  const loadSeconds = seconds(clock);
  const loaded = status("VmRSS") - before;
  const draw = async () => {
    const start = process.cpuUsage();
    await model.generate({ prompt: "a red circle", width: 64, height: 64, steps: 4, cfgScale: 1, seed: 1 });
    return seconds(start);
  };
  const first = await draw();
  const next = await draw();
  const drawn = status("VmRSS") - before;
  return {
    weights: model.memory().weights,
    loadSeconds,
    loaded,
    firstSeconds: first,
    nextSeconds: next,
    drawn,
    peak: status("VmHWM") - before,
  };
}

async function main(): Promise<void> {
  const index = process.argv[2];
  if (index !== undefined) {
    process.send?.(await measure(Number(index)));
    return;
  }
  const megabytes = (bytes: number) => Math.round(bytes / 1e6);
  const columns = [
    "options",
    "weights, MB",
    "load, s",
    "resident after load, MB",
    "first picture, s",
    "second, s",
    "resident after, MB",
    "peak, MB",
  ];
  const table = new Table("memory", columns);
  for (const [row, [name]] of rows.entries()) {
    const m = await new Promise<Measured>((resolve, reject) => {
      const child = fork(__filename, [String(row)], { execArgv: ["--import", "tsx"] });
      child.once("message", (message) => resolve(message as Measured));
      child.once("exit", (code) => code && reject(new Error(`exit code ${code}`)));
    });
    const cells = [
      megabytes(m.weights),
      m.loadSeconds.toFixed(2),
      megabytes(m.loaded),
      m.firstSeconds.toFixed(2),
      m.nextSeconds.toFixed(2),
    ];
    table.row([name, ...cells, megabytes(m.drawn), megabytes(m.peak)], m);
  }
}

main();
