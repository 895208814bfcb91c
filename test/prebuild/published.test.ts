import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { packageRoot } from "../../lib/engine/binding.js";
import { fetched, pack } from "../helpers/packed.js";

/** The tarball as its page on a registry and its readers meet it. */

const run = promisify(execFile);
let work: string;
let tarball: string;
let folder: string;

before(async () => {
  work = await mkdtemp(path.join(tmpdir(), "sdcpp-published-"));
  tarball = await pack(packageRoot, work);
  await run("tar", ["-xzf", tarball, "-C", work]);
  folder = path.join(work, "package");
});
after(() => rm(work, { recursive: true, force: true }));

test("publint finds nothing", async () => {
  const modules = await fetched("publint@0.3.25", work);
  const { stdout } = await run(process.execPath, [path.join(modules, "publint", "src", "cli.js"), tarball, "--strict"]);
  assert.match(stdout, /All good!/);
});

test("are the types wrong? No, for every way to resolve them", async () => {
  const modules = await fetched("@arethetypeswrong/cli@0.18.5", work);
  const command = [path.join(modules, "@arethetypeswrong", "cli", "dist", "index.js"), tarball, "--format", "json"];
  const { stdout } = await run(process.execPath, command, { maxBuffer: 1 << 26 });
  const { analysis } = JSON.parse(stdout);
  assert.deepEqual(analysis.problems, []);
  assert.equal(analysis.types.kind, "included");
});

test("no script runs where it is installed, and nothing there looks like something to build", async () => {
  const manifest = JSON.parse(await readFile(path.join(folder, "package.json"), "utf8"));
  assert.deepEqual(
    ["preinstall", "install", "postinstall"].filter((name) => name in manifest.scripts),
    [],
  );
  assert.equal(manifest.gypfile, false);
  assert.ok(!existsSync(path.join(folder, "binding.gyp")));
});

/** Folders for those who change the package, which are in the repository alone. */
const repository = /^(lib|test|bench|demo|scripts|engine|\.github)(\/|$)|^\.dependency-cruiser\.cjs$/;

test("links lead to what is in the tarball; those of the pages for developers may lead to the repository", async () => {
  const pages = [
    "README.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "CHANGELOG.md",
    ...(await readdir(path.join(folder, "docs"))).filter((file) => file.endsWith(".md")).map((file) => `docs/${file}`),
  ];
  const dead: string[] = [];
  for (const page of pages) {
    const text = (await readFile(path.join(folder, page), "utf8")).replace(/```[\s\S]*?```/g, "");
    for (const [, link = ""] of text.matchAll(/\]\(([^)\s#]+)(?:#[^)]*)?\)/g)) {
      if (/^[a-z]+:/.test(link)) continue;
      const target = path.join(path.dirname(page), link);
      if (!existsSync(path.join(folder, target)) && (page === "README.md" || !repository.test(target))) dead.push(`${page}: ${link}`);
    }
  }
  assert.deepEqual(dead, []);
});

test("pages that messages and types name are in the tarball", async () => {
  const files = await readdir(path.join(folder, "dist"), { recursive: true });
  const named = new Set<string>();
  for (const file of files.filter((name) => /\.(js|ts|json)$/.test(name))) {
    const text = await readFile(path.join(folder, "dist", file), "utf8");
    for (const [page] of text.matchAll(/\bdocs\/[\w-]+\.md/g)) named.add(page);
  }
  assert.ok(named.size > 5, [...named].join());
  assert.deepEqual(
    [...named].filter((page) => !existsSync(path.join(folder, page))),
    [],
  );
});
