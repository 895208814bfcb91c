import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { loadModel, type ModelOptions, SdcppError } from "../../lib/index.js";
import type { Option, OptionTable } from "../../lib/options/check.js";
import { fileOptions, generateOptions, modelOptions } from "../../lib/options/index.js";
import { clipL, fileOf, largeShaped, taesd3, vae } from "../helpers/checkpoints.js";
import { outcome, survivor } from "../helpers/hostile.js";

/** 1,000 in the normal run, 20,000 in the nightly one (`npm run test:nightly`). A failure prints the seed and the smallest case found. */
const numRuns = Number(process.env.SDCPP_PROPERTY_RUNS ?? 1000);
const seed = process.env.SDCPP_PROPERTY_SEED ? Number(process.env.SDCPP_PROPERTY_SEED) : undefined;

/** Anything at all: numbers of all sizes, texts of any Unicode, nested objects, typed arrays, functions. */
const anything = fc.oneof(
  fc.anything({ withBigInt: true, withTypedArray: true, withSparseArray: true, withNullPrototype: true, withDate: true, maxDepth: 2 }),
  fc.func(fc.anything()),
  fc.double(),
  fc.bigInt(),
  fc.string({ unit: "binary", maxLength: 200 }),
);

/** What is right for the option, edges included, but no work of hours. */
function fitting(option: Option): fc.Arbitrary<unknown> {
  switch (option.kind) {
    case "string":
      return fc.oneof(fc.constantFrom("a red circle", "a (blue:1.2) star", "[x]"), fc.string({ unit: "binary", maxLength: 40 }));
    case "integer": {
      const step = option.multipleOf ?? 1;
      return fc.integer({ min: option.min / step, max: Math.min(option.max, option.min + 7 * step) / step }).map((value) => value * step);
    }
    case "number":
      return fc.double({ min: option.min, max: option.max, minExcluded: option.above === true, noNaN: true });
    case "boolean":
      return fc.boolean();
    case "enum":
      return fc.constantFrom(...option.values);
    case "seed":
      return fc.oneof(fc.maxSafeNat(), fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }));
    case "list":
      return fc.array(fitting(option.of), { minLength: option.min, maxLength: Math.min(option.max, option.min + 2) });
    case "object":
      return fc.oneof(...(option.orBoolean ? [fc.boolean()] : []), fc.record(fittingAll(option.members), { requiredKeys: [] }));
    case "pattern":
      return fc.constantFrom("auto", "cpu");
    case "callback":
      return fc.func(fc.constant(undefined));
    case "signal":
      return fc.constant(new AbortController().signal);
    case "image": {
      const sides = fc.tuple(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 40 }), fc.constantFrom(1, 3, 4));
      return sides.chain(([width, height, channels]) => {
        const length = width * height * channels;
        return fc.uint8Array({ minLength: length, maxLength: length }).map((data) => ({ data, width, height, channels }));
      });
    }
  }
}

function fittingAll(table: OptionTable): Record<string, fc.Arbitrary<unknown>> {
  return Object.fromEntries(Object.entries(table).map(([name, option]) => [name, fitting(option)]));
}

/** A few fitting members, and in half of the cases one that is anything. */
function options(table: OptionTable): fc.Arbitrary<object> {
  const members = Object.entries(fittingAll(table)).map(([name, value]) => value.map((drawn): [string, unknown] => [name, drawn]));
  const right = fc.array(fc.oneof(...members), { maxLength: 4 });
  const wrong = fc.tuple(fc.oneof(fc.constantFrom(...Object.keys(table)), fc.string({ maxLength: 12 })), anything);
  return fc
    .tuple(right, fc.option(wrong, { nil: undefined, freq: 2 }))
    .map(([pairs, odd]) => Object.fromEntries(odd ? [...pairs, odd] : pairs));
}

describe("any options", () => {
  const held = survivor();
  const parameters = { numRuns, seed, timeout: 300_000, endOnFailure: false } as const;

  it("generate: a picture or an error of ours", async () => {
    const counts: Record<string, number> = {};
    const small = { width: 16, height: 16 };
    await fc.assert(
      fc.asyncProperty(options(generateOptions), async (given) => {
        const end = await outcome(held.model, { ...small, ...given });
        counts[end] = (counts[end] ?? 0) + 1;
      }),
      parameters,
    );
    assert.ok((counts.picture ?? 0) > numRuns / 20, `pictures among the cases: ${JSON.stringify(counts)}`);
    assert.ok((counts.ERR_INVALID_OPTION ?? 0) > numRuns / 5, JSON.stringify(counts));
  });

  it("loadModel: a model or an error of ours", async () => {
    const good = { diffusionModel: await largeShaped("f16"), clipL: await clipL(), taesd: await taesd3() };
    const known = [
      ...Object.values(good),
      await vae(),
      await fileOf("empty.gguf", ""),
      await fileOf("text.txt", "text"),
      "/",
      "absent",
      "/dev/zero",
    ];
    const files = fc.record(Object.fromEntries(Object.keys(fileOptions).map((name) => [name, fc.constantFrom(...known)])), {
      requiredKeys: [],
    });
    const others = ["preset", "isolate"]; // a process for each case would take minutes
    const table = Object.fromEntries(Object.entries(modelOptions).filter(([name]) => !(name in fileOptions) && !others.includes(name)));
    const complete = fc.constant(good as object);
    let loaded = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.oneof({ arbitrary: files, weight: 19 }, { arbitrary: complete, weight: 1 }),
        options(table),
        async (paths, given) => {
          try {
            const model = await loadModel({ threads: 1, ...paths, ...given } as ModelOptions);
            loaded++;
            await model.dispose();
          } catch (error) {
            assert.ok(error instanceof SdcppError, String((error as Error)?.stack ?? error));
          }
        },
      ),
      parameters,
    );
    assert.ok(loaded > 0, "some of them load");
  });
});
