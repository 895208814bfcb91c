"""Run by peer.ts: draws with stable-diffusion-cpp-python. Takes the settings as JSON, loads, prints a line; then for each line on stdin draws one picture
and prints {"encode": seconds until sampling begins, "steps": [seconds of each step], "total": seconds} as one line."""
import json
import os
import sys
import time

given = json.loads(sys.argv[1])
out = os.fdopen(os.dup(1), 'w')
os.dup2(2, 1)                     # the library writes its log and progress to stdout
from stable_diffusion_cpp import StableDiffusion  # noqa: E402


def say(result): print(json.dumps(result), file=out, flush=True)


model = StableDiffusion(n_threads=given['threads'], verbose=False, enable_mmap=given.get('mmap', False), diffusion_model_path=given['diffusionModel'],
                        clip_l_path=given['clipL'], clip_g_path=given['clipG'], taesd_path=given['taesd'])
say('ready')
for line in sys.stdin:
    marks = []
    start = time.perf_counter()
    model.generate_image(line.strip(), width=given['side'], height=given['side'], cfg_scale=1, sample_steps=given['steps'], seed=1,
                         progress_callback=lambda step, steps, seconds: marks.append(time.perf_counter()))
    total = time.perf_counter() - start
    marks = marks[:given['steps'] + 1]        # those after them are the decoder's
    say(dict(encode=marks[0] - start, steps=[b - a for a, b in zip(marks, marks[1:])], total=total))
