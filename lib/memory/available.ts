import { readFileSync } from "node:fs";
import { freemem, totalmem } from "node:os";
import path from "node:path";

/** Main memory that this process can still get. */
export interface AvailableMemory {
  /** Bytes. */
  bytes: number;
  /** What sets the bound: the machine, the control group of a container or service, or `ulimit -v`. */
  bound: "system" | "cgroup" | "ulimit";
}

/**
 * The tightest of what the machine has left, what the control groups (v1 and v2, with all above them) allow, and the limit of the address
 * space. The cache of files counts as free, since the system gives it back. Elsewhere than on Linux only the machine counts; macOS does not
 * tell what it could free, so there it is all memory.
 * @param root where `/proc` and the control groups' folders are, for tests
 */
export function availableMemory(root = "/", platform: NodeJS.Platform = process.platform): AvailableMemory {
  if (platform !== "linux") return { bytes: platform === "darwin" ? totalmem() : freemem(), bound: "system" };
  const bounds: AvailableMemory[] = [
    { bytes: (field(read(root, "proc/meminfo"), "MemAvailable") ?? freemem() / 1024) * 1024, bound: "system" },
    ...controlGroups(root).map(({ left: bytes }): AvailableMemory => ({ bytes, bound: "cgroup" })),
    { bytes: addressSpace(root), bound: "ulimit" },
  ];
  const tightest = bounds.reduce((least, bound) => (bound.bytes < least.bytes ? bound : least));
  return { ...tightest, bytes: Math.max(0, tightest.bytes) };
}

/** What bounds the memory of this process beside the machine, in bytes; members are absent where there is no such limit. */
export interface MemoryLimits {
  /** The smallest limit of the control groups that this process is in. */
  cgroup?: number;
  /** `ulimit -v`. */
  addressSpace?: number;
}

export function memoryLimits(root = "/", platform: NodeJS.Platform = process.platform): MemoryLimits {
  if (platform !== "linux") return {};
  const cgroup = Math.min(...controlGroups(root).map(({ limit }) => limit));
  const addressSpace = Number(addressLimit(root));
  return {
    // Version 1 has no word for "none", but a number beyond all memory.
    ...(cgroup < 2 ** 60 ? { cgroup } : {}),
    ...(Number.isFinite(addressSpace) ? { addressSpace } : {}),
  };
}

/** A file's text; "" when there is none, as in a container that does not show it. */
function read(root: string, file: string): string {
  try {
    return readFileSync(path.join(root, file), "utf8");
  } catch {
    return "";
  }
}

/** The number in a line "name 1" or "name:  1 kB". */
function field(text: string, name: string): number | undefined {
  const found = new RegExp(`^${name}:?\\s+(\\d+)`, "m").exec(text)?.[1];
  return found === undefined ? undefined : Number(found);
}

/** Bytes that `ulimit -v` leaves. */
function addressSpace(root: string): number {
  const limit = addressLimit(root);
  const used = field(read(root, "proc/self/status"), "VmSize");
  return limit === undefined || used === undefined ? Number.POSITIVE_INFINITY : Number(limit) - used * 1024;
}

/** The number in bytes; undefined for "unlimited". */
function addressLimit(root: string): string | undefined {
  return /^Max address space\s+(\d+)/m.exec(read(root, "proc/self/limits"))?.[1];
}

/** The files of one version of control groups. */
interface Version {
  limit: string;
  usage: string;
  /** Lines of memory.stat that make up the cache of files. */
  cache: string[];
}

const v1: Version = {
  limit: "memory.limit_in_bytes",
  usage: "memory.usage_in_bytes",
  cache: ["total_inactive_file", "total_active_file"],
};
const v2: Version = { limit: "memory.max", usage: "memory.current", cache: ["inactive_file", "active_file"] };

/** Each control group with a limit, this process's and those above it, and what it leaves. */
function controlGroups(root: string): { limit: number; left: number }[] {
  const groups: { limit: number; left: number }[] = [];
  for (const line of read(root, "proc/self/cgroup").split("\n")) {
    const [, controllers = "", group] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    const version = controllers === "" ? v2 : controllers.split(",").includes("memory") ? v1 : undefined;
    if (group === undefined || !version) continue;
    for (const folder of foldersOf(root, version, group)) {
      const limit = Number.parseInt(read(root, path.join(folder, version.limit)), 10); // "max" is none
      const usage = Number.parseInt(read(root, path.join(folder, version.usage)), 10);
      if (Number.isNaN(limit) || Number.isNaN(usage)) continue;
      const stat = read(root, path.join(folder, "memory.stat"));
      const cache = version.cache.reduce((sum, name) => sum + (field(stat, name) ?? 0), 0);
      groups.push({ limit, left: limit - Math.max(0, usage - cache) });
    }
  }
  return groups;
}

/** The group's folder and those above it, up to where the hierarchy is mounted. */
function foldersOf(root: string, version: Version, group: string): string[] {
  const mount = mountOf(root, version);
  if (!mount) return [];
  // In a container the group may be named from the host's root, of which only a part is mounted.
  const below = path.posix.relative(mount.root, group);
  const parts = below === "" || below.startsWith("..") ? [] : below.split("/");
  return parts.map((_, index) => path.join(mount.folder, ...parts.slice(0, parts.length - index))).concat(mount.folder);
}

/** Where the control groups that limit memory are mounted, and which of them is mounted there. */
function mountOf(root: string, version: Version): { root: string; folder: string } | undefined {
  for (const line of read(root, "proc/self/mountinfo").split("\n")) {
    // "36 35 98:0 /root /folder options - type source options"
    const [before = "", after = ""] = line.split(" - ");
    const [, , , mounted = "/", folder] = before.split(" ");
    const [type, , options = ""] = after.split(" ");
    const fits = version === v2 ? type === "cgroup2" : type === "cgroup" && options.split(",").includes("memory");
    if (fits && folder) return { root: mounted, folder };
  }
  return undefined;
}
