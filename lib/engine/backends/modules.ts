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
  return [addonFolder(), ...companions.map(companionFolder)].flatMap((folder) => (folder ? modulesIn(folder) : []));
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

function addonFolder(): string | undefined {
  try {
    // Of an Electron app: no library can be loaded from within its archive.
    return path.dirname(nodeGypBuild.path(packageRoot)).replace(/\.asar(?=[\\/])/, ".asar.unpacked");
  } catch {
    return; // to load the addon says what is wrong
  }
}

/** Of this package's own version: a library of another one has other structures in memory. */
function companionFolder(kind: string): string | undefined {
  const platform = `${process.platform}-${process.arch}`;
  const name = `@node-sd-cpp/${platform}-${kind}`;
  let manifest: string;
  try {
    manifest = createRequire(path.join(packageRoot, "package.json")).resolve(`${name}/package.json`);
  } catch {
    return; // not installed
  }
  const { version } = JSON.parse(readFileSync(manifest, "utf8"));
  const own = (require("../../../package.json") as { version: string }).version;
  if (version === own) return path.join(path.dirname(manifest), "prebuilds", platform);
  process.emitWarning(`${name} ${version} is left out, as this is node-sd-cpp ${own}: npm install ${name}@${own}`, warning);
  return undefined;
}

/** How problems of backends are told, each once. */
export const warning = { type: "BackendWarning", code: "SDCPP_BACKEND" };
