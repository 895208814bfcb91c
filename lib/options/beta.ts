/** The scheduler "beta", ComfyUI's: more steps at both ends of the noise, as the beta distribution with α = β = 0.6 spreads them. */

const float = Math.fround;
const alpha = 0.6;
/** The times that the model was trained at. */
const times = 1000;

/** ∫ t^(α − 1)·(1 − t)^(α − 1) from 0 to x, for x up to 1/2, where its series halves with each term. */
function lowerPart(x: number): number {
  let [term, sum] = [1, 0];
  for (let n = 0; n < 80; n++) {
    sum += term / (alpha + n);
    term *= ((n + 1 - alpha) / (n + 1)) * x;
  }
  return x ** alpha * sum;
}

/** Where the distribution function reaches `part`, 0 to 1 (scipy's `beta.ppf`). By halving: 60 times is as exact as doubles are. */
export function betaQuantile(part: number): number {
  if (part === 0.5) return 0.5;
  if (part > 0.5) return 1 - betaQuantile(1 - part); // α = β: it is symmetrical
  const wanted = part * 2 * lowerPart(0.5);
  let [low, high] = [0, 0.5];
  for (let i = 0; i < 60; i++) {
    const middle = (low + high) / 2;
    if (lowerPart(middle) < wanted) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/**
 * `steps` levels and a 0: those of the times of the 1000 that are nearest to the distribution's quantiles at 1, 1 − 1/steps, …, in single precision.
 * So does `beta_scheduler` in ComfyUI, which drops a time that comes twice; with the steps that this package takes (scheduleSteps) none does.
 * The middle, 499.5, is rounded up, as scipy's quantile is above it by a rounding error. diffusers' `use_beta_sigmas` has the same name and other levels: it spreads the levels themselves, and not the times.
 */
export function betaSigmas(steps: number, shift: number): number[] {
  const level = (time: number) => {
    const t = (time + 1) / times;
    return float((shift * t) / (1 + (shift - 1) * t));
  };
  return [...Array.from({ length: steps }, (_, i) => level(Math.round(betaQuantile(1 - i / steps) * (times - 1)))), 0];
}
