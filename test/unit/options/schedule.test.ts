import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { betaSigmas } from "../../../lib/options/beta.js";
import {
  drawnSteps,
  guidanceWindow,
  hiresSigmas,
  levelsFrom,
  normalSigmas,
  ownSchedulers,
  ownSigmas,
} from "../../../lib/options/schedule.js";

const close = (actual: number[], expected: number[]) => {
  assert.equal(actual.length, expected.length);
  for (const [i, sigma] of actual.entries()) assert.ok(Math.abs(sigma - (expected[i] ?? Number.NaN)) < 1e-6, `${i}: ${sigma}`);
};

describe("the normal schedule", () => {
  it("has the reference's levels", () => {
    // FlowMatchEulerDiscreteScheduler(shift=s).set_timesteps(n) of diffusers 0.42.1
    close(normalSigmas(4, 3), [1, 0.8576923, 0.60215056, 0.008928572, 0]);
    close(normalSigmas(1, 3), [1, 0]);
    close(normalSigmas(2, 3), [1, 0.008928572, 0]);
    close(normalSigmas(3, 1), [1, 0.5005, 0.001, 0]);
  });

  it("falls with every step, for all numbers of steps and shifts", () => {
    for (const steps of [1, 2, 3, 28, 999, 1000]) {
      for (const shift of [1e-6, 0.1, 1, 1.5, 3, 12, 100, 1000]) {
        const sigmas = normalSigmas(steps, shift);
        assert.equal(sigmas[0], 1);
        assert.ok(
          sigmas.every((sigma, i) => i === 0 || sigma < (sigmas[i - 1] ?? 0)),
          `${steps} steps, shift ${shift}`,
        );
      }
    }
  });

  it("gives a hires fix its end", () => {
    const hires = { width: 1, height: 1, steps: 10, strength: 0.7, upscaler: "latent", tileSize: 1 } as const;
    assert.deepEqual(hiresSigmas(hires, 3), normalSigmas(14, 3).slice(4));
    assert.deepEqual(hiresSigmas({ ...hires, strength: 1 }, 3), normalSigmas(10, 3));
    assert.deepEqual(hiresSigmas({ ...hires, steps: 1, strength: 0.01 }, 3), normalSigmas(100, 3).slice(98));
  });
});

describe("the beta schedule", () => {
  it("falls with every step, for all numbers of steps that are taken", () => {
    for (let steps = 1; steps <= 138; steps++) {
      const sigmas = betaSigmas(steps, 3);
      assert.equal(sigmas.length, steps + 1);
      assert.equal(sigmas[0], 1);
      assert.ok(
        sigmas.every((sigma, i) => i === 0 || sigma < (sigmas[i - 1] ?? 0)),
        `${steps} steps`,
      );
    }
  });

  it("gives a hires fix its end", () => {
    assert.deepEqual(hiresSigmas({ steps: 10, strength: 0.7 }, 3, "beta"), betaSigmas(14, 3).slice(4));
    assert.equal(hiresSigmas({ steps: 10, strength: 0.7 }, 3, "karras"), undefined);
  });
});

describe("image to image", () => {
  it("begins at a noise level, whatever the steps", () => {
    assert.deepEqual(levelsFrom(0.5, [1, 0.75, 0.5, 0.25, 0]), [0.5, 0.25, 0]);
    assert.deepEqual(levelsFrom(0.6, [1, 0.75, 0.5, 0.25, 0]), [Math.fround(0.6), 0.5, 0.25, 0]);
    assert.deepEqual(levelsFrom(0.001, [1, 0.75, 0.5, 0.25, 0]), [Math.fround(0.001), 0]);
    assert.deepEqual(levelsFrom(1, [1, 0.75, 0]), [1, 0.75, 0]);
    for (const scheduler of ownSchedulers) assert.ok(ownSigmas(scheduler, 4, 3));
    assert.equal(ownSigmas("karras", 4, 3), undefined);
  });

  it("draws as many steps as diffusers", () => {
    const drawn = (steps: number, ...strengths: number[]) => strengths.map((strength) => drawnSteps(strength, steps));
    assert.deepEqual(drawn(7, 0.45, 0.01, 0, 1, 6 / 7), [4, 1, 1, 7, 6]);
    assert.deepEqual(drawn(10, 0.1, 0.2, 0.3, 0.6, 0.7, 0.71), [1, 2, 3, 6, 7, 8]);
    assert.deepEqual(drawn(4, 0.75, 0.76), [3, 4]);
    assert.deepEqual(drawn(50, 0.14, 0.28, 0.56, 0.58), [7, 14, 29, 29]); // rounding errors of Python's, and ours
  });
});

/** The steps of the window as the engine finds them, in single precision. */
function acting({ start, end }: { start: number; end: number }, steps: number): number[] {
  const float = Math.fround;
  const all = Array.from({ length: steps }, (_, i) => i);
  return all.filter((i) => i > float(float(start) * float(steps)) && i < float(float(end) * float(steps)));
}

describe("skip-layer guidance", () => {
  it("acts in the steps of diffusers, whatever the rounding", () => {
    assert.deepEqual(acting(guidanceWindow({ start: 0.01, end: 0.2 }, [28]), 28), [1, 2, 3, 4, 5]);
    for (let steps = 1; steps <= 100; steps++) {
      for (let part = 0; part <= 100; part += 1) {
        const [start, end] = [part / 100, Math.min(1, part / 100 + 0.3)];
        const expected = Array.from({ length: steps }, (_, i) => i).filter((i) => i > steps * start && i < steps * end);
        assert.deepEqual(acting(guidanceWindow({ start, end }, [steps]), steps), expected, `${start} to ${end} of ${steps}`);
      }
    }
  });

  it("acts so in both passes of a hires fix", () => {
    const window = guidanceWindow({ start: 0.1, end: 0.6 }, [50, 7]);
    assert.deepEqual(acting(window, 50).length, 24);
    assert.deepEqual(acting(window, 7), [1, 2, 3, 4]);
  });
});
