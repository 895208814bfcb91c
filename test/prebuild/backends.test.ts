import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { packageRoot } from "../../lib/engine/binding.js";

/** GPU backends that fail in every way, in the place of the real ones of a prebuild. Linux, with a C compiler. */

const run = promisify(execFile);
const linux = { skip: process.platform !== "linux" && "Linux only" };
const real = path.join(packageRoot, "prebuilds", `${process.platform}-${process.arch}`);
let work: string;

before(async () => {
  work = await mkdtemp(path.join(tmpdir(), "sdcpp-backends-"));
});
after(() => rm(work, { recursive: true, force: true }));

/** A copy of the prebuild whose Vulkan backend is another file. */
async function prebuildWith(name: string, make: (file: string) => Promise<unknown>): Promise<string> {
  const folder = path.join(work, name, "build", "Release");
  await mkdir(folder, { recursive: true });
  for (const file of await readdir(real)) if (!file.includes("vulkan")) await cp(path.join(real, file), path.join(folder, file));
  await make(path.join(folder, "libsdcpp-ggml-vulkan.so"));
  return path.join(work, name);
}

async function compiled(code: string, file: string, ...options: string[]): Promise<void> {
  const source = `${file}.c`;
  await writeFile(source, code);
  await run("cc", ["-shared", "-fPIC", "-o", file, source, ...options]);
}

interface Outcome {
  devices?: string[];
  device?: string;
  error?: { code: string; message: string };
  warnings: string[];
}

/** What comes of it in a process with the compiled package. */
async function outcome(prebuild: string, code: string, env: NodeJS.ProcessEnv = {}): Promise<Outcome> {
  const script = `
    const { listDevices, loadModel } = require(${JSON.stringify(packageRoot)});
    const warnings = [];
    process.on("warning", ({ code, message }) => { if (code === "SDCPP_BACKEND") warnings.push(message); });
    const draw = async (options) => {
      const model = await loadModel({ preset: "demo", threads: 1, ...options });
      await model.generate({ prompt: "a red circle", steps: 1, width: 64, height: 64, seed: 1 });
      await model.dispose();
      return model.info.devices.diffusion;
    };
    const work = async () => { ${code} };
    work().catch(({ code, message }) => ({ error: { code, message } })).then((result) => {
      setImmediate(() => process.stdout.write(JSON.stringify({ ...result, warnings })));
    });`;
  const { stdout } = await run(process.execPath, ["--no-warnings", "-e", script], {
    env: { ...process.env, ...env, NODE_SD_CPP_PREBUILD: prebuild },
  });
  return JSON.parse(stdout);
}

const list = "return { devices: (await listDevices()).map(({ id }) => id) };";
/** As on a machine with a GPU: `auto` looks for one. */
const withGpu = { GGML_VK_VISIBLE_DEVICES: "0" };

const crash = "#include <signal.h>\nvoid* ggml_backend_init(void) { raise(SIGSEGV); return 0; }";

describe("a backend whose driver crashes", linux, () => {
  let prebuild: string;
  before(async () => {
    prebuild = await prebuildWith("crash", (file) => compiled(crash, file));
  });

  test("is left out with one warning, and the CPU computes", async () => {
    const code = 'await listDevices(); return { device: await draw({ backend: "auto" }) };';
    const { device, warnings, error } = await outcome(prebuild, code, withGpu);
    assert.deepEqual({ device, error }, { device: "cpu", error: undefined });
    assert.equal(warnings.length, 1);
    assert.match(warnings[0] as string, /vulkan.*SIGSEGV/);
  });

  test("is left out for an isolated model too", async () => {
    const { device, warnings, error } = await outcome(
      prebuild,
      'return { device: await draw({ backend: "auto", isolate: true }) };',
      withGpu,
    );
    assert.deepEqual({ device, error, warnings: warnings.length }, { device: "cpu", error: undefined, warnings: 1 });
  });

  test("cannot be asked for: the error says why", async () => {
    const { error } = await outcome(prebuild, 'return { device: await draw({ backend: "vulkan:0" }) };');
    assert.equal(error?.code, "ERR_INVALID_OPTION");
    assert.match(error?.message ?? "", /backend: expected one of "auto", "cpu", received "vulkan:0" \(vulkan: .*SIGSEGV/);
  });

  test("is not tried for backend cpu, nor when SDCPP_BACKEND says cpu", async () => {
    assert.deepEqual(await outcome(prebuild, 'return { device: await draw({ backend: "cpu" }) };', withGpu), {
      device: "cpu",
      warnings: [],
    });
    const overridden = await outcome(prebuild, 'return { device: await draw({ backend: "vulkan:0" }) };', {
      ...withGpu,
      SDCPP_BACKEND: "cpu",
    });
    assert.deepEqual(overridden, { device: "cpu", warnings: [] });
  });
});

test("a backend whose driver never answers is left out after a minute, with one warning", linux, async () => {
  const prebuild = await prebuildWith("hang", (file) =>
    compiled("#include <unistd.h>\nvoid* ggml_backend_init(void) { for (;;) pause(); }", file),
  );
  const { devices, warnings } = await outcome(prebuild, `await listDevices(); ${list}`);
  assert.deepEqual(devices, ["cpu"]);
  assert.equal(warnings.length, 1);
  assert.match(warnings[0] as string, /vulkan.*did not answer within 60 seconds/);
});

test("a backend whose driver is not installed is left out silently", linux, async () => {
  const prebuild = await prebuildWith("missing", async (file) => {
    const driver = path.join(path.dirname(file), "libdriver-that-is-not-there.so");
    await compiled("void driver(void) {}", driver, "-Wl,-soname,libdriver-that-is-not-there.so.1");
    await compiled("void driver(void); void* ggml_backend_init(void) { driver(); return 0; }", file, driver);
    await rm(driver);
  });
  assert.deepEqual(await outcome(prebuild, list), { devices: ["cpu"], warnings: [] });
});

test("a backend that finds no device is left out silently", linux, async () => {
  const prebuild = await prebuildWith("none", (file) => compiled("void* ggml_backend_init(void) { return 0; }", file));
  assert.deepEqual(await outcome(prebuild, list), { devices: ["cpu"], warnings: [] });
});

test("a damaged backend is left out with one warning", linux, async () => {
  const prebuild = await prebuildWith("damaged", (file) => writeFile(file, "no library"));
  const { devices, warnings } = await outcome(prebuild, `await listDevices(); ${list}`);
  assert.deepEqual({ devices, warnings: warnings.length }, { devices: ["cpu"], warnings: 1 });
});

test("a backend of another version of ggml is left out with one warning", linux, async () => {
  const code =
    "static struct { int api_version; char rest[256]; } backend = { 12345 };\nvoid* ggml_backend_init(void) { return &backend; }";
  const prebuild = await prebuildWith("version", (file) => compiled(code, file));
  const { devices, warnings } = await outcome(prebuild, list);
  assert.deepEqual(devices, ["cpu"]);
  assert.match(warnings[0] as string, /another version/);
});

test("libraries elsewhere are not looked at: the working directory, the executable's folder, ggml's variables", linux, async () => {
  const planted = path.join(work, "planted");
  await mkdir(planted, { recursive: true });
  await compiled(crash, path.join(planted, "libsdcpp-ggml-vulkan.so"));
  await compiled(crash, path.join(planted, "libggml-cpu-haswell.so"));
  const prebuild = await prebuildWith("clean", async () => {});
  const variables = { GGML_BACKEND_PATH: path.join(planted, "libsdcpp-ggml-vulkan.so"), LD_LIBRARY_PATH: planted };
  const { devices, warnings } = await outcome(prebuild, `process.chdir(${JSON.stringify(planted)}); ${list}`, variables);
  assert.deepEqual({ devices, warnings }, { devices: ["cpu"], warnings: [] });
});

describe("the CPU variants", linux, () => {
  /** Runs with the variants alone whose names match; prints the one that was chosen and the picture. */
  async function drawn(prebuild: string, keep: RegExp): Promise<{ variant: string; pixels: number[] }> {
    const folder = path.join(prebuild, "build", "Release");
    for (const file of await readdir(folder)) if (/-cpu-/.test(file) && !keep.test(file)) await rm(path.join(folder, file));
    const code = `
      const [{ variant }] = await listDevices();
      const model = await loadModel({ preset: "demo", threads: 1, backend: "cpu" });
      const { images } = await model.generate({ prompt: "a red circle", steps: 4, width: 64, height: 64, seed: 1 });
      return { variant, pixels: [...images[0].data] };`;
    const result = (await outcome(prebuild, code)) as unknown as { variant: string; pixels: number[] };
    return result;
  }

  test("the best that this processor runs is chosen, and simpler ones draw the same picture within rounding", async () => {
    const best = await drawn(await prebuildWith("best", async () => {}), /./);
    const flags = (await run("grep", ["-m1", "^flags", "/proc/cpuinfo"])).stdout.split(/\s+/);
    if (flags.includes("avx512vl")) assert.match(best.variant, /^(skylakex|cascadelake|icelake|zen4|sapphirerapids)$/);
    else if (flags.includes("avx2")) assert.match(best.variant, /^(haswell|alderlake)$/);
    for (const name of ["x64", "sse42"]) {
      const simple = await drawn(await prebuildWith(`only-${name}`, async () => {}), new RegExp(`-cpu-${name}\\.`));
      assert.equal(simple.variant, name);
      const difference =
        simple.pixels.reduce((sum, value, i) => sum + Math.abs(value - (best.pixels[i] as number)), 0) / best.pixels.length;
      assert.ok(difference < 2, `${name}: ${difference} of 255 a channel`);
    }
  });

  test("a folder in which none runs is an error that says so", async () => {
    const prebuild = await prebuildWith("no-variant", async () => {});
    const folder = path.join(prebuild, "build", "Release");
    for (const file of await readdir(folder)) if (file.includes("-cpu-")) await rm(path.join(folder, file));
    const { error } = await outcome(prebuild, list);
    assert.equal(error?.code, "ERR_NO_BINARY");
    assert.match(error?.message ?? "", /no CPU variant in .* runs on this processor/);
  });
});
