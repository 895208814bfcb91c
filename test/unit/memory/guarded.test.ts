import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { NativeGenerateParams, NativeModel } from "../../../lib/engine/binding.js";
import { InsufficientMemoryError } from "../../../lib/errors.js";
import type { Footprint, Picture } from "../../../lib/memory/footprint.js";
import { guard } from "../../../lib/memory/guarded.js";

/** A byte for each pixel and chunk, and one for each of T5's tokens beyond 77; a hires fix four times as much. */
function fakeFootprint(free: number): Pick<Footprint, "need" | "free" | "close"> {
  return {
    need: ({ params: { width = 0, height = 0, hires }, chunks = 1, t5Tokens = 77, beginsWithPicture }: Picture) => {
      const run = width * height * chunks * (hires ? 4 : 1) + t5Tokens - 77 + (beginsWithPicture ? 1e6 : 0);
      return { CPU: { peak: 0, mapped: 0, run, reserved: 0 } };
    },
    free: () => ({ CPU: { bytes: free, bound: "system" } }),
    close: () => {},
  };
}

/** Counts a chunk of the CLIPs for each word, and 1000 tokens of T5 for each text of its own. */
function guarded(footprint: Pick<Footprint, "need" | "free" | "close"> | undefined) {
  const started: NativeGenerateParams[] = [];
  const model = {
    info: {},
    generate: (params: NativeGenerateParams) => {
      started.push(params);
      return { promise: Promise.resolve({}), cancel: () => {} };
    },
    check: ({ prompt }: NativeGenerateParams) => {
      if (prompt === "wrong") throw new Error("wrong prompt");
    },
    countTokens: (prompt: string, t5?: string) => {
      const chunks = prompt.split(" ").length;
      return { clipG: { tokens: chunks, chunks, positions: 77 * chunks }, ...(t5 && { t5xxl: { positions: 1000 } }), chunks };
    },
    dispose: async () => {},
  } as unknown as NativeModel;
  return { started, model: guard(model, footprint as Footprint | undefined) };
}

const size = { width: 256, height: 192, cfgScale: 1 };

describe("a guarded model", () => {
  it("refuses a run that does not fit before it starts, and says what would", () => {
    const { model, started } = guarded(fakeFootprint(13_000));
    const refused = (error: unknown) => {
      assert.ok(error instanceof InsufficientMemoryError);
      assert.deepEqual([error.needed, error.available, error.suggestions], [256 * 192, 13_000, ["128x96 pixels (saves 36.9 kB)"]]);
      assert.match(error.message, /^A picture of 256x192 needs 49\.2 kB of main memory, but 13\.0 kB is free\. What helps: .* force /);
      return true;
    };
    assert.throws(() => model.generate({ prompt: "a", ...size }, () => {}), refused);
    assert.throws(() => model.check({ prompt: "a", ...size }), refused);
    assert.deepEqual(started, []);
    model.generate({ prompt: "a", width: 64, height: 64 }, () => {});
    assert.equal(started.length, 1);
  });

  it("with force starts it; native code hears nothing of that", () => {
    const { model, started } = guarded(fakeFootprint(0));
    model.generate({ prompt: "a", ...size, force: true }, () => {});
    model.check({ prompt: "a", ...size, force: true } as NativeGenerateParams);
    assert.deepEqual(started, [{ prompt: "a", ...size }]);
  });

  it("counts the chunks of the longer prompt, and a picture to begin with", () => {
    const { model } = guarded(fakeFootprint(100_000));
    const run = (params: NativeGenerateParams) => () => model.generate({ ...size, ...params }, () => {});
    assert.doesNotThrow(run({ prompt: "a b" }));
    assert.throws(run({ prompt: "a b c" }), { needed: 3 * 256 * 192 });
    assert.throws(run({ prompt: "a", negativePrompt: "a b c", cfgScale: 4 }), { needed: 3 * 256 * 192 });
    assert.throws(run({ prompt: "a b c", t5Prompt: "a" }), { needed: 3 * 256 * 192 + 923 });
    assert.doesNotThrow(run({ prompt: "a", negativePrompt: "a b c", cfgScale: 1 }));
    assert.throws(run({ prompt: "a", initImage: { data: new Uint8Array(3), width: 1, height: 1, channels: 3 } }), { suggestions: [] });
  });

  it("suggests to leave out a hires fix", () => {
    const { model } = guarded(fakeFootprint(100_000));
    const hires = { enabled: true, width: 512, height: 384 };
    const suggestions = ["no hires fix (saves 147.5 kB)", "224x160 pixels (saves 160.8 kB)"];
    assert.throws(() => model.generate({ prompt: "a", ...size, hires }, () => {}), { needed: 4 * 256 * 192, suggestions });
  });

  it("leaves to the engine what cannot be measured, and all when nothing is known", () => {
    const unmeasured = fakeFootprint(0);
    unmeasured.need = () => {
      throw new Error("no such graph");
    };
    for (const footprint of [unmeasured, undefined]) {
      const { model, started } = guarded(footprint);
      model.generate({ prompt: "a", ...size }, () => {});
      model.check({ prompt: "a", ...size });
      assert.equal(started.length, 1);
    }
  });

  it("passes on what native code finds wrong, tells what is free, and closes", async () => {
    const footprint = fakeFootprint(1000);
    let closed = 0;
    footprint.close = () => closed++;
    const { model } = guarded(footprint);
    assert.throws(() => model.check({ prompt: "wrong", width: 64, height: 64 }), /wrong prompt/);
    assert.deepEqual(
      [model.free?.(), model.countTokens("a b")],
      [{ cpu: 1000 }, { clipG: { tokens: 2, chunks: 2, positions: 154 }, chunks: 2 }],
    );
    await model.dispose();
    assert.equal(closed, 1);
  });
});
