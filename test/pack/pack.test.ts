import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { packageRoot } from "../../lib/binding.js";

const run = promisify(execFile);

/** A project that installed the packed tarball with a prebuild, on a PATH without compiler, cmake, python and cargo. */
let project: string;
let env: NodeJS.ProcessEnv;

before(async () => {
  const work = await mkdtemp(path.join(tmpdir(), "sdcpp-pack-"));
  const stage = path.join(work, "stage");
  const { stdout } = await run("git", ["ls-files"], { cwd: packageRoot });
  for (const file of stdout.trim().split("\n")) await cp(path.join(packageRoot, file), path.join(stage, file));
  await cp(path.join(packageRoot, "dist"), path.join(stage, "dist"), { recursive: true });
  const prebuilds = path.join(stage, "prebuilds", `${process.platform}-${process.arch}`);
  await cp(path.join(packageRoot, "build", "Release", "node-sd-cpp.node"), path.join(prebuilds, "node-sd-cpp.node"));
  const packed = await run("npm", ["pack", "--ignore-scripts", "--json", "--pack-destination", work], { cwd: stage, maxBuffer: 1 << 26 });
  const [{ filename }] = JSON.parse(packed.stdout);

  const bin = path.join(work, "bin");
  await mkdir(bin);
  for (const tool of ["node", "npm", "npx", "sh", "env"]) {
    const found = await run("sh", ["-c", `command -v ${tool}`]);
    await symlink(found.stdout.trim(), path.join(bin, tool));
  }
  env = { ...process.env, PATH: bin, CC: undefined, CXX: undefined, SDCPP_HOME: path.join(work, "home") };
  project = path.join(work, "project");
  await mkdir(project);
  await writeFile(path.join(project, "package.json"), '{ "name": "project", "private": true }');
  await run("npm", ["install", "--prefer-offline", path.join(work, filename)], { cwd: project, env });
});
after(() => rm(path.dirname(project), { recursive: true, force: true }));

const draw = `
  const model = await loadModel({ preset: "demo", threads: 1 });
  const { images } = await model.generate({ prompt: "a red circle", steps: 1, seed: 1 });
  await model.dispose();
  console.log(images[0].width, InvalidOptionError.name);
`;

async function runFile(name: string, code: string): Promise<string> {
  await writeFile(path.join(project, name), code);
  return (await run(process.execPath, [name], { cwd: project, env })).stdout;
}

test("nothing was built, and the tarball holds what it should", async () => {
  const installed = path.join(project, "node_modules", "node-sd-cpp");
  const files = await readdir(installed);
  assert.ok(!files.includes("build") && !files.includes("lib") && !files.includes("test"), files.join(" "));
  for (const name of ["dist", "prebuilds", "models", "LICENSE", "NOTICE", "README.md", "CMakeLists.txt", "binding.gyp", "native", "engine"])
    assert.ok(files.includes(name), name);
  assert.deepEqual((await readdir(path.join(installed, "engine"))).sort(), ["Cargo.toml", "engine.json", "lib.rs", "patches"]);
});

test("an ES module", async () => {
  assert.equal(await runFile("esm.mjs", `import { InvalidOptionError, loadModel } from "node-sd-cpp";${draw}`), "128 InvalidOptionError\n");
});

test("a CommonJS module", async () => {
  const code = `const { InvalidOptionError, loadModel } = require("node-sd-cpp"); (async () => {${draw}})();`;
  assert.equal(await runFile("cjs.cjs", code), "128 InvalidOptionError\n");
});

test("the catalog is in the package", async () => {
  const code = `import { listModels } from "node-sd-cpp"; console.log((await listModels()).some(({ id }) => id === "sd3.5-medium:q4_k_m"));`;
  assert.equal(await runFile("models.mjs", code), "true\n");
});

test("the engine in a process of its own", async () => {
  const isolated = draw.replace("threads: 1", "threads: 1, isolate: true");
  assert.equal(
    await runFile("isolate.mjs", `import { InvalidOptionError, loadModel } from "node-sd-cpp";${isolated}`),
    "128 InvalidOptionError\n",
  );
});

test("TypeScript finds the types, from both kinds of module", async () => {
  const code =
    'import { loadModel, type Model } from "node-sd-cpp";\nexport const model: Promise<Model> = loadModel({ preset: "demo" });\n';
  const wrong = 'import { loadModel } from "node-sd-cpp";\nloadModel({ presett: "demo" });\n';
  for (const ending of ["mts", "cts"]) {
    await writeFile(path.join(project, `types.${ending}`), code);
    await writeFile(path.join(project, `wrong.${ending}`), wrong);
    const tsc = path.join(packageRoot, "node_modules", "typescript", "bin", "tsc");
    const options = [
      "--noEmit",
      "--strict",
      "--module",
      "nodenext",
      "--target",
      "es2022",
      "--lib",
      "es2022,esnext.disposable",
      "--types",
      "node",
    ];
    const typeRoots = ["--typeRoots", path.join(packageRoot, "node_modules", "@types")];
    await run(process.execPath, [tsc, ...options, ...typeRoots, `types.${ending}`], { cwd: project });
    await assert.rejects(run(process.execPath, [tsc, ...options, ...typeRoots, `wrong.${ending}`], { cwd: project }), ({ stdout }) =>
      /presett/.test(stdout),
    );
  }
});

test("the command, offline from the first call", async () => {
  const options = ["generate", "a red circle", "--steps", "1", "--threads", "1", "--seed", "1", "-o", "circle.png"];
  const { stdout } = await run("npx", ["--offline", "sdcpp", ...options], { cwd: project, env });
  assert.equal(stdout, "circle.png\n");
});
