import { readFileSync } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { isMainThread } from "node:worker_threads";
import { cacheHome } from "../catalog/home.js";
import { listModels } from "../catalog/models.js";
import { addonFile, cpuVariants, misfits } from "../engine/backends/modules.js";
import { mayHaveGpu, tryModules } from "../engine/backends/trial.js";
import { native, packageRoot } from "../engine/binding.js";
import { availableMemory, memoryLimits } from "../memory/available.js";
import type { BackendReport, SystemReport } from "../types/index.js";

/** All but the devices, which a door lists. Each part stands for itself: none fails because another does. */
export async function gather(): Promise<Omit<SystemReport, "devices" | "drivers" | "environment">> {
  const { bytes: available, bound } = availableMemory();
  return {
    version: packaged("package.json").version ?? "unknown",
    system: describeSystem(),
    runtime: describeRuntime(),
    engine: describeEngine(),
    processor: describeProcessor(),
    backends: await describeBackends(),
    gpu: mayHaveGpu(),
    memory: { total: os.totalmem(), available, bound, ...memoryLimits() },
    cache: await describeCache(),
  };
}

export const reasonOf = (error: unknown) => (error instanceof Error ? error.message : String(error));

function text(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}

function describeSystem(): SystemReport["system"] {
  const { platform, arch } = process;
  const name = platform === "linux" ? /^PRETTY_NAME="?(.*?)"?$/m.exec(text("/etc/os-release"))?.[1] : os.version();
  return { platform, arch, release: os.release(), ...(name && { name }), ...(platform === "linux" && { libc: libc() }) };
}

function libc(): string {
  const report = process.report as NodeJS.ProcessReport & { excludeNetwork?: boolean };
  const before = report.excludeNetwork;
  try {
    report.excludeNetwork = true; // else each connection's address is looked up
    const { header } = report.getReport() as unknown as { header: { glibcVersionRuntime?: string } };
    return header.glibcVersionRuntime ? `glibc ${header.glibcVersionRuntime}` : "musl";
  } catch {
    return "unknown";
  } finally {
    report.excludeNetwork = before;
  }
}

function describeRuntime(): SystemReport["runtime"] {
  const { electron, bun, deno } = process.versions;
  return { node: process.versions.node, ...(electron && { electron }), ...(bun && { bun }), ...(deno && { deno }), worker: !isMainThread };
}

/** What a file of the package says; a bundled copy has none. */
function packaged(...file: string[]): { version?: string; commit?: string } {
  try {
    return JSON.parse(text(path.join(packageRoot, ...file))) as { version?: string; commit?: string };
  } catch {
    return {};
  }
}

function describeEngine(): SystemReport["engine"] {
  const file = addonFile();
  const build = file === undefined ? "none" : /[\\/]prebuilds[\\/][^\\/]+[\\/][^\\/]+$/.test(file) ? "prebuild" : "source";
  const { version, commit } = packaged("engine", "engine.json");
  const known = { ...(version && { version }), ...(commit && { commit }), build, ...(file && { file }), variants: cpuVariants() } as const;
  try {
    const { commit: built, system, cpuVariant } = native().engine;
    const features = [...system.matchAll(/(\w+) = (\d+)/g)].flatMap(([, name = "", value]) => (value === "0" ? [] : [name]));
    return { ...known, commit: built, features, ...(cpuVariant && { variant: cpuVariant }) };
  } catch (error) {
    return { ...known, features: [], problem: reasonOf(error) };
  }
}

/** What decides how fast ggml is. */
const decisive = /^(pni|ssse3|sse4_[12]|avx\w*|f16c|fma|bmi2|amx\w*|asimd\w*|neon|fphp|sve\w*|sme\d*|i8mm|bf16|svei8mm|svebf16)$/;

function describeProcessor(): SystemReport["processor"] {
  const name = os.cpus()[0]?.model.trim();
  const flags = /^(?:flags|Features)\s*:\s*(.*)$/m.exec(text("/proc/cpuinfo"))?.[1]?.split(" ") ?? [];
  return { ...(name && { name }), threads: os.availableParallelism(), features: flags.filter((flag) => decisive.test(flag)) };
}

async function describeBackends(): Promise<BackendReport[]> {
  const unfit = misfits().map(({ kind, problem }) => ({ kind, used: false, problem }));
  try {
    const trials = await tryModules();
    return [
      ...trials.map(({ module: { kind, file }, problem }) => ({ kind, file, used: !problem, ...(problem && { problem }) })),
      ...unfit,
    ];
  } catch (error) {
    return [...unfit, { kind: "all", used: false, problem: reasonOf(error) }]; // no process can be started, as before Electron's app is ready
  }
}

async function describeCache(): Promise<SystemReport["cache"]> {
  try {
    const folder = cacheHome();
    const models = (await listModels()).flatMap(({ id, state }) => (state === "complete" || state === "partial" ? [{ id, state }] : []));
    return { folder, bytes: await bytesIn(folder), models };
  } catch (error) {
    return { bytes: 0, models: [], problem: reasonOf(error) };
  }
}

/** Of all files below a folder; 0 when there is none. */
async function bytesIn(folder: string): Promise<number> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  let bytes = 0;
  for (const entry of entries) {
    const at = path.join(folder, entry.name);
    if (entry.isDirectory()) bytes += await bytesIn(at);
    else if (entry.isFile()) bytes += (await stat(at).catch(() => undefined))?.size ?? 0;
  }
  return bytes;
}
