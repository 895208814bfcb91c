import { readdirSync, readFileSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rename, rm, rmdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { InvalidOptionError, shortened } from "../errors.js";

const { version } = require("../../package.json") as { version: string };
const root = path.join(__dirname, "..", "..", "templates");

/** npm keeps files of these names out of a package, or reads them as its own. */
const renamed: Record<string, string> = { _gitignore: ".gitignore" };

export interface Template {
  name: string;
  /** What it writes, in a line. */
  description: string;
}

interface Manifest {
  name: string;
  description: string;
  dependencies: Record<string, string>;
}

/** Those of the package: a folder each in `templates/`. */
export function templates(): Template[] {
  return readdirSync(root).map((name) => {
    const { description } = JSON.parse(readFileSync(path.join(root, name, "package.json"), "utf8")) as Manifest;
    return { name, description };
  });
}

/** By path in the app, with `/`: text of the files. The app depends on this version of the package. */
export type AppFiles = Record<string, string>;

/** @param app the app's folder, whose name becomes that of its package */
export async function appFiles(template: string, app: string): Promise<AppFiles> {
  const folder = path.join(root, template);
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files: AppFiles = {};
  for (const entry of entries.filter((entry) => entry.isFile())) {
    const file = path.join(entry.parentPath, entry.name);
    const name = path.relative(folder, path.join(entry.parentPath, renamed[entry.name] ?? entry.name)).replaceAll(path.sep, "/");
    files[name] = await readFile(file, "utf8");
  }
  const manifest = JSON.parse(files["package.json"] as string) as Manifest;
  const { description: _, ...kept } = manifest;
  const dependencies = { ...manifest.dependencies, "node-sd-cpp": `^${version}` };
  files["package.json"] = `${JSON.stringify({ ...kept, name: packageName(app), dependencies }, undefined, 2)}\n`;
  return files;
}

/** npm allows few signs, and none of them first but letters and digits. */
function packageName(app: string): string {
  const name = path
    .basename(path.resolve(app))
    .toLowerCase()
    .replace(/[^a-z0-9._~-]+/g, "-")
    .replace(/^[^a-z0-9]+|-+$/g, "");
  return name.slice(0, 214) || "app";
}

/**
 * Writes all of them, or nothing: they are made in a folder beside their places, and moved.
 * @throws InvalidOptionError when the folder is not empty, or cannot be written
 */
export async function writeApp(files: AppFiles, app: string): Promise<void> {
  const there = await readdir(app).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return [];
    throw unwritable(app, error);
  });
  if (there.length > 0)
    throw new InvalidOptionError("folder", `${app} is not empty: it has ${there.slice(0, 3).join(", ")}${there.length > 3 ? ", …" : ""}`);
  let created: string | undefined;
  const written: string[] = [];
  try {
    created = await mkdir(app, { recursive: true });
    const stage = await mkdtemp(path.join(app, ".init-"));
    written.push(stage);
    for (const [name, text] of Object.entries(files)) {
      const file = path.join(stage, name);
      await mkdir(path.dirname(file), { recursive: true });
      await writeFile(file, text, { flag: "wx" });
    }
    for (const name of await readdir(stage)) {
      await rename(path.join(stage, name), path.join(app, name));
      written.push(path.join(app, name));
    }
    await rmdir(stage);
  } catch (error) {
    for (const place of created ? [created] : written) await rm(place, { recursive: true, force: true });
    throw unwritable(app, error as Error);
  }
}

function unwritable(app: string, cause: Error): InvalidOptionError {
  return new InvalidOptionError("folder", `${path.resolve(app)} cannot be written: ${shortened(cause.message)}`, { cause });
}
