import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { freemem, tmpdir, totalmem } from "node:os";
import path from "node:path";
import { after, describe, it } from "node:test";
import { availableMemory, memoryLimits } from "../../../lib/memory/available.js";

/** Folders that look like a machine's `/proc` and control groups; a control group cannot be made on every machine that runs tests. */
const folders: string[] = [];
after(() => {
  for (const folder of folders) rmSync(folder, { recursive: true });
});

function machine(files: Record<string, string>): string {
  const root = mkdtempSync(path.join(tmpdir(), "sdcpp-machine-"));
  folders.push(root);
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(path.join(root, path.dirname(name)), { recursive: true });
    writeFileSync(path.join(root, name), content);
  }
  return root;
}

const mega = 2 ** 20;
const system = { "proc/meminfo": "MemTotal:       16000000 kB\nMemFree:  100 kB\nMemAvailable:    8000000 kB\n" };
const mounts = {
  v1: "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n",
  v2: "29 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n",
};

/** A group of version 2; megabytes. */
function group(folder: string, max: number | "max", current: number, cache = 0): Record<string, string> {
  return {
    [`${folder}/memory.max`]: `${max === "max" ? max : max * mega}\n`,
    [`${folder}/memory.current`]: `${current * mega}\n`,
    [`${folder}/memory.stat`]: `anon 1\nfile ${cache * mega}\ninactive_file ${(cache * mega) / 4}\nactive_file ${(cache * mega * 3) / 4}\n`,
  };
}

const v2 = (files: Record<string, string>, self = "/app") =>
  availableMemory(machine({ ...system, "proc/self/cgroup": `0::${self}\n`, "proc/self/mountinfo": mounts.v2, ...files }), "linux");

describe("available memory", () => {
  it("is what Linux calls available, without limits", () => {
    assert.deepEqual(availableMemory(machine(system), "linux"), { bytes: 8_000_000 * 1024, bound: "system" });
    assert.deepEqual(v2({}), { bytes: 8_000_000 * 1024, bound: "system" });
    assert.deepEqual(v2(group("sys/fs/cgroup/app", "max", 500)), { bytes: 8_000_000 * 1024, bound: "system" });
  });

  it("is what a control group of version 2 leaves; the cache of files counts as free", () => {
    assert.deepEqual(v2(group("sys/fs/cgroup/app", 1000, 600)), { bytes: 400 * mega, bound: "cgroup" });
    assert.deepEqual(v2(group("sys/fs/cgroup/app", 1000, 990, 900)), { bytes: 910 * mega, bound: "cgroup" });
    assert.deepEqual(v2(group("sys/fs/cgroup/app", 1000, 1200)), { bytes: 0, bound: "cgroup" });
  });

  it("is what the tightest of nested groups leaves", () => {
    const nested = (outer: number | "max", inner: number | "max") =>
      v2(
        { ...group("sys/fs/cgroup/pod", outer, 700), ...group("sys/fs/cgroup/pod/app", inner, 200), ...group("sys/fs/cgroup", "max", 900) },
        "/pod/app",
      );
    assert.deepEqual(nested(1000, "max"), { bytes: 300 * mega, bound: "cgroup" });
    assert.deepEqual(nested("max", 1000), { bytes: 800 * mega, bound: "cgroup" });
    assert.deepEqual(nested(1000, 300), { bytes: 100 * mega, bound: "cgroup" });
    assert.deepEqual(nested(20_000, 30_000), { bytes: 8_000_000 * 1024, bound: "system" });
  });

  it("finds the group in a container, where it is named from the root of the machine or not shown", () => {
    const inside = (self: string, mounted: string) =>
      v2({ "proc/self/mountinfo": mounts.v2.replace(" / /sys", ` ${mounted} /sys`), ...group("sys/fs/cgroup", 500, 100) }, self);
    for (const [self, mounted] of [
      ["/", "/"],
      ["/docker/1234", "/docker/1234"],
      ["/docker/1234/deeper", "/docker/1234"],
      ["/../elsewhere", "/"],
    ] as const) {
      assert.deepEqual(inside(self, mounted), { bytes: 400 * mega, bound: "cgroup" }, self);
    }
  });

  it("is what a control group of version 1 leaves, also where both versions are mounted", () => {
    const none = "9223372036854771712\n";
    const v1 = (limits: [string, string]) => {
      const stat = `cache 0\ninactive_file 0\ntotal_inactive_file ${100 * mega}\ntotal_active_file ${100 * mega}\n`;
      const files = ["", "/app"].flatMap((name, index): [string, string][] => [
        [`sys/fs/cgroup/memory${name}/memory.limit_in_bytes`, limits[index] as string],
        [`sys/fs/cgroup/memory${name}/memory.usage_in_bytes`, `${500 * mega}\n`],
        [`sys/fs/cgroup/memory${name}/memory.stat`, stat],
      ]);
      const unified = "38 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
      const self = "9:name=systemd:/\n4:memory:/app\n3:cpu,cpuacct:/app\n0::/\n";
      const shown = { "proc/self/cgroup": self, "proc/self/mountinfo": mounts.v1 + unified };
      return availableMemory(machine({ ...system, ...shown, ...Object.fromEntries(files) }), "linux");
    };
    assert.deepEqual(v1([none, none]), { bytes: 8_000_000 * 1024, bound: "system" });
    assert.deepEqual(v1([none, `${1000 * mega}\n`]), { bytes: 700 * mega, bound: "cgroup" });
    assert.deepEqual(v1([`${900 * mega}\n`, `${1000 * mega}\n`]), { bytes: 600 * mega, bound: "cgroup" });
  });

  it("is what ulimit -v leaves", () => {
    const limited = (limit: string) =>
      availableMemory(
        machine({
          ...system,
          "proc/self/limits": `Limit  Soft Limit  Hard Limit  Units\nMax data size  1  1  bytes\nMax address space         ${limit}    unlimited    bytes\n`,
          "proc/self/status": "Name:\tnode\nVmPeak:\t 2000 kB\nVmSize:\t 1000000 kB\n",
        }),
        "linux",
      );
    assert.deepEqual(limited("unlimited").bound, "system");
    assert.deepEqual(limited("3000000000"), { bytes: 3e9 - 1_024_000_000, bound: "ulimit" });
    assert.deepEqual(limited("1000000000"), { bytes: 0, bound: "ulimit" });
  });

  it("is never refused for what cannot be read", () => {
    const { bytes, bound } = availableMemory(
      machine({ "proc/self/cgroup": "no such\nlines\n", "proc/self/mountinfo": "- - -\n" }),
      "linux",
    );
    assert.equal(bound, "system");
    assert.ok(bytes > 0 && bytes <= totalmem());
  });

  it("elsewhere is what the system tells, and on macOS all memory", () => {
    assert.deepEqual(availableMemory("/", "darwin"), { bytes: totalmem(), bound: "system" });
    const { bytes } = availableMemory("/", "win32");
    assert.ok(Math.abs(bytes - freemem()) < 1e9);
  });
});

describe("limits of memory", () => {
  it("are those of the control groups and of ulimit -v; where there are none, none are told", () => {
    const groups = { "proc/self/cgroup": "0::/pod/app\n", "proc/self/mountinfo": mounts.v2 };
    const nested = { ...group("sys/fs/cgroup/pod", 800, 700), ...group("sys/fs/cgroup/pod/app", 1000, 200) };
    const root = machine({
      ...system,
      ...groups,
      ...nested,
      "proc/self/limits": "Max address space         4000000000   unlimited    bytes\n",
    });
    assert.deepEqual(memoryLimits(root, "linux"), { cgroup: 800 * mega, addressSpace: 4_000_000_000 });
    const free = { "proc/self/limits": "Max address space         unlimited            unlimited            bytes\n" };
    assert.deepEqual(memoryLimits(machine({ ...system, ...groups, ...free }), "linux"), {});
    const none = {
      "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
      "sys/fs/cgroup/memory/memory.usage_in_bytes": "5\n",
    };
    const v1 = { "proc/self/cgroup": "5:memory:/\n", "proc/self/mountinfo": mounts.v1, ...none };
    assert.deepEqual(memoryLimits(machine(v1), "linux"), {});
    assert.deepEqual(memoryLimits(root, "darwin"), {});
  });
});
