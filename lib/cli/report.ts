import { formatBytes } from "../errors.js";
import { bounds } from "../memory/shortage.js";
import type { Device, SystemReport } from "../types/index.js";

const gibibytes = (bytes: number) => (bytes / 2 ** 30).toFixed(1);

export function deviceLine({ id, type, name, memoryFree, memoryTotal, variant }: Device): string {
  const memory = memoryTotal ? `${gibibytes(memoryFree)} of ${gibibytes(memoryTotal)} GiB free` : "";
  return `${id.padEnd(10)} ${type.padEnd(5)} ${name}${variant ? ` (${variant})` : ""}  ${memory}`;
}

type Row = [name: string, ...texts: (string | undefined | false)[]];

/** A report on the system as people paste it: a name and what there is, several of them below each other. */
export function reportText(found: SystemReport): string {
  const rows = [...programRows(found), ...machineRows(found), ...settingRows(found)];
  const lines = rows.flatMap(([name, ...texts]) => {
    const there = texts.flatMap((text) => (text ? text.split("\n") : [])).map((line) => line.trim());
    return there.filter(Boolean).map((text, index) => `${(index ? "" : name).padEnd(12)} ${text}`);
  });
  return `${lines.join("\n")}\n`;
}

function programRows({ version, system, runtime, engine }: SystemReport): Row[] {
  const { node, electron, bun, deno, worker } = runtime;
  const others = Object.entries({ Electron: electron, Bun: bun, Deno: deno }).map(([name, text]) => text && `${name} ${text}`);
  const builds = { prebuild: "prebuild", source: "built from source", none: "no addon was found" };
  const name = `stable-diffusion.cpp ${engine.commit ?? "unknown"}${engine.version ? ` (crate ${engine.version})` : ""}`;
  const holds = engine.variants.length > 0 && `holds the CPU variants ${engine.variants.join(" ")}`;
  return [
    ["node-sd-cpp", version],
    ["system", [system.name, system.platform, system.arch, system.release, system.libc].filter(Boolean).join(", ")],
    ["runtime", `Node.js ${node}${worker ? ", in a worker thread" : ""}`, ...others],
    ["engine", name, `${builds[engine.build]}${engine.file ? `: ${engine.file}` : ""}`, holds, engine.problem],
    ["code for", engine.variant && `CPU variant ${engine.variant}`, engine.features.join(" ")],
  ];
}

function machineRows({ processor, devices, backends, gpu, drivers, memory }: SystemReport): Row[] {
  const { total, available, bound, cgroup, addressSpace } = memory;
  const libraries = backends.map(
    ({ kind, file, used, problem }) => `${kind}: ${used ? "used" : "left out"}${file ? ` (${file})` : ""}${problem ? `: ${problem}` : ""}`,
  );
  return [
    ["processor", `${processor.name ?? "unknown"}, ${processor.threads} threads`, processor.features.join(" ")],
    ["devices", ...(devices.length ? devices.map((device) => deviceLine(device).trimEnd()) : ["none"])],
    [
      "GPU backends",
      ...(libraries.length ? libraries : ["no library of one is installed"]),
      !gpu && "the system shows no GPU, so that auto tries none",
    ],
    ["drivers", ...Object.entries(drivers).map(([name, version]) => `${name} ${version}`)],
    [
      "memory",
      `${formatBytes(total)}, of which ${formatBytes(available)} ${bounds[bound]}`,
      cgroup !== undefined && `limit of the control group ${formatBytes(cgroup)}`,
      addressSpace !== undefined && `limit of ulimit -v ${formatBytes(addressSpace)}`,
    ],
  ];
}

function settingRows({ environment, cache }: SystemReport): Row[] {
  return [
    ["environment", ...Object.entries(environment).map(([name, value]) => `${name}=${value}`)],
    ["cache", cache.folder && `${cache.folder}, ${formatBytes(cache.bytes)}`, cache.problem],
    ["models", ...cache.models.map(({ id, state }) => `${id}${state === "partial" ? " (partial)" : ""}`)],
  ];
}
