import { readdirSync, readFileSync, readlinkSync, realpathSync } from "node:fs";
import path from "node:path";

/**
 * Drivers of GPUs and their versions, as Linux tells them in files; no program is started, and what is not there is left out.
 * @param root where `/proc`, `/sys` and `/usr` are, for tests
 */
export function describeDrivers(root = "/", platform: NodeJS.Platform = process.platform, env = process.env): Record<string, string> {
  if (platform !== "linux") return {};
  const at = (...parts: string[]) => path.join(root, ...parts);
  return { ...nvidia(at), ...kernelModules(at), ...libraries(at), ...vulkanDrivers(at, env) };
}

type At = (...parts: string[]) => string;

/** "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  550.54.14  Release Build …" */
function nvidia(at: At): Record<string, string> {
  const version = /Kernel Module(?: for \S+)?\s+(\d+(?:\.\d+)+)/.exec(text(at("proc", "driver", "nvidia", "version")))?.[1];
  return version ? { "NVIDIA kernel module": version } : {};
}

/** The module behind each graphics card: amdgpu, i915, xe, nouveau. Most have the kernel's version. */
function kernelModules(at: At): Record<string, string> {
  const folder = at("sys", "class", "drm");
  const cards = entries(folder).filter((name) => /^card\d+$/.test(name));
  const found = cards.flatMap((card): [string, string][] => {
    const module = path.basename(attempt(() => readlinkSync(path.join(folder, card, "device", "driver"))) ?? "");
    if (!module || module === "nvidia") return [];
    return [[`kernel module ${module}`, text(at("sys", "module", module, "version")).trim() || "of the kernel"]];
  });
  return Object.fromEntries(found);
}

const folders = ["usr/lib/x86_64-linux-gnu", "usr/lib/aarch64-linux-gnu", "usr/lib64", "usr/lib", "usr/lib/wsl/lib", "usr/local/lib"];

/** The file behind a library's name has the version in its own: libcuda.so.1 → libcuda.so.550.54.14. */
function libraries(at: At): Record<string, string> {
  const found = ["libcuda.so.1", "libvulkan.so.1"].flatMap((name): [string, string][] => {
    const files = folders.map((folder) => attempt(() => realpathSync(at(folder, name)))).filter((file) => file !== undefined);
    const [file] = files;
    return file === undefined ? [] : [[name, path.basename(file).replace(/^.*\.so\.?/, "") || "without a version"]];
  });
  return Object.fromEntries(found);
}

/** What Vulkan's loader finds: a file for each driver, with the version of Vulkan that it speaks. */
function vulkanDrivers(at: At, env: NodeJS.ProcessEnv): Record<string, string> {
  const chosen = env.VK_DRIVER_FILES ?? env.VK_ICD_FILENAMES;
  const inFolder = (folder: string) => entries(folder).map((name) => path.join(folder, name));
  const files = chosen
    ? chosen.split(":")
    : ["etc/vulkan/icd.d", "usr/share/vulkan/icd.d", "usr/local/share/vulkan/icd.d"].map((f) => at(f)).flatMap(inFolder);
  const found = files.flatMap((file): [string, string][] => {
    const manifest = attempt(() => JSON.parse(text(file)) as { ICD?: { library_path?: unknown; api_version?: unknown } });
    const { library_path: library, api_version: version } = manifest?.ICD ?? {};
    return typeof library === "string" ? [[`Vulkan driver ${path.basename(library)}`, `Vulkan ${String(version ?? "unknown")}`]] : [];
  });
  return Object.fromEntries(found);
}

function entries(folder: string): string[] {
  return attempt(() => readdirSync(folder).sort()) ?? [];
}

function text(file: string): string {
  return attempt(() => readFileSync(file, "utf8")) ?? "";
}

function attempt<T>(get: () => T): T | undefined {
  try {
    return get();
  } catch {
    return undefined;
  }
}
