import assert from "node:assert/strict";
import { test } from "node:test";
import { parseParameters } from "../../../lib/picture/parameters.js";
import { isPast, pastDifferences } from "../../../lib/picture/past.js";
import type { ImageParameters } from "../../../lib/types/index.js";

const all = { parts: ["diffusion", "clipL", "clipG", "t5xxl", "vae"], t5Tokens: 10 };
const drawn = (changes: Partial<ImageParameters> = {}): ImageParameters => ({
  ...parseParameters(
    "a cat\nSteps: 28, Sampler: euler, Schedule type: discrete, CFG scale: 1, Seed: 1, Size: 64x64, Version: node-sd-cpp 0.1.0",
  ),
  ...changes,
});
const told = (changes: Partial<ImageParameters>, model: Partial<typeof all> = {}) => pastDifferences(drawn(changes), { ...all, ...model });

test("only pictures of 0.1 differ", () => {
  assert.equal(isPast(drawn()), true);
  for (const version of ["node-sd-cpp 0.2.0", "v1.10.1", undefined]) {
    assert.equal(isPast({ version }), false);
    assert.deepEqual(told({ version, prompt: "café" }), []);
  }
  assert.deepEqual(told({}), [], "the schedule is named, and drawn");
});

test("what text encoders read in another way is told, where they are there and read it", () => {
  assert.match(told({ prompt: "café" }).join("\n"), /^CLIP reads .*\nT5 reads white space and characters/);
  assert.match(told({ prompt: "a\ncat" }).join("\n"), /^T5 reads white space[^\n]*$/);
  assert.deepEqual(told({ prompt: "a\ncat" }, { parts: ["clipL", "vae"] }), []);
  assert.deepEqual(told({ negativePrompt: "Éclair" }), [], "not read without guidance");
  assert.equal(told({ negativePrompt: "Éclair", cfgScale: 4 }).length, 2);
  assert.match(told({ cfgScale: 4 }).join("\n"), /^T5 reads no text as its end mark[^\n]*$/);
  assert.deepEqual(told({ cfgScale: 4, negativePrompt: "fog" }), []);
  assert.match(told({ prompt: "a (red:1.2) cat" }).join("\n"), /^T5 reads white space[^\n]*\nWeights of words[^\n]*$/);
  assert.deepEqual(told({ prompt: "a\\(b\\)" }), [], "brackets that are text");
  assert.match(told({}, { t5Tokens: 77 }).join("\n"), /^T5 reads its 77 tokens in one piece[^\n]*$/);
  assert.deepEqual(told({}, { t5Tokens: 76 }), []);
});

test("what image to image and skip-layer guidance draw in other steps is told with the steps", () => {
  const numbers = /random numbers/;
  assert.match(
    told({ steps: 7, strength: 0.45 }, { parts: ["clipL", "taesd"] }).join("\n"),
    /^Image to image draws 4 of the 7 steps.* 0\.1 drew 3\.$/,
  );
  assert.match(told({ steps: 4, strength: 0.75 }).join("\n"), numbers);
  assert.deepEqual(told({ steps: 4, strength: 0.75 }, { parts: ["clipL", "taesd"] }), []);
  assert.deepEqual(told({ strength: 1 }), []);
  const guidance = { layers: [7], scale: 2.5, start: 0.01, end: 0.2 };
  assert.deepEqual(told({ skipLayerGuidance: guidance }), ["Skip-layer guidance acts in steps 2 to 6; in 0.1 in steps 1 to 4."]);
  assert.deepEqual(told({ skipLayerGuidance: { ...guidance, start: 0.4, end: 0.4 } }), []);
});
