import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cp, mkdtemp, readdir, readFile, rm, stat, symlink, unlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { brotliDecompressSync } from "node:zlib";
import { packageRoot } from "../../lib/engine/binding.js";
import { command, consume, consumers, install, nodeExecutable, type Project, pack, typeCheck } from "../helpers/packed.js";

const run = promisify(execFile);

/** The package as it would be published for this platform: `npm run prebuilds` comes first. */
const platform = `${process.platform}-${process.arch}`;
const prebuilds = path.join(packageRoot, "prebuilds", platform);
const nodes = ["20", "22", "24", "latest"];
const megabyte = 1e6;

let work: string;
let tarball: string;
let project: Project;
const executables: Record<string, string> = {};

before(async () => {
  work = await mkdtemp(path.join(tmpdir(), "sdcpp-prebuild-"));
  tarball = await pack(packageRoot, work);
  for (const version of nodes) executables[version] = await nodeExecutable(version, work);
  project = await install(tarball, path.join(work, "npm"));
});
after(() => rm(work, { recursive: true, force: true }));

/** Every file below a folder, as paths from there. */
async function filesOf(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true, recursive: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name)));
}

describe("the tarball", () => {
  test("holds what its users need, and no tests, TypeScript sources or engine sources", async () => {
    const root = path.join(work, "npm", "node_modules", "node-sd-cpp");
    const files = await filesOf(root);
    const kinds = new Set(files.map((file) => (file.includes(path.sep) ? file.split(path.sep)[0] : file)));
    const expected = ["dist", "prebuilds", "models", "templates", "native", "engine", "scripts", "docs", "examples"];
    const alone = ["package.json", "README.md", "CHANGELOG.md", "LICENSE", "NOTICE", "CMakeLists.txt", "CONTRIBUTING.md", "SECURITY.md"];
    assert.deepEqual([...kinds].sort(), [...expected, ...alone].sort());
    assert.deepEqual(
      files.filter((file) => /\.ts$/.test(file) && !/\.d\.ts$|^templates\b/.test(file)),
      [],
    );
    assert.deepEqual(
      files.filter((file) => file.startsWith("engine") && /\.(c|cc|cpp|hpp|cu|comp)$/.test(file)),
      [],
    );
  });

  test("has one .node for this platform, ggml's libraries beside it, and is small enough", async () => {
    const files = await readdir(prebuilds);
    assert.equal(files.filter((file) => file.endsWith(".node")).length, 1);
    for (const file of files) assert.match(file, /^node-sd-cpp(\.glibc|\.musl)?\.node$|^(lib)?sdcpp-ggml[-\w]*\.(so|dll|dylib)(\.br)?$/);
    const sizes = await Promise.all(files.map(async (file) => (await stat(path.join(prebuilds, file))).size));
    const total = sizes.reduce((sum, size) => sum + size, 0);
    assert.ok(total < 25 * megabyte, `${(total / megabyte).toFixed(1)} MB`);
  });
});

describe("the binaries", { skip: process.platform !== "linux" && "ELF only" }, () => {
  let folder: string;
  before(async () => {
    folder = path.join(work, "expanded");
    await cp(prebuilds, folder, { recursive: true });
    for (const file of await readdir(folder)) {
      if (!file.endsWith(".br")) continue;
      await writeFile(path.join(folder, file.slice(0, -3)), brotliDecompressSync(await readFile(path.join(folder, file))));
      await rm(path.join(folder, file));
    }
  });

  test("need no glibc newer than 2.28, no C++ library, and nothing but the system's libraries and each other", async () => {
    for (const file of await readdir(folder)) {
      const { stdout } = await run("objdump", ["-T", "-p", path.join(folder, file)], { maxBuffer: 1 << 26 });
      const versions = [...stdout.matchAll(/GLIBC_(\d+)\.(\d+)/g)].map(([, major, minor]) => Number(major) * 1000 + Number(minor));
      assert.ok(Math.max(...versions) <= 2028, `${file}: ${Math.max(...versions)}`);
      assert.doesNotMatch(stdout, /GLIBCXX_|CXXABI_/, file);
      const needed = [...stdout.matchAll(/NEEDED\s+(\S+)/g)].map(([, name]) => name as string);
      for (const name of needed)
        assert.match(name, /^(lib(c|m|dl|pthread|rt)\.so\.\d|ld-linux[-\w]*\.so\.\d|libsdcpp-ggml(-base)?\.so|libvulkan\.so\.1)$/, file);
      assert.match(stdout, /RUNPATH\s+\$ORIGIN\n/, file);
    }
  });

  test("export nothing but ggml's functions, and the addon its registration", async () => {
    for (const file of await readdir(folder)) {
      const { stdout } = await run("nm", ["-D", "--defined-only", path.join(folder, file)], { maxBuffer: 1 << 26 });
      const names = stdout
        .trim()
        .split("\n")
        .map((line) => line.split(" ").at(-1) as string);
      const expected = file.endsWith(".node")
        ? /^(napi_register_module_v1|node_api_module_get_api_version_v1)$/
        : /^(ggml|gguf|quantize|dequantize)_/;
      for (const name of names) assert.match(name, expected, file);
    }
  });
});

describe("installed by npm, without a compiler", () => {
  test("nothing was built", async () => {
    const files = await readdir(path.join(work, "npm", "node_modules", "node-sd-cpp"));
    assert.ok(!files.includes("build"), files.join(" "));
  });

  for (const version of nodes) {
    for (const name of Object.keys(consumers)) test(`Node ${version}: ${name}`, () => consume(project, name, executables[version]));
    test(`Node ${version}: the command`, () => command(project, executables[version]));
  }

  test("TypeScript finds the types, from both kinds of module", () => typeCheck(project));
});

test("a symbolic link to the package, as in a monorepo, works as well", async () => {
  const { folder } = project;
  const link = path.join(folder, "node_modules", "linked");
  await symlink(path.join(folder, "node_modules", "node-sd-cpp"), link);
  const { stdout } = await run(process.execPath, ["-e", 'require("linked").listDevices().then((list) => console.log(list[0].id))'], {
    cwd: folder,
  });
  assert.equal(stdout, "cpu\n");
  await unlink(link);
});
