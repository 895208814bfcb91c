import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { betaSigmas } from "../../lib/options/beta.js";
import { scheduleSteps } from "../../lib/options/samplers.js";
import { normalSigmas } from "../../lib/options/schedule.js";

test("the noise levels of the default schedule are diffusers'", async () => {
  const rows = JSON.parse(await readFile("test/reference/sigmas.json", "utf8")) as { steps: number; shift: number; sigmas: number[] }[];
  assert.ok(rows.length > 0);
  for (const { steps, shift, sigmas } of rows) {
    const own = normalSigmas(steps, shift).filter((_, i) => steps < 100 || i % 37 === 0);
    assert.equal(own.length, sigmas.length);
    for (const [i, sigma] of own.entries())
      assert.ok(Math.abs(sigma - (sigmas[i] ?? Number.NaN)) < 1e-6, `${steps} steps, shift ${shift}: ${sigma}, expected ${sigmas[i]}`);
  }
});

test("the noise levels of the scheduler beta are ComfyUI's, of which one is dropped beyond the steps that are taken", async () => {
  const rows = JSON.parse(await readFile("test/reference/beta.json", "utf8")) as { steps: number; shift: number; sigmas: number[] }[];
  const { max: most = 0 } = scheduleSteps.beta ?? {};
  for (const { steps, shift, sigmas } of rows) {
    assert.equal(sigmas.length === steps + 1, steps <= most, `${steps} steps are ${sigmas.length - 1}`);
    if (steps > most) continue;
    for (const [i, sigma] of betaSigmas(steps, shift).entries())
      assert.ok(Math.abs(sigma - (sigmas[i] ?? Number.NaN)) < 1e-6, `${steps} steps, shift ${shift}: ${sigma}, expected ${sigmas[i]}`);
  }
});
