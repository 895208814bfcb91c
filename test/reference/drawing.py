"""Pictures by diffusers: by its pipelines where they can, else by a loop around its transformer and scheduler."""
import math

import numpy as np
import torch
from diffusers import (
    FlowMatchEulerDiscreteScheduler,
    StableDiffusion3Img2ImgPipeline,
    StableDiffusion3InpaintPipeline,
    StableDiffusion3Pipeline,
)

# What the package's `skipLayerGuidance: true` takes.
SKIP_LAYERS = {"layers": [7, 8, 9], "scale": 2.5, "start": 0.01, "end": 0.2}


def to_bytes(picture):
    """[1, 3, h, w], -1 to 1 → rows of RGB, as diffusers' VaeImageProcessor rounds."""
    return ((picture[0].permute(1, 2, 0) / 2 + 0.5).clamp(0, 1).numpy() * 255).round().astype(np.uint8)


def to_latents(pixels):
    """Rows of RGB → [1, 3, h, w], -1 to 1."""
    return torch.from_numpy(pixels.astype(np.float32) / 255 * 2 - 1).permute(2, 0, 1)[None]


def slerp(val, low, high):
    """`slerp` of AUTOMATIC1111's modules/rng.py, for one noise of [channels, rows, columns]."""
    low_norm = low / torch.norm(low, dim=1, keepdim=True)
    high_norm = high / torch.norm(high, dim=1, keepdim=True)
    omega = torch.acos((low_norm * high_norm).sum(1))
    so = torch.sin(omega)
    return (torch.sin((1.0 - val) * omega) / so).unsqueeze(1) * low + (torch.sin(val * omega) / so).unsqueeze(1) * high


class Drawing:
    """A row of rows.json with the parts it is drawn by; `nudge` moves the noise by that part of it."""

    def __init__(self, transformer, decoder, conditions, options, images, nudge=0):
        self.transformer, self.decoder, self.options, self.images, self.nudge = transformer, decoder, options, images, nudge
        self.width, self.height = options.get("width", 64), options.get("height", 64)
        self.steps, self.cfg = options["steps"], options["cfgScale"]
        skip = options.get("skipLayerGuidance")
        self.window = options.get("guidance", {}).get("start", 0), options.get("guidance", {}).get("end", 1)
        self.skip = SKIP_LAYERS if skip is True else {**SKIP_LAYERS, **skip} if skip else None
        prompt, negative = options["prompt"], options.get("negativePrompt", "")
        read = lambda *texts: conditions(*texts, clip_skip=options.get("clipSkip", 2))
        self.positive = read(prompt, options.get("t5Prompt"))
        self.negative = read(negative, options.get("negativeT5Prompt")) if self.cfg != 1 else None

    def generator(self):
        return torch.Generator().manual_seed(self.options["seed"])

    def shape(self):
        return 1, 16, self.height // 8, self.width // 8

    def noise(self):
        noise = torch.randn(self.shape(), generator=self.generator())
        if "variationSeed" in self.options:
            other = torch.randn(self.shape(), generator=torch.Generator().manual_seed(self.options["variationSeed"]))
            noise = slerp(self.options["variationStrength"], noise[0], other[0])[None]
        return noise + self.nudge * torch.randn(self.shape(), generator=torch.Generator().manual_seed(1)) if self.nudge else noise

    def scheduler(self):
        return FlowMatchEulerDiscreteScheduler(shift=self.options.get("flowShift", 3.0))

    def decode(self, latents):
        config = self.decoder.config
        return to_bytes(self.decoder.decode(latents / config.scaling_factor + config.shift_factor).sample)

    def picture(self):
        if "mask" in self.options:
            return self.decode(self.by_pipeline(StableDiffusion3InpaintPipeline))
        if "initImage" in self.options:
            return self.decode(self.by_pipeline(StableDiffusion3Img2ImgPipeline))
        if self.options.get("sampler") == "dpm++2m":
            return self.decode(self.dpm())
        latents = self.euler()
        if self.window == (0, 1) and (self.negative is None or self.negative[0].shape == self.positive[0].shape):  # the pipeline computes both at once
            theirs = self.by_pipeline(StableDiffusion3Pipeline)
            assert (latents - theirs).abs().max() < 1e-3 * theirs.abs().max(), "our loop is not the pipeline's"
            latents = theirs
        return self.decode(latents)

    def by_pipeline(self, kind):
        none = dict.fromkeys(("text_encoder", "tokenizer", "text_encoder_2", "tokenizer_2", "text_encoder_3", "tokenizer_3"))
        pipeline = kind(transformer=self.transformer, scheduler=self.scheduler(), vae=self.decoder, **none)
        pipeline.set_progress_bar_config(disable=True)
        prompts = {"prompt_embeds": self.positive[0], "pooled_prompt_embeds": self.positive[1]}
        if self.negative is not None:
            prompts |= {"negative_prompt_embeds": self.negative[0], "negative_pooled_prompt_embeds": self.negative[1]}
        more = {"generator": self.generator(), "num_inference_steps": self.steps, "guidance_scale": self.cfg, "output_type": "latent"}
        if "initImage" in self.options:
            more |= {"image": to_latents(self.images[self.options["initImage"]]), "strength": self.options["strength"]}
            more |= {"width": self.width, "height": self.height}
            if "mask" in self.options:
                more["mask_image"] = torch.from_numpy(self.images[self.options["mask"]][:, :, :1].astype(np.float32) / 255).permute(2, 0, 1)[None]
        else:
            more |= {"latents": self.noise(), "width": self.width, "height": self.height}
        if self.skip:
            names = {"skip_guidance_layers": "layers", "skip_layer_guidance_scale": "scale", "skip_layer_guidance_start": "start", "skip_layer_guidance_stop": "end"}
            more |= {name: self.skip[own] for name, own in names.items()}
        return pipeline(**prompts, **more).images

    @torch.no_grad()
    def predict(self, latents, sigma, step):
        """The direction from picture to noise, guided."""
        run = lambda condition, **more: self.transformer(
            hidden_states=latents, timestep=torch.tensor([sigma * 1000]), encoder_hidden_states=condition[0], pooled_projections=condition[1], return_dict=False, **more
        )[0]  # fmt: skip
        positive = run(self.positive)
        guided = positive
        if self.negative is not None and self.window[0] * self.steps <= step < self.window[1] * self.steps:
            negative = run(self.negative)
            guided = negative + self.cfg * (positive - negative)
        if self.skip and self.steps * self.skip["start"] < step < self.steps * self.skip["end"]:
            guided = guided + (positive - run(self.positive, skip_layers=self.skip["layers"])) * self.skip["scale"]
        return guided

    def euler(self):
        scheduler = self.scheduler()
        scheduler.set_timesteps(self.steps)
        latents = self.noise()
        for step, time in enumerate(scheduler.timesteps):
            latents = scheduler.step(self.predict(latents, scheduler.sigmas[step], step), time, latents, return_dict=False)[0]
        return latents

    def dpm(self):
        """DPM-Solver++(2M) of Lu et al. (2022) in k-diffusion's variables, as `sample_dpmpp_2m` in Stability's sd3_impls.py uses it for flow models."""
        scheduler = self.scheduler()
        scheduler.set_timesteps(self.steps)
        sigmas = scheduler.sigmas.tolist()
        latents, before, last = self.noise(), None, None
        for step, (sigma, then) in enumerate(zip(sigmas, sigmas[1:])):
            denoised = latents - sigma * self.predict(latents, torch.tensor(sigma), step)
            if then == 0:
                return denoised
            h = math.log(sigma / then)
            target = denoised if before is None else denoised + (denoised - before) * h / (2 * last)
            latents = (then / sigma) * latents - math.expm1(-h) * target
            before, last = denoised, h
        return latents
