import type { Device } from "./model.js";

/** A GPU backend that comes as a library of its own, and what became of it. */
export interface BackendReport {
  /** "vulkan", "cuda". */
  kind: string;
  /** The library; absent for a companion package that does not fit. */
  file?: string;
  used: boolean;
  /** Why it is left out. */
  problem?: string;
}

/**
 * What a bug report has to tell of a system. It names no people: the home folder is `~`, names of users and of the machine are `<user>` and
 * `<host>` in all texts. What cannot be found out is absent, or a `problem` says why.
 */
export interface SystemReport {
  /** This package's version. */
  version: string;
  system: {
    platform: NodeJS.Platform;
    arch: string;
    /** Of the kernel. */
    release: string;
    /** As the system calls itself: "Debian GNU/Linux 12 (bookworm)", "Windows 11 Pro". */
    name?: string;
    /** Of Linux: "glibc 2.36", "musl". */
    libc?: string;
  };
  runtime: {
    node: string;
    electron?: string;
    bun?: string;
    deno?: string;
    /** Whether this is a worker thread. */
    worker: boolean;
  };
  engine: {
    /** Version of the crate that the engine's source comes from, and the commit it was made from. */
    version?: string;
    commit?: string;
    /** Whether the addon came with the package, was built on this machine, or is not there. */
    build: "prebuild" | "source" | "none";
    /** The addon's file. */
    file?: string;
    /** The instructions that the code in use was compiled for, such as "AVX2". */
    features: string[];
    /** Of the CPU variants that a prebuild holds, the one in use. */
    variant?: string;
    variants: string[];
    /** Why the addon cannot be used. */
    problem?: string;
  };
  processor: {
    name?: string;
    /** Logical processors that this process may use. */
    threads: number;
    /** Vector and matrix instructions that it has; of Linux. */
    features: string[];
  };
  /** As `listDevices` has them. */
  devices: Device[];
  /** GPU libraries, and why those that are left out are. Each was tried in a process of its own. */
  backends: BackendReport[];
  /** Whether the system shows a GPU at all; where it does not, `backend: "auto"` tries no library. */
  gpu: boolean;
  /** Drivers of GPUs by name, with their versions where the system tells them; of Linux. */
  drivers: Record<string, string>;
  /** Bytes. */
  memory: {
    total: number;
    /** What this process can still get, and what sets that bound. */
    available: number;
    bound: "system" | "cgroup" | "ulimit";
    /** Limit of a container or service. */
    cgroup?: number;
    /** `ulimit -v`. */
    addressSpace?: number;
  };
  /** Variables that are set and change what this package does. Of those that may hold secrets or names the value is "(set)". */
  environment: Record<string, string>;
  cache: {
    /** The folder of unpacked and pulled files, and what is in it. */
    folder?: string;
    bytes: number;
    /** Pulled models by id; `partial` ones are not complete. */
    models: { id: string; state: "complete" | "partial" }[];
    problem?: string;
  };
}
