import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { NativeFootprintInfo, NativeMeasured, NativePartFootprint } from "../../../lib/engine/binding.js";
import { engineBytes, graphAddresses, needOf as needWithAddresses } from "../../../lib/memory/need.js";
import { shortageOf } from "../../../lib/memory/shortage.js";

const measured: NativeMeasured = { diffusion: { buffer: 400, work: 7 }, decode: { buffer: 900, work: 3 } };
/** No pixels, so that only the model counts. */
const none = { width: 0, height: 0, batchCount: 1 };

/** Without the addresses, which every model has alike. */
function needOf(...given: Parameters<typeof needWithAddresses>) {
  const entries = Object.entries(needWithAddresses(...given)).map(([device, { reserved: _, ...need }]) => [device, need]);
  return Object.fromEntries(entries) as Record<string, { peak: number; mapped: number; run: number }>;
}

function part(weights: number, text = 0, more: Partial<NativePartFootprint> = {}): NativePartFootprint {
  return { weights, mapped: 0, staging: 0, touched: 0, device: "CPU", weightsDevice: "CPU", text: { buffer: text, work: 0 }, ...more };
}

/** Four parts with the same changes. */
function model(more: Partial<NativePartFootprint> = {}, others: Record<string, NativePartFootprint> = {}): NativeFootprintInfo {
  const parts = { clipL: part(10, 2, more), t5xxl: part(5000, 50, more), diffusion: part(2000, 0, more), vae: part(100, 0, more) };
  return { depth: 24, dualAttentionBlocks: 0, positions: 36_864, parts: { ...parts, ...others } };
}

describe("need", () => {
  it("on the CPU: all weights, and the largest computation", () => {
    const { CPU } = needOf(model(), measured, none);
    assert.deepEqual(CPU, { peak: engineBytes + 7110 + 900 + 7, mapped: 0, run: 907 });
  });

  it("counts the pictures: those that are kept, and one as floats", () => {
    const { CPU } = needOf(model(), measured, { width: 10, height: 10, batchCount: 4 });
    assert.equal(CPU?.run, 907 + 100 * (4 * 3 + 24));
  });

  it("counts what reading holds when it is more than a picture", () => {
    const { CPU } = needOf(model({ staging: 5000 }), measured, none);
    assert.deepEqual(CPU, { peak: engineBytes + 7110 + 5000, mapped: 0, run: 907 });
  });

  it("tells mapped pages apart", () => {
    assert.deepEqual(needOf(model({ mapped: 10 }), measured, none).CPU, { peak: engineBytes + 7110 + 907, mapped: 40, run: 907 });
  });

  it("counts what is read from mapped files and kept in another form, as pages", () => {
    const { CPU } = needOf(model({ touched: 10 }), measured, none);
    assert.deepEqual(CPU, { peak: engineBytes + 7110 + 40 + 907, mapped: 40, run: 907 });
  });

  it("weights on disk: the encoders together, or another part alone", () => {
    const { CPU } = needOf(model({ weightsDevice: "disk" }), measured, none);
    assert.deepEqual(CPU, { peak: engineBytes + 5010 + 50 + 7, mapped: 0, run: 5067 });
  });

  it("on a GPU: the weights and the largest computation there, the rest on the CPU", () => {
    const need = needOf(model({ device: "CUDA0", weightsDevice: "CUDA0", staging: 30 }), measured, none);
    assert.deepEqual(need, {
      CPU: { peak: engineBytes + 30, mapped: 0, run: 7 },
      CUDA0: { peak: 7110 + 900, mapped: 0, run: 900 },
    });
  });

  it("weights that wait in main memory are on the GPU only while they compute", () => {
    const info = model({ device: "CUDA0", weightsDevice: "CPU" });
    const need = needOf(info, measured, none);
    assert.deepEqual(need.CPU, { peak: engineBytes + 7110 + 7, mapped: 0, run: 7 });
    assert.deepEqual(need.CUDA0, { peak: 5050, mapped: 0, run: 5050 }); // T5
    assert.equal(needOf(info, measured, none, 3000).CUDA0?.peak, 3000); // maxVram
  });

  it("text encoders on the CPU", () => {
    const gpu = { device: "CUDA0", weightsDevice: "CUDA0" };
    const need = needOf(model({}, { diffusion: part(2000, 0, gpu), vae: part(100, 0, gpu) }), measured, none);
    assert.deepEqual(need, { CPU: { peak: engineBytes + 5010 + 57, mapped: 0, run: 57 }, CUDA0: { peak: 3000, mapped: 0, run: 900 } });
  });

  it("tells the addresses of the graphs, one a part, in main memory", () => {
    const need = needWithAddresses(model({ device: "CUDA0", weightsDevice: "CUDA0" }), measured, none);
    assert.deepEqual([need.CPU?.reserved, need.CUDA0?.reserved], [4 * graphAddresses, 0]);
  });

  it("previews compute beside the diffusion model", () => {
    const preview = { buffer: 600, work: 0 };
    assert.equal(needOf(model(), { ...measured, preview }, none).CPU?.run, 1007);
    const disk = model({ weightsDevice: "disk" }, { taesd: part(20, 0, { weightsDevice: "disk" }), t5xxl: part(1) });
    assert.equal(needOf(disk, { ...measured, preview }, none).CPU?.run, 2000 + 400 + 20 + 600 + 7);
  });
});

describe("shortage", () => {
  const demand = (peak: number, mapped = 0) => ({ CPU: { peak, mapped, reserved: 30 } });

  it("is more than what is free", () => {
    const free = { CPU: { bytes: 100, bound: "cgroup" as const } };
    assert.equal(shortageOf(demand(100), free), undefined);
    assert.deepEqual(shortageOf(demand(101), free), { device: "CPU", needed: 101, available: 100, bound: "cgroup" });
  });

  it("counts addresses without memory only where they are limited", () => {
    assert.equal(shortageOf(demand(200, 150), { CPU: { bytes: 100, bound: "system" } }), undefined);
    assert.equal(shortageOf(demand(200, 150), { CPU: { bytes: 100, bound: "ulimit" } })?.needed, 230);
  });

  it("passes a device that does not tell what it has free", () => {
    assert.equal(shortageOf({ MTL0: { peak: 5, mapped: 0, reserved: 0 } }, { MTL0: { bytes: 0, bound: "device" } }), undefined);
    assert.equal(shortageOf({ MTL0: { peak: 5, mapped: 0, reserved: 0 } }, {}), undefined);
  });
});
