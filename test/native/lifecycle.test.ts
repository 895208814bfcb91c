import assert from "node:assert/strict";
import { cp, mkdir, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import load from "node-gyp-build";
import { packageRoot } from "../../lib/engine/binding.js";
import { clipL, esrgan, largeShaped, taesd3 } from "../helpers/checkpoints.js";
import { type ChildOptions, type Ended, runChild } from "../helpers/child.js";
import { drawHash, loadSmall } from "../helpers/runs.js";

/** Children load the compiled package, as users do. */
const script = path.join(__dirname, "..", "fixtures", "lifecycle.cjs");
let given: object;
let reference: string;

before(async () => {
  const files = { diffusionModel: await largeShaped("f16"), clipL: await clipL(), taesd: await taesd3() };
  given = { root: packageRoot, files, network: await esrgan(2) };
  await using model = await loadSmall();
  reference = await drawHash(model);
});

const child = (task: object, options?: ChildOptions): Promise<Ended> => runChild(script, [JSON.stringify({ ...given, ...task })], options);

/** The one line that the child prints. */
async function result(task: object, options?: ChildOptions) {
  const { code, signal, stdout, stderr } = await child(task, options);
  assert.deepEqual({ code, signal }, { code: 0, signal: null }, stderr);
  return JSON.parse(stdout);
}

describe("a model that is dropped without dispose()", () => {
  const flags = ["--expose-gc"];
  const linux = { skip: process.platform !== "linux" && "/proc is Linux's" };

  it("gives its memory back, and is warned of once", linux, async () => {
    const { grown, warnings } = await result({ mode: "drop" }, { flags, env: { NODE_ENV: "" } });
    assert.ok(Math.max(...grown) < 0.4, `grown by ${grown} of the weights`);
    assert.equal(warnings.length, 1);
    assert.equal(warnings[0].code, "SDCPP_UNDISPOSED");
    assert.match(warnings[0].message, /^(A model|An upscaler) was dropped without dispose\(\)/);
  });

  it("gives its memory back in production, silently", linux, async () => {
    const { grown, warnings } = await result({ mode: "drop" }, { flags, env: { NODE_ENV: "production" } });
    assert.ok(Math.max(...grown) < 0.4, `grown by ${grown} of the weights`);
    assert.deepEqual(warnings, []);
  });

  it("lives as long as its runs", async () => {
    const { hashes, warnings } = await result({ mode: "dropRunning" }, { flags, env: { NODE_ENV: "" } });
    assert.match(hashes[0], /^[0-9a-f]{64}$/);
    assert.equal(hashes[1], reference);
    assert.deepEqual(warnings, ["SDCPP_UNDISPOSED"]);
  });
});

describe("a worker is terminated: this thread's model draws the same bytes", () => {
  for (const state of ["idle", "load", "encode", "sample", "decode", "line", "dispose", "upscale"]) {
    it(`in ${state}`, async () => {
      const { before, after, code } = await result({ mode: "terminate", state });
      assert.deepEqual({ before, after, code }, { before: reference, after: reference, code: 1 });
    });
  }
});

describe("SIGTERM", { skip: process.platform === "win32" && "Windows has no signals" }, () => {
  const terminate: ChildOptions = { onOutput: (kill) => kill("SIGTERM") };

  for (const state of ["idle", "load", "encode", "sample"]) {
    it(`ends the process in ${state}`, async () => {
      const { code, signal, stdout } = await child({ mode: "signal", state }, terminate);
      assert.deepEqual({ code, signal }, { code: null, signal: "SIGTERM" });
      assert.match(stdout, /^("there"\n)+$/);
    });
  }

  for (const state of ["load", "sample"]) {
    it(`with a handler that calls process.exit(), in ${state}`, async () => {
      const { code, signal } = await child({ mode: "signal", state, handler: "exit" }, terminate);
      assert.deepEqual({ code, signal }, { code: 9, signal: null });
    });
  }

  it("with a handler that disposes the model: the run ends, and the process by itself", async () => {
    const { code, signal, stdout } = await child({ mode: "signal", state: "sample", handler: "dispose" }, terminate);
    assert.deepEqual({ code, signal, stdout }, { code: 0, signal: null, stdout: '"there"\n"disposed"\n' });
  });
});

describe("two copies of the package in one process", () => {
  const other = path.join(packageRoot, "build", `second-copy-${process.pid}`); // where its dependencies are found

  before(async () => {
    await mkdir(path.join(other, "build", "Release"), { recursive: true });
    await cp(path.join(packageRoot, "dist"), path.join(other, "dist"), { recursive: true });
    await writeFile(path.join(other, "package.json"), JSON.stringify({ name: "node-sd-cpp", main: "dist/index.js" }));
    await cp(load.path(packageRoot), path.join(other, "build", "Release", "node-sd-cpp.node"));
  });
  after(() => rm(other, { recursive: true, force: true }));

  it("draw the same bytes in turns and at once, and one lives on without the other", async () => {
    const { separate, hashes, reasons } = await result({ mode: "copies", other });
    assert.ok(separate);
    assert.deepEqual(hashes, Array(7).fill(reference));
    assert.deepEqual(reasons, ["enough", "enough"]);
  });

  it("end with the process", async () => {
    const { code, signal } = await child({ mode: "copies", other, exit: true });
    assert.deepEqual({ code, signal }, { code: 4, signal: null });
  });
});
