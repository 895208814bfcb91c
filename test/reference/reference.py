"""Draws the rows of rows.json with diffusers into pictures/, and writes the reference's noise levels to sigmas.json. See README.md."""
import copy
import json
import os
import re
import sys

import numpy as np
import torch
from diffusers import FlowMatchEulerDiscreteScheduler
from PIL import Image

import models
import tokens
from encoders import Conditions
from demo import demo_tensors
from drawing import Drawing

HERE = os.path.dirname(os.path.abspath(__file__))
PICTURES = os.path.join(HERE, "pictures")

# The parts of each model; the demo's come from its files.
MODELS = {
    "large": ("large", "clipL", None, None, "taesd"),
    "large38": ("large38", "clipL", None, None, "taesd"),
    "medium": ("medium", "clipL", None, "t5", "taesd"),
    "vae": ("large", "clipL", None, None, "vae"),
    "all": ("medium", "clipL", "clipG", "t5", "taesd"),
}
BUILD = {"clipL": models.clip, "clipG": models.clip, "t5": models.t5, "vae": models.vae, "taesd": models.taesd}


class Parts:
    def __init__(self):
        self.layouts, self.built = models.layouts(), {}

    def tensors(self, part):
        return models.tensors(self.layouts[part])

    def __call__(self, part):
        if part is not None and part not in self.built:
            self.built[part] = BUILD.get(part, models.transformer)(self.tensors(part))
        return self.built.get(part)

    def demo(self):
        if "demo" not in self.built:
            diffusion, clip, taesd = demo_tensors()
            self.built["demo"] = models.transformer(diffusion), models.clip(clip), None, None, models.taesd(taesd)
        return self.built["demo"]

    def changed(self, part, lora):
        """A transformer with a LoRA: loaded by diffusers in PEFT's names, else merged into the original layout's tensors (W + up·down·alpha/rank)."""
        change = self.tensors(lora)
        if lora == "peft":
            changed = copy.deepcopy(self(part))
            changed.load_lora_adapter(change, prefix="transformer")
            return changed
        state = self.tensors(part)
        for name, down in change.items():
            if not name.endswith("lora_down.weight"):
                continue
            module = name[: -len(".lora_down.weight")]
            alpha = change.get(module + ".alpha")
            scale = 1 if alpha is None else alpha.item() / down.shape[0]
            block, side, layer = re.match(r"lora_unet_joint_blocks_(\d+)_(x_block|context_block)_(.+)", module).groups()
            state[f"joint_blocks.{block}.{side}.{layer.replace('_', '.')}.weight"] += scale * change[module + ".lora_up.weight"] @ down
        return models.transformer(state)


def decibels(a, b):
    error = np.mean((a.astype(np.float64) - b) ** 2)
    return 99.0 if error == 0 else 10 * np.log10(255**2 / error)


def write_images():
    """What image to image begins with: a smooth picture, and a mask of its right half."""
    y, x = np.mgrid[0:64, 0:64] / 63
    picture = np.stack([0.5 + 0.4 * np.sin(3 * x + y), 0.5 + 0.4 * np.cos(4 * y), 0.2 + 0.6 * x * y], 2)
    Image.fromarray((picture * 255).round().astype(np.uint8)).save(os.path.join(PICTURES, "init.png"))
    mask = np.zeros((64, 64, 3), np.uint8)
    mask[:, 32:] = 255
    Image.fromarray(mask).save(os.path.join(PICTURES, "mask.png"))
    return {name: np.array(Image.open(os.path.join(PICTURES, name)).convert("RGB")) for name in ("init.png", "mask.png")}


def write_sigmas():
    levels = []
    for steps in (1, 2, 3, 4, 8, 28, 50, 1000):
        for shift in (1.0, 1.5, 3.0, 6.0):
            scheduler = FlowMatchEulerDiscreteScheduler(shift=shift)
            scheduler.set_timesteps(steps)
            kept = scheduler.sigmas.tolist()
            levels.append({"steps": steps, "shift": shift, "sigmas": [float(f"{sigma:.8g}") for sigma in (kept if steps < 100 else kept[:: 37])]})
    with open(os.path.join(HERE, "sigmas.json"), "w") as file:
        file.write("[\n" + ",\n".join(json.dumps(level) for level in levels) + "\n]\n")


def main(wanted):
    torch.manual_seed(0)
    os.makedirs(PICTURES, exist_ok=True)
    images, parts, ids = write_images(), Parts(), tokens.Reference()
    write_sigmas()
    with open(os.path.join(HERE, "rows.json"), encoding="utf-8") as file:
        table = json.load(file)
    for row in table["rows"]:
        name, options = row["name"], {**table["defaults"], **row["options"]}
        if wanted and name not in wanted:
            continue
        diffusion, *encoders, decoder = parts.demo() if row["model"] == "demo" else (parts(part) for part in MODELS[row["model"]])
        for lora in options.get("loras", []):
            diffusion = parts.changed(MODELS[row["model"]][0], lora)
        drawing = lambda **more: Drawing(diffusion, decoder, Conditions(ids, *encoders), options, images, **more)
        with torch.no_grad():
            picture = drawing().picture()
            nudged = decibels(drawing(nudge=0.001).picture(), picture) if "initImage" not in options else 99
            tiled = ""
            if "vaeTiling" in options:
                size = options["vaeTiling"]["tileSize"]
                decoder.enable_tiling()
                decoder.tile_sample_min_size, decoder.tile_latent_min_size, decoder.tile_overlap_factor = size, size // 8, options["vaeTiling"]["overlap"]
                tiled = f", diffusers' own tiles {decibels(drawing().picture(), picture):.1f} dB"
                decoder.disable_tiling()
        Image.fromarray(picture).save(os.path.join(PICTURES, f"{name}.png"), optimize=True)
        at_ends = np.mean((picture == 0) | (picture == 255))
        print(f"{name}: deviation {picture.std():.1f}, {at_ends:.0%} at the ends, noise moved by 0.1 %: {nudged:.1f} dB{tiled}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
