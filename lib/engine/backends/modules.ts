import { readdirSync, readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import { promisify } from "node:util";
import { brotliDecompress } from "node:zlib";
import nodeGypBuild from "node-gyp-build";
import { native, packageRoot } from "../binding.js";

/** A GPU backend that comes as a library of its own, as in the prebuilds. */
export interface Module {
  /** As in `backend`, without the number: "vulkan", "cuda". */
  kind: string;
  file: string;
}

/** Backends that are too large for the package itself: `@node-sd-cpp/linux-x64-cuda` holds one, in the same layout. */
const companions = ["cuda"];

/** What there is beside the addon and in companion packages, and nowhere else. */
export function modules(): Module[] {
  const others = companions.map(companion);
  for (const { problem } of others) if (problem) process.emitWarning(problem, warning);
  return [addonFolder(), ...others.map(({ folder }) => folder)].flatMap((folder) => (folder ? modulesIn(folder) : []));
}

/** Companion packages that are installed and not used, and why. */
export function misfits(): { kind: string; problem: string }[] {
  return companions.map(companion).flatMap(({ kind, problem }) => (problem ? [{ kind, problem }] : []));
}

export function modulesIn(folder: string): Module[] {
  return readdirSync(folder).flatMap((name) => {
    const kind = /^(?:lib)?sdcpp-ggml-([a-z]+)\.(?:so|dll|dylib)(?:\.br)?$/.exec(name)?.[1];
    return kind && kind !== "base" ? [{ kind, file: path.join(folder, name) }] : [];
  });
}

const loaded = new Map<string, Promise<void>>();

/** Loads one into this process, once. Shaders take a tenth of their room when they are compressed (scripts/compress-prebuilds.js). */
export function loadModule(file: string): Promise<void> {
  const known = loaded.get(file);
  if (known) return known;
  const load = async () => {
    const content = file.endsWith(".br") ? await promisify(brotliDecompress)(await readFile(file)) : undefined;
    await native().loadBackend(file, content).promise;
  };
  const loading = load();
  loaded.set(file, loading);
  return loading;
}

/** CPU variants among the libraries beside the addon, of which the best that the processor runs is loaded: "x64", "haswell". */
export function cpuVariants(): string[] {
  const folder = addonFolder();
  const names = folder === undefined ? [] : readdirSync(folder);
  return names.flatMap((name) => /^(?:lib)?sdcpp-ggml-cpu-([\w.]+?)\.(?:so|dll|dylib)(?:\.br)?$/.exec(name)?.[1] ?? []).sort();
}

/** The addon that is loaded, or would be; undefined where there is none. */
export function addonFile(): string | undefined {
  try {
    // Of an Electron app: no library can be loaded from within its archive.
    return nodeGypBuild.path(packageRoot).replace(/\.asar(?=[\\/])/, ".asar.unpacked");
  } catch {
    return; // to load the addon says what is wrong
  }
}

function addonFolder(): string | undefined {
  const file = addonFile();
  return file === undefined ? undefined : path.dirname(file);
}

/** Of this package's own version: a library of another one has other structures in memory. */
function companion(kind: string): { kind: string; folder?: string; problem?: string } {
  const platform = `${process.platform}-${process.arch}`;
  const name = `@node-sd-cpp/${platform}-${kind}`;
  let manifest: string;
  try {
    manifest = createRequire(path.join(packageRoot, "package.json")).resolve(`${name}/package.json`);
  } catch {
    return { kind }; // not installed
  }
  const { version } = JSON.parse(readFileSync(manifest, "utf8"));
  const own = (require("../../../package.json") as { version: string }).version;
  if (version === own) return { kind, folder: path.join(path.dirname(manifest), "prebuilds", platform) };
  return { kind, problem: `${name} ${version} is left out, as this is node-sd-cpp ${own}: npm install ${name}@${own}` };
}

/** How problems of backends are told, each once. */
export const warning = { type: "BackendWarning", code: "SDCPP_BACKEND" };
