import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, symlink, writeFile } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import { packageRoot } from "../../lib/engine/binding.js";

/** Projects that have installed the packed package, and what they do with it. */

const execute = promisify(execFile);

export interface Project {
  folder: string;
  /** Without compiler, cmake, python and cargo on the PATH. */
  env: NodeJS.ProcessEnv;
}

/** `npm pack` of a folder; the tarball goes to `work`. */
export async function pack(folder: string, work: string): Promise<string> {
  const options = ["pack", "--ignore-scripts", "--json", "--pack-destination", work];
  const { stdout } = await execute("npm", options, { cwd: folder, maxBuffer: 1 << 26 });
  const [{ filename }] = JSON.parse(stdout);
  return path.join(work, filename);
}

/** An npm package in a folder of its own in `work`, whose `node_modules` is returned. */
export async function fetched(name: string, work: string): Promise<string> {
  const folder = path.join(work, "tools", name.replace(/\W/g, "-"));
  const modules = path.join(folder, "node_modules");
  if (existsSync(modules)) return modules;
  await mkdir(folder, { recursive: true });
  await writeFile(path.join(folder, "package.json"), '{ "private": true }');
  await execute("npm", ["install", "--prefer-offline", "--no-audit", "--no-fund", name], { cwd: folder, maxBuffer: 1 << 26 });
  return modules;
}

/** npm's package of Node.js for this machine; the path of its executable. */
export async function nodeExecutable(version: string, work: string): Promise<string> {
  const kind = `node-${process.platform === "win32" ? "win" : process.platform}-${process.arch}`;
  return path.join(await fetched(`${kind}@${version}`, work), kind, "bin", "node");
}

/** A new project in `folder`. */
export async function newProject(folder: string, node?: string): Promise<Project> {
  const bin = path.join(folder, "bin");
  await mkdir(bin, { recursive: true });
  for (const tool of ["node", "npm", "npx", "sh", "env"]) {
    const { stdout } = await execute("sh", ["-c", `command -v ${tool}`]);
    await symlink(tool === "node" && node ? node : stdout.trim(), path.join(bin, tool));
  }
  const env = { ...process.env, PATH: bin, CC: undefined, CXX: undefined, SDCPP_HOME: path.join(folder, "home") };
  await writeFile(path.join(folder, "package.json"), '{ "name": "project", "version": "1.0.0", "private": true }');
  return { folder, env };
}

/** A new project in `folder`, with the tarball installed by npm. */
export async function install(tarball: string, folder: string): Promise<Project> {
  const project = await newProject(folder);
  await execute("npm", ["install", "--prefer-offline", tarball], { cwd: folder, env: project.env });
  return project;
}

const draw = `
  const model = await loadModel({ preset: "demo", threads: 1 });
  const { images } = await model.generate({ prompt: "a red circle", steps: 1, seed: 1 });
  await model.dispose();
  console.log(images[0].width, InvalidOptionError.name);
`;

/** What each consumer is: its file, its code, and what it must print. */
export const consumers: Record<string, { file: string; code: string; prints: string }> = {
  "an ES module": {
    file: "esm.mjs",
    code: `import { InvalidOptionError, loadModel } from "node-sd-cpp";${draw}`,
    prints: "128 InvalidOptionError\n",
  },
  "a CommonJS module": {
    file: "cjs.cjs",
    code: `const { InvalidOptionError, loadModel } = require("node-sd-cpp"); (async () => {${draw}})();`,
    prints: "128 InvalidOptionError\n",
  },
  "the catalog": {
    file: "models.mjs",
    code: `import { listModels } from "node-sd-cpp"; console.log((await listModels()).some(({ id }) => id === "sd3.5-medium:q4_k_m"));`,
    prints: "true\n",
  },
  "the engine in a process of its own": {
    file: "isolate.mjs",
    code: `import { InvalidOptionError, loadModel } from "node-sd-cpp";${draw.replace("threads: 1", "threads: 1, isolate: true")}`,
    prints: "128 InvalidOptionError\n",
  },
};

export async function consume({ folder, env }: Project, name: string, node = process.execPath): Promise<void> {
  const { file, code, prints } = consumers[name] as { file: string; code: string; prints: string };
  await writeFile(path.join(folder, file), code);
  const { stdout } = await execute(node, [file], { cwd: folder, env });
  assert.equal(stdout, prints);
}

/** TypeScript finds the types from both kinds of module, and finds the mistake in wrong options. */
export async function typeCheck({ folder }: Project): Promise<void> {
  const right =
    'import { loadModel, type Model } from "node-sd-cpp";\nexport const model: Promise<Model> = loadModel({ preset: "demo" });\n';
  const wrong = 'import { loadModel } from "node-sd-cpp";\nloadModel({ presett: "demo" });\n';
  const modules = path.join(packageRoot, "node_modules");
  const language = "--noEmit --strict --module nodenext --target es2022 --lib es2022,esnext.disposable --types node".split(" ");
  const tsc = [path.join(modules, "typescript", "bin", "tsc"), ...language, "--typeRoots", path.join(modules, "@types")];
  for (const ending of ["mts", "cts"]) {
    await writeFile(path.join(folder, `types.${ending}`), right);
    await writeFile(path.join(folder, `wrong.${ending}`), wrong);
    await execute(process.execPath, [...tsc, `types.${ending}`], { cwd: folder });
    const checked = execute(process.execPath, [...tsc, `wrong.${ending}`], { cwd: folder });
    await assert.rejects(checked, ({ stdout }) => /presett/.test(stdout));
  }
}

/** The command, with what the package itself holds. */
export async function command({ folder, env }: Project, node = process.execPath): Promise<void> {
  const cli = path.join(folder, "node_modules", "node-sd-cpp", "dist", "cli", "cli.js");
  const options = ["generate", "a red circle", "--steps", "1", "--threads", "1", "--seed", "1", "-o", "circle.png"];
  const { stdout } = await execute(node, [cli, ...options], { cwd: folder, env });
  assert.equal(stdout, "circle.png\n");
}
