import { deviceId } from "../engine/backends/names.js";
import { formatBytes, InsufficientMemoryError } from "../errors.js";
import type { DeviceFree, Footprint, Picture } from "./footprint.js";
import { type DeviceNeed, host } from "./need.js";

/** A device that cannot give what is needed. */
export interface Shortage {
  /** ggml's name. */
  device: string;
  /** Bytes that the system cannot take back. */
  needed: number;
  available: number;
  bound: DeviceFree["bound"];
}

/** What is wanted on a device; `mapped` bytes of it may be missing. */
export type Demand = Pick<DeviceNeed, "peak" | "mapped" | "reserved">;

/** Bytes that must be there. Mapped files and lists that are never filled take addresses, but no memory that the system could not take back. */
export function neededOf({ peak, mapped, reserved }: Demand, bound: DeviceFree["bound"]): number {
  return bound === "ulimit" ? peak + reserved : peak - mapped;
}

/** The first device that has less free than is needed. One that does not tell what it has free passes. */
export function shortageOf(demands: Record<string, Demand>, free: Record<string, DeviceFree>): Shortage | undefined {
  for (const [device, demand] of Object.entries(demands)) {
    const { bytes: available, bound } = free[device] ?? { bytes: 0, bound: "device" };
    const needed = neededOf(demand, bound);
    if (needed > available && !(bound === "device" && available === 0)) return { device, needed, available, bound };
  }
  return undefined;
}

/** What is said of the bytes that are there. */
export const bounds: Record<DeviceFree["bound"], string> = {
  system: "is free",
  cgroup: "is left in the control group's limit",
  ulimit: "is left in the limit of ulimit -v",
  device: "is free",
};

/** "needs 12.34 GB of main memory, but 8.00 GB is free" */
export function describe({ device, needed, available, bound }: Shortage): string {
  const memory = bound === "ulimit" ? "of addresses" : device === host ? "of main memory" : `on ${deviceId(device)}`;
  return `needs ${formatBytes(needed)} ${memory}, but ${formatBytes(available)} ${bounds[bound]}`;
}

/** "vaeTiling: true (saves 1.20 GB)" */
export function saving(text: string, bytes: number): string {
  return `${text} (saves ${formatBytes(bytes)})`;
}

/** @param subject "The model" */
export function insufficient(subject: string, shortage: Shortage, suggestions: string[]): InsufficientMemoryError {
  const { needed, available } = shortage;
  const remedy = suggestions.length ? ` What helps: ${suggestions.join("; ")}.` : "";
  const message = `${subject} ${describe(shortage)}.${remedy} The option force tries all the same.`;
  return new InsufficientMemoryError(message, { needed, available, suggestions });
}

/**
 * Refuses a run that cannot fit beside the weights that are loaded.
 * @throws InsufficientMemoryError
 */
export function checkRun(footprint: Footprint, picture: Picture): void {
  const free = footprint.free();
  const runOf = (other: Picture): Record<string, Demand> =>
    Object.fromEntries(Object.entries(footprint.need(other)).map(([device, { run }]) => [device, { peak: run, mapped: 0, reserved: 0 }]));
  const shortage = shortageOf(runOf(picture), free);
  if (!shortage) return;
  const fitting = changesOf(picture, (changed) => !shortageOf(runOf(changed), free));
  const { width, height } = picture.params;
  const suggestions = fitting.map((change) => saving(change.text, shortage.needed - (runOf(change.picture)[shortage.device]?.peak ?? 0)));
  throw insufficient(`A picture of ${width}x${height}`, shortage, suggestions);
}

interface Change {
  text: string;
  picture: Picture;
}

/** Sides below this are of no use. */
const leastSide = 64;

/** Smaller sizes of the same proportions, the largest first. */
export function smallerSizes({ width = 0, height = 0 }: { width?: number; height?: number }): { width: number; height: number }[] {
  const part = (side: number, of: number) => Math.floor((side * of) / 16) * 16;
  return [7 / 8, 3 / 4, 5 / 8, 1 / 2, 3 / 8, 1 / 4]
    .map((of) => ({ width: part(width, of), height: part(height, of) }))
    .filter((size) => Math.min(size.width, size.height) >= leastSide);
}

/** Changes of a run with which it fits, the least first. */
function changesOf({ params, ...rest }: Picture, fits: (picture: Picture) => boolean): Change[] {
  const changed = (text: string, changes: Picture["params"]): Change => ({ text, picture: { ...rest, params: { ...params, ...changes } } });
  const tiled = { vaeTiling: { enabled: true } };
  const smaller = (more: Picture["params"], note = "") =>
    smallerSizes(params)
      .map((size) => changed(`${size.width}x${size.height} pixels${note}`, { ...size, ...more, hires: undefined }))
      .find(({ picture }) => fits(picture));
  const alone = [
    ...(params.vaeTiling ? [] : [changed("vaeTiling: true", tiled)]),
    ...(params.hires ? [changed("no hires fix", { hires: undefined })] : []),
  ].filter(({ picture }) => fits(picture));
  const size = smaller({}) ?? smaller(tiled, " with vaeTiling: true");
  return size ? [...alone, size] : alone;
}
