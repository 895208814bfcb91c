"""Writes the noise levels of the scheduler "beta" to beta.json: ComfyUI's beta_scheduler over its ModelSamplingDiscreteFlow, with scipy's quantiles."""
import json
import os

import numpy as np
import scipy.stats

TIMES = 1000


def levels_of_times(shift):
    t = np.arange(1, TIMES + 1, dtype=np.float32) / np.float32(TIMES)
    return np.float32(shift) * t / (1 + np.float32(shift - 1) * t)


def beta_sigmas(steps, shift, alpha=0.6, beta=0.6):
    levels = levels_of_times(shift)
    times = np.rint(scipy.stats.beta.ppf(1 - np.linspace(0, 1, steps, endpoint=False), alpha, beta) * (TIMES - 1))
    kept = [time for i, time in enumerate(times) if i == 0 or time != times[i - 1]]
    return [float(f"{levels[int(time)]:.8g}") for time in kept] + [0.0]


if __name__ == "__main__":
    rows = [{"steps": steps, "shift": shift, "sigmas": beta_sigmas(steps, shift)} for steps in (1, 2, 3, 4, 8, 20, 28, 40, 138, 139) for shift in (1.0, 3.0, 6.0)]
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "beta.json"), "w") as file:
        file.write("[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n")
