import { execFile } from "node:child_process";
import { constants, copyFile, cp, link, mkdir, readdir, rename } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import { createPackageWithOptions } from "@electron/asar";
import { packageRoot } from "../../lib/engine/binding.js";

const run = promisify(execFile);
const platform = `${process.platform}-${process.arch}`;

/** The path of an Electron binary, which is fetched on first use. */
export async function electronRuntime(): Promise<string> {
  const { stdout } = await run(process.execPath, [path.join(packageRoot, "scripts", "electron-runtime.js")]);
  return stdout.trim();
}

/**
 * examples/electron as a user has it after `npm install`: with the packed package, and without a compiler or a build for Electron.
 * The addon is a prebuild: that of `prebuilds/`, or what `npm run build:native` made.
 */
export async function installExample(work: string): Promise<string> {
  const packed = await run("npm", ["pack", "--ignore-scripts", "--json", "--pack-destination", work], {
    cwd: packageRoot,
    maxBuffer: 1 << 26,
  });
  const app = path.join(work, "example");
  await cp(path.join(packageRoot, "examples", "electron"), app, { recursive: true });
  const tarball = path.join(work, JSON.parse(packed.stdout)[0].filename);
  await run("npm", ["install", "--ignore-scripts", "--omit=dev", "--no-audit", "--no-fund", "--prefer-offline", tarball], { cwd: app });
  const prebuilds = path.join(app, "node_modules", "node-sd-cpp", "prebuilds", platform);
  if (await mkdir(prebuilds, { recursive: true })) {
    await copyFile(path.join(packageRoot, "build", "Release", "node-sd-cpp.node"), path.join(prebuilds, "node-sd-cpp.node"));
  }
  return app;
}

/** A folder's files again, at no cost where the file system allows it. */
async function linkTree(from: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true });
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const [source, target] = [path.join(from, entry.name), path.join(to, entry.name)];
    if (entry.isDirectory()) await linkTree(source, target);
    else await link(source, target).catch(() => copyFile(source, target, constants.COPYFILE_FICLONE));
  }
}

export interface Packaging {
  /** Pack the app into `app.asar`, but for what matches this pattern. Default: a folder `app`. */
  unpack?: string;
}

/** What a packager makes of an app: Electron under the app's name, and the app in its resources. Returns the program's path. */
export async function packageApp(app: string, electron: string, to: string, { unpack }: Packaging = {}): Promise<string> {
  await linkTree(path.dirname(electron), to);
  const program = path.join(to, "pictures");
  await rename(path.join(to, path.basename(electron)), program);
  const resources = path.join(to, "resources");
  await mkdir(resources, { recursive: true });
  if (unpack) await createPackageWithOptions(app, path.join(resources, "app.asar"), { unpack });
  else await cp(app, path.join(resources, "app"), { recursive: true });
  return program;
}
