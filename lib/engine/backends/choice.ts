import { nativeError } from "../../errors.js";
import { native } from "../binding.js";
import { loadModule } from "./modules.js";
import { deviceId, engineNames } from "./names.js";
import { mayHaveGpu, type Trial, tryModules } from "./trial.js";

/** As native code lists it. */
interface Listed {
  name: string;
  type: string;
  memoryFree: number;
}

/** Which modules may be loaded, by file. In a process that is isolated itself, its host has tried them. */
export type Approved = readonly string[];

/**
 * The modules to load for `backend` in the engine's syntax ("cuda0", "cpu,vae=vulkan0", undefined for auto): those that work. None are tried for
 * what is all on the CPU, nor for `auto` where there is no GPU.
 */
export async function approve(backend: string | undefined): Promise<{ files: Approved; trials: Trial[] }> {
  const names = parse(backend).map(([, name]) => name);
  const wanted = names.some((name) => name !== "cpu" && (name !== "auto" || mayHaveGpu()));
  const trials = wanted ? await tryModules() : [];
  return { files: trials.flatMap(({ module, problem }) => (problem ? [] : [module.file])), trials };
}

/**
 * `backend` with the names of devices that are there, for the engine: for `auto` the best one. SDCPP_BACKEND in the environment takes its place.
 * @throws NativeError ERR_INVALID_OPTION for a device that is not there
 */
export async function place(backend: string | undefined, approved?: Approved): Promise<string> {
  const asked = overridden() ?? backend;
  const { files, trials } = approved ? { files: approved, trials: [] } : await approve(asked);
  for (const file of files) await loadModule(file);
  const devices = await native().devices().promise;
  const parts = parse(asked).map(([module, name]) => {
    const device = name === "auto" ? best(devices) : find(devices, name);
    if (device) return module ? `${module}=${device.name}` : device.name;
    const known = ["auto", ...devices.map(({ name }) => deviceId(name))].map((id) => JSON.stringify(id)).join(", ");
    const reasons = trials.flatMap(({ module: { kind }, problem }) => (problem && name.startsWith(kind) ? [` (${kind}: ${problem})`] : []));
    const option = overridden() === undefined ? "backend" : "SDCPP_BACKEND";
    const received = JSON.stringify(deviceId(name)) + reasons.join("");
    throw nativeError("ERR_INVALID_OPTION", `${option}: expected one of ${known}, received ${received}`);
  });
  return parts.join(",");
}

/** SDCPP_BACKEND in the engine's spelling; for placements too. */
export function overridden(): string | undefined {
  return engineNames(process.env.SDCPP_BACKEND?.toLowerCase() ?? "") || undefined;
}

/** "cuda0,te=cpu" → [["", "cuda0"], ["te", "cpu"]]; without a first part, that is auto. */
function parse(backend = "auto"): [module: string, device: string][] {
  const parts = backend.split(",").map((part): [string, string] => {
    const at = part.indexOf("=");
    return at < 0 ? ["", part] : [part.slice(0, at), part.slice(at + 1)];
  });
  return parts.some(([module]) => module === "") ? parts : [["", "auto"], ...parts];
}

const ranks = ["gpu", "igpu", "cpu"]; // accelerators of the CPU take part by themselves

/** A graphics card before a graphics unit that shares main memory, and that before the CPU; among equals the one with the most free memory. */
export function best<T extends Listed>(devices: readonly T[]): T | undefined {
  const ranked = devices.filter(({ type }) => ranks.includes(type));
  return ranked.sort((a, b) => ranks.indexOf(a.type) - ranks.indexOf(b.type) || b.memoryFree - a.memoryFree)[0];
}

/** "cuda0", or a kind alone ("cuda", "gpu") for its best one. */
function find<T extends Listed>(devices: readonly T[], name: string): T | undefined {
  const same = devices.find((device) => device.name.toLowerCase() === name);
  if (same) return same;
  return best(
    devices.filter(({ name: known, type }) => (name === "gpu" ? type !== "cpu" : known.toLowerCase().replace(/\d+$/, "") === name)),
  );
}
