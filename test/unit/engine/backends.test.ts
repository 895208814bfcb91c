import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, describe, test } from "node:test";
import { best, place } from "../../../lib/engine/backends/choice.js";
import { modulesIn } from "../../../lib/engine/backends/modules.js";
import { deviceId, engineNames } from "../../../lib/engine/backends/names.js";

const device = (name: string, type: string, memoryFree: number) => ({ name, type, memoryFree });

describe("auto", () => {
  test("a graphics card goes before a graphics unit, that before the CPU, whatever their memory", () => {
    const devices = [device("CPU", "cpu", 64), device("Vulkan0", "igpu", 32), device("Vulkan1", "gpu", 8)];
    assert.equal(best(devices)?.name, "Vulkan1");
    assert.equal(best(devices.slice(0, 2))?.name, "Vulkan0");
    assert.equal(best(devices.slice(0, 1))?.name, "CPU");
  });

  test("of two cards the one with more free memory, also when it comes later or is of another backend", () => {
    const devices = [device("CUDA0", "gpu", 8), device("CUDA1", "gpu", 24), device("Vulkan0", "gpu", 12), device("CPU", "cpu", 64)];
    assert.equal(best(devices)?.name, "CUDA1");
  });

  test("accelerators of the CPU are no choice of their own", () => {
    assert.equal(best([device("BLAS", "accel", 64), device("CPU", "cpu", 1)])?.name, "CPU");
  });
});

describe("place", () => {
  afterEach(() => {
    delete process.env.SDCPP_BACKEND;
  });

  test("names devices that are there, for each module", async () => {
    assert.equal(await place(undefined, []), "CPU");
    assert.equal(await place("te=cpu", []), "CPU,te=CPU");
  });

  test("a device that is not there is told with those that are", async () => {
    const missing = { code: "ERR_INVALID_OPTION", message: 'backend: expected one of "auto", "cpu", received "cuda:1"' };
    await assert.rejects(place("cuda1", []), missing);
    await assert.rejects(place("cpu,vae=cuda1", []), missing);
  });

  test("SDCPP_BACKEND takes the place of what the options say, for each module", async () => {
    process.env.SDCPP_BACKEND = "CPU";
    assert.equal(await place("cuda0,te=vulkan0", []), "CPU");
    process.env.SDCPP_BACKEND = "cuda:3";
    await assert.rejects(place("cpu", []), { message: /SDCPP_BACKEND.*received "cuda:3"/ });
  });
});

test("names: ours and the engine's", () => {
  assert.equal(deviceId("CUDA0"), "cuda:0");
  assert.equal(deviceId("MTL0"), "metal");
  assert.equal(engineNames("vulkan:1,te=metal"), "vulkan1,te=mtl");
});

test("modules: GPU backends alone, under names of our own", async () => {
  const folder = await mkdtemp(path.join(tmpdir(), "sdcpp-modules-"));
  const names = [
    "libsdcpp-ggml-vulkan.so",
    "sdcpp-ggml-cuda.dll",
    "libsdcpp-ggml-base.so",
    "libsdcpp-ggml.so",
    "libsdcpp-ggml-cpu-x64.so",
    "libggml-vulkan.so",
  ];
  for (const name of [...names, "node-sd-cpp.node"]) await writeFile(path.join(folder, name), "");
  assert.deepEqual(
    modulesIn(folder)
      .map(({ kind }) => kind)
      .sort(),
    ["cuda", "vulkan"],
  );
  await rm(folder, { recursive: true });
});
