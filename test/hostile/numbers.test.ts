import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { loadModel, SdcppError } from "../../lib/index.js";
import type { OptionTable } from "../../lib/options/check.js";
import { generateOptions, modelOptions } from "../../lib/options/index.js";
import { limit, outcome, survivor } from "../helpers/hostile.js";

const odd = [
  0,
  -0,
  -1,
  0.5,
  1e-60,
  1e-320,
  Number.NaN,
  Infinity,
  -Infinity,
  2 ** 31,
  -(2 ** 31),
  2 ** 32,
  2 ** 53,
  1e308,
  0n,
  -1n,
  2n ** 64n,
];
const foreign: unknown[] = [
  null,
  "",
  "1",
  "NaN",
  [],
  [1],
  {},
  true,
  () => 1,
  Symbol("1"),
  new Date(0),
  new Number(1),
  { valueOf: () => 1 },
];

/** ["steps", "hires.scale", …]: every option that takes a number. */
function numbers(table: OptionTable, path = ""): string[] {
  return Object.entries(table).flatMap(([name, option]) => {
    const here = path ? `${path}.${name}` : name;
    if (option.kind === "object") return numbers(option.members, here);
    return ["integer", "number", "seed", "list"].includes(option.kind) ? [here] : [];
  });
}

/** `hires.scale` = 2 → { hires: { scale: 2 } } */
function nested(path: string, value: unknown): object {
  return path.split(".").reduceRight<unknown>((inner, name) => ({ [name]: inner }), value) as object;
}

describe("numbers", () => {
  const held = survivor();

  for (const path of numbers(generateOptions)) {
    it(`generate: ${path}`, limit, async () => {
      for (const value of [...odd, ...foreign]) {
        // Values in range are drawn; those that ask for thousands of pictures or steps are valid but long.
        const long = (path === "batchCount" || path.endsWith("steps")) && typeof value === "number" && value > 10;
        if (!long) await outcome(held.model, nested(path, value));
      }
    });
  }

  for (const path of numbers(modelOptions)) {
    it(`loadModel: ${path}`, limit, async () => {
      for (const value of [...odd, ...foreign]) {
        const loading = loadModel({ diffusionModel: "absent.gguf", clipL: "absent", vae: "absent", ...nested(path, value) } as never);
        await assert.rejects(loading, (error) => error instanceof SdcppError && /^ERR_(INVALID_OPTION|MODEL_FILE)$/.test(error.code), path);
      }
    });
  }

  it("arrays of wrong length", limit, async () => {
    const long = Array.from({ length: 100_000 }, (_, index) => 100_000 - index);
    const holes = new Array(3);
    for (const sigmas of [[], [1], [0, 0], [1, 1], [0, 1], long, holes, [1, Number.NaN], [1, "0"], new Float32Array([1, 0]), { length: 2 }])
      assert.equal(await outcome(held.model, { steps: undefined, sigmas }), "ERR_INVALID_OPTION");
    for (const layers of [[], [24], [-1], [1.5], long, holes])
      assert.equal(await outcome(held.model, { skipLayerGuidance: { layers } }), "ERR_INVALID_OPTION");
  });

  it("sizes: each limit, and one beyond it", limit, async () => {
    const { maxSide } = held.model.info;
    for (const side of [16, 32]) assert.equal(await outcome(held.model, { width: side, height: side }), "picture");
    for (const side of [15, 17, 8, maxSide + 16, 65_536, 2 ** 31 - 16]) {
      assert.equal(await outcome(held.model, { width: side }), "ERR_INVALID_OPTION");
      assert.equal(await outcome(held.model, { height: side }), "ERR_INVALID_OPTION");
    }
    assert.equal(await outcome(held.model, { width: maxSide, height: 16 }), "picture");
  });
});
