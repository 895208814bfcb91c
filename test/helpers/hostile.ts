import assert from "node:assert/strict";
import { after, afterEach, before } from "node:test";
import { type GenerateOptions, type Model, SdcppError } from "../../lib/index.js";
import { drawHash, loadSmall, quick } from "./runs.js";

/** No case may take longer: a run that hangs fails its test instead of the job. */
export const limit = { timeout: 120_000 };

/** Loads the small model once for a file of tests; after each of them it must draw the same bytes as before. */
export function survivor(): { readonly model: Model } {
  const held: { model?: Model; reference?: string } = {};
  before(async () => {
    held.model = await loadSmall();
    held.reference = await drawHash(held.model);
  });
  afterEach(async () => {
    assert.ok(held.model);
    assert.equal(await drawHash(held.model), held.reference, "the model draws the same bytes as before");
  });
  after(() => held.model?.dispose());
  return {
    get model() {
      assert.ok(held.model);
      return held.model;
    },
  };
}

/** Draws with these options: a picture, or an error that has a class and a code of ours. Returns the code, or "picture". */
export async function outcome(model: Model, options: object, own?: unknown): Promise<string> {
  try {
    const { images } = await model.generate({ ...quick, steps: 1, ...options } as GenerateOptions);
    assert.equal(images.length, (options as GenerateOptions).batchCount ?? 1);
    return "picture";
  } catch (error) {
    if (own !== undefined && error === own) return "own";
    assert.ok(error instanceof SdcppError, `an error of ours, not ${(error as Error)?.stack ?? error}`);
    assert.match(error.code, /^ERR_[A-Z_]+$/);
    assert.ok(error.message.length > 10 && error.message.length < 10_000, error.message.slice(0, 200));
    return error.code;
  }
}
