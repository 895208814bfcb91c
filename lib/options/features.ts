import type { PreviewMode } from "../types/index.js";
import type { Option } from "./check.js";

/** The options of `generate` that have members, and kinds that others share. */

export const file = { kind: "string", maxBytes: 32_768, filled: true } as const;
export const side = { kind: "integer", min: 16, max: 16_384, multipleOf: 16, defaultText: "by family" } as const;
export const tile = { kind: "integer", min: 32, max: 4096, default: 128 } as const;
export const part = { kind: "number", min: 0, max: 1 } as const;
const layer = { kind: "integer", min: 0, max: 255, description: "Joint block" } as const;

export const hiresUpscalers =
  "latent latent-nearest latent-nearest-exact latent-antialiased latent-bicubic latent-bicubic-antialiased lanczos nearest model".split(
    " ",
  );
export const previewModes: readonly PreviewMode[] = ["latent", "taesd", "vae"];
/** Those that do something for SD 3; see docs/caches.md for the others. */
export const cacheModes = ["easycache", "dbcache", "spectrum"];

export const guidance: Option = {
  kind: "object",
  members: {
    start: { ...part, default: 0, description: "Begins at this part of the steps" },
    end: { ...part, default: 1, description: "Ends at this part of the steps" },
  },
  description: "The part of the steps in which the CFG scale and the negative prompt act; the others take half the work",
};

const margin = { kind: "integer", min: 0, max: 16_384, default: 0 } as const;
export const outpaint: Option = {
  kind: "object",
  members: {
    left: { ...margin, description: "Pixels to paint on at the left" },
    top: { ...margin, description: "Pixels to paint on at the top" },
    right: { ...margin, description: "Pixels to paint on at the right" },
    bottom: { ...margin, description: "Pixels to paint on at the bottom" },
  },
  description: "Go on with the picture to begin with beyond its sides",
};

export const skipLayerGuidance: Option = {
  kind: "object",
  orBoolean: true,
  members: {
    layers: { kind: "list", of: layer, min: 1, max: 64, default: [7, 8, 9], description: "Joint blocks to skip" },
    scale: { kind: "number", min: 0, max: 100, default: 2.5, description: "Strength, 0 = off" },
    start: { ...part, default: 0.01, description: "Begins at this part of the steps" },
    end: { ...part, default: 0.2, description: "Ends at this part of the steps" },
  },
  description: "Skip-layer guidance, made for SD 3.5 Medium",
};

export const hires: Option = {
  kind: "object",
  orBoolean: true,
  members: {
    scale: { kind: "number", min: 1, max: 8, defaultText: "2", description: "Factor of both sides" },
    width: { ...side, defaultText: "scale", description: "Pixels of the final picture" },
    height: { ...side, defaultText: "scale", description: "Pixels of the final picture" },
    steps: { kind: "integer", min: 1, max: 1000, defaultText: "steps", description: "Steps of the second pass" },
    strength: { kind: "number", min: 0.01, max: 1, default: 0.7, description: "How much the second pass may change" },
    upscaler: { kind: "enum", values: hiresUpscalers, defaultText: "latent", description: "What enlarges between the passes" },
    model: { ...file, description: "ESRGAN network, for the upscaler model" },
    tileSize: { ...tile, description: "Pixels of a tile, for the upscaler model" },
  },
  description: "Hires fix: draw, enlarge, refine by sampling again",
};

export const preview: Option = {
  kind: "object",
  orBoolean: true,
  members: {
    every: { kind: "integer", min: 1, max: 1000, default: 1, description: "A preview after every so many steps" },
    mode: { kind: "enum", values: previewModes, default: "latent", description: "What makes the previews" },
  },
  description: "Previews of the unfinished picture",
};

export const vaeTiling: Option = {
  kind: "object",
  orBoolean: true,
  members: {
    tileSize: { kind: "integer", min: 32, max: 16_384, multipleOf: 8, defaultText: "256", description: "Side of a tile in pixels" },
    relativeSize: { kind: "number", min: 0, above: true, max: 1, description: "Side of a tile as part of the picture's, instead" },
    overlap: { kind: "number", min: 0, max: 0.5, default: 0.5, description: "Part of a tile that its neighbor covers too" },
  },
  description: "Decode in tiles: less memory for large pictures",
};

export const cache: Option = {
  kind: "object",
  orBoolean: true,
  orMember: "mode",
  members: {
    mode: { kind: "enum", values: cacheModes, default: "easycache", defaultText: "off", description: "Skip steps" },
    threshold: { kind: "number", min: 0, max: 100, defaultText: "by mode", description: "Change that is let pass (not spectrum)" },
    start: { kind: "number", min: 0, max: 0.99, defaultText: "0.15", description: "Where it begins (easycache)" },
    end: { kind: "number", min: 0, above: true, max: 1, defaultText: "by mode", description: "Where it ends (not dbcache)" },
    warmup: { kind: "integer", min: 2, max: 1000, defaultText: "4", description: "Steps computed first (spectrum)" },
    window: { kind: "integer", min: 1, max: 100, defaultText: "2", description: "Every how many steps one is computed (spectrum)" },
    windowGrowth: { kind: "number", min: 0, max: 10, defaultText: "0.5", description: "What the window grows by (spectrum)" },
  },
  description: "Skip steps that can be foretold",
};
