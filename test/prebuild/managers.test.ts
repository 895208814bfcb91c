import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { createReadStream, existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { packageRoot } from "../../lib/engine/binding.js";
import { fetched, newProject, nodeExecutable, type Project, pack } from "../helpers/packed.js";

/** The packed package in the hands of every package manager, without a compiler: it installs without a word about it, and works at once. */

const run = promisify(execFile);
let work: string;
let tarball: string;
let node: string;
let server: Server;

before(async () => {
  work = await mkdtemp(path.join(tmpdir(), "sdcpp-managers-"));
  tarball = await pack(packageRoot, work);
  node = await nodeExecutable("24", work);
  server = createServer((_, response) => createReadStream(tarball).pipe(response)).listen(0, "127.0.0.1");
  await once(server, "listening");
});
after(async () => {
  server.close();
  await rm(work, { recursive: true, force: true });
});

/** The tarball's address: yarn 1 keeps no file's in its lock file. */
const address = () => `http://127.0.0.1:${(server.address() as AddressInfo).port}/${path.basename(tarball)}`;

interface Manager {
  /** On npm's registry. */
  package: string;
  command: string;
  add: (tarball: string) => string[];
  /** From the lock file alone. */
  frozen: string[];
  files?: Record<string, string>;
  /** How it runs Node, where that is its own affair. */
  node?: string[];
}

const npm = (version: number): Manager => ({ package: `npm@${version}`, command: "npm", add: (file) => ["install", file], frozen: ["ci"] });
const pnpm = (version: number): Manager => ({
  package: `pnpm@${version}`,
  command: "pnpm",
  add: (file) => ["add", file],
  frozen: ["install", "--frozen-lockfile"],
});
const yarn4 = (linker: string): Manager => ({
  package: "@yarnpkg/cli-dist@4",
  command: "yarn",
  add: (file) => ["add", `node-sd-cpp@file:${file}`],
  frozen: ["install", "--immutable"],
  files: { ".yarnrc.yml": `nodeLinker: ${linker}\nenableTelemetry: false\npnpEnableEsmLoader: false\n`, "yarn.lock": "" },
  node: ["node"],
});

const managers: Record<string, Manager> = {
  "npm 10": npm(10),
  "npm 11": npm(11),
  "npm 12": npm(12),
  "pnpm 10": pnpm(10),
  "pnpm 12": pnpm(12),
  "yarn 1": { package: "yarn@1", command: "yarn", add: () => ["add", address()], frozen: ["install", "--frozen-lockfile"] },
  "yarn 4, node-modules": yarn4("node-modules"),
  "yarn 4, PnP": yarn4("pnp"),
  bun: { package: "bun@1", command: "bun", add: (file) => ["add", file], frozen: ["install", "--frozen-lockfile"] },
};

const complaint = /warn|error|deprecat|ignored|approve|scripts?\b/i;
/** npm's settings may have what it no longer knows. */
const ofThisMachine = /^npm warn Unknown \w+ config/;

const use = 'require("node-sd-cpp").listDevices().then(([cpu]) => console.log(cpu.id));';

for (const [name, manager] of Object.entries(managers)) {
  describe(name, () => {
    let project: Project;
    let command: string;
    let lacking: string | undefined;

    before(async () => {
      const folder = path.join(work, name.replace(/\W+/g, "-"));
      project = await newProject(folder, node);
      const cache = (of: string) => path.join(folder, "cache", of);
      // A cache of its own: a tarball of another build has the same name and version.
      Object.assign(project.env, {
        YARN_CACHE_FOLDER: cache("yarn"),
        YARN_GLOBAL_FOLDER: cache("yarn"),
        BUN_INSTALL_CACHE_DIR: cache("bun"),
        XDG_DATA_HOME: cache("data"),
        XDG_CACHE_HOME: cache("cache"),
        CI: "1",
      });
      for (const [file, text] of Object.entries(manager.files ?? {})) await writeFile(path.join(folder, file), text);
      await writeFile(path.join(folder, "use.cjs"), use);
      try {
        command = path.join(await fetched(manager.package, work), ".bin", manager.command);
        await run(command, ["--version"], { cwd: folder, env: project.env });
      } catch (error) {
        lacking = `${name} cannot be had here: ${(error as Error).message}`;
      }
    });

    /** Ends with 0, and what it prints says nothing of this package but its name. */
    async function install(args: string[]): Promise<void> {
      const { stdout, stderr } = await run(command, args, { cwd: project.folder, env: project.env, maxBuffer: 1 << 26 });
      const lines = `${stdout}\n${stderr}`.split("\n");
      const complaints = lines.filter((line) => complaint.test(line) && !ofThisMachine.test(line));
      assert.deepEqual(complaints, []);
    }

    async function works(): Promise<void> {
      const [tool, ...args] = manager.node ? [command, ...manager.node] : [node];
      const { stdout } = await run(tool as string, [...args, "use.cjs"], { cwd: project.folder, env: project.env });
      assert.equal(stdout, "cpu\n");
    }

    test("adds it, and it works", async (context) => {
      if (lacking) return context.skip(lacking);
      await install(manager.add(tarball));
      await works();
    });

    test("installs it by the lock file, and it works", async (context) => {
      if (lacking) return context.skip(lacking);
      for (const made of ["node_modules", ".pnp.cjs", ".yarn"]) await rm(path.join(project.folder, made), { recursive: true, force: true });
      await install(manager.frozen);
      await works();
    });
  });
}

test("it brings few packages", { skip: `${process.platform}-${process.arch}` !== "linux-x64" && "linux-x64" }, async (context) => {
  const { folder, env } = await newProject(path.join(work, "count"));
  await run("npm", ["install", "--prefer-offline", tarball], { cwd: folder, env });
  const lock = JSON.parse(await readFile(path.join(folder, "node_modules", ".package-lock.json"), "utf8"));
  const names = Object.keys(lock.packages).filter((name) => existsSync(path.join(folder, name)));
  context.diagnostic(`${names.length} packages`);
  assert.ok(names.length <= 30, names.join("\n"));
});

test("without a prebuild and without a compiler it installs, and says at use what to do", async () => {
  const project = await newProject(path.join(work, "bare"));
  const { folder, env } = project;
  await run("npm", ["install", "--prefer-offline", tarball], { cwd: folder, env });
  const installed = path.join(folder, "node_modules", "node-sd-cpp");
  await rm(path.join(installed, "prebuilds"), { recursive: true });
  await mkdir(path.join(installed, "prebuilds"));
  const code = 'require("node-sd-cpp").listDevices().catch(({ code, message }) => console.log(code, message))';
  const { stdout } = await run(process.execPath, ["-e", code], { cwd: folder, env });
  assert.match(stdout, /^ERR_NO_BINARY No usable native build for .*npx node-sd-cpp build/);
});
