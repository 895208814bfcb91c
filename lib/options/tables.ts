import { families, mostFlowShift, usualFlowShift } from "../catalog/families.js";
import { presetNames } from "../catalog/presets.js";
import type { Fit } from "../types/index.js";
import { convertTypes, generators, weightTypes } from "../types/names.js";
import type { Option, OptionTable } from "./check.js";
import {
  cache,
  cacheModes,
  file,
  guidance,
  hires,
  hiresUpscalers,
  outpaint,
  part,
  preview,
  previewModes,
  side,
  skipLayerGuidance,
  tile,
  vaeTiling,
} from "./features.js";
import { loraOfText, maxWeight } from "./loras.js";
import { refusedSamplers, refusedSchedulers, samplers, schedulers } from "./samplers.js";

export { cacheModes, convertTypes, hiresUpscalers, previewModes, samplers, schedulers, side, weightTypes };
export const loraApplyModes = ["auto", "immediately", "at_runtime"];
export const fits: Fit[] = ["cover", "contain", "fill"];

const backend = {
  kind: "pattern",
  pattern: /^(auto|cpu|gpu|metal|(cuda|vulkan)(:\d{1,2})?)$/,
  form: '"auto", "cpu", "gpu", "metal", "cuda", "vulkan", or one device as "cuda:0" or "vulkan:1"',
} as const;
const threads = { kind: "integer", min: 1, max: 512, env: "SDCPP_THREADS", defaultText: "SDCPP_THREADS, else physical cores" } as const;
const isolate = { kind: "boolean", default: false, description: "Run the engine in a process of its own" } as const;
// Room for what 16 chunks of tokens can hold, with weights; native/engine/conditioner.cc has the limits in tokens.
const prompt = { kind: "string", maxBytes: 16_384 } as const;

export const fileOptions: OptionTable = {
  model: {
    ...file,
    description: "All-in-one file: diffusion model, and possibly text encoders and VAE; or a folder, as diffusers makes it",
  },
  diffusionModel: { ...file, description: "File with the diffusion transformer alone" },
  clipL: { ...file, description: "CLIP-L text encoder" },
  clipG: { ...file, description: "CLIP-G text encoder" },
  t5xxl: { ...file, description: "T5-XXL text encoder" },
  vae: { ...file, description: "VAE" },
  taesd: { ...file, description: "TAESD3, a tiny and fast replacement of the VAE" },
};

const someFiles = { kind: "list", of: { ...file, description: "File or folder" }, min: 1, max: 1000, orItem: true } as const;

export const modelOptions: OptionTable = {
  ...fileOptions,
  files: { ...someFiles, description: "Files or folders of the model, in any order: which is which shows in their tensors" },
  preset: {
    kind: "enum",
    get values() {
      return presetNames();
    },
    description: "A model known by name instead of by files",
  },
  family: { kind: "enum", values: Object.keys(families), defaultText: "read from the file", description: "Family whose defaults apply" },
  backend: { ...backend, default: "auto", description: "Where to compute: auto, cpu, gpu, metal, cuda:0, vulkan:1" },
  placement: {
    kind: "object",
    members: {
      diffusion: { ...backend, defaultText: "backend", description: "Where to compute the diffusion model" },
      textEncoders: { ...backend, defaultText: "backend", description: "Where to compute the text encoders" },
      vae: { ...backend, defaultText: "backend", description: "Where to compute the VAE" },
    },
    description: "Another backend for single modules",
  },
  taesdPreviewOnly: { kind: "boolean", default: false, description: "TAESD for previews alone; the VAE makes the pictures" },
  threads: { ...threads, description: "Compute threads on the CPU" },
  flashAttention: { kind: "boolean", defaultText: "true, for the demo false", description: "Flash attention in the diffusion model" },
  mmap: { kind: "boolean", default: false, description: "Map the files instead of reading them" },
  offload: {
    kind: "object",
    members: {
      params: {
        kind: "enum",
        values: ["cpu", "disk"],
        defaultText: "the backend",
        description: "Where weights wait until they are needed",
      },
      maxVram: { kind: "number", min: 0, above: true, max: 1024, description: "GiB that one computation may take on a GPU" },
      streamLayers: { kind: "boolean", default: false, description: "Fetch the next layers while some compute" },
    },
    description: "Where the weights wait, and how much of a GPU's memory is used",
  },
  weightType: { kind: "enum", values: weightTypes, defaultText: "as in the file", description: "Convert weights while loading" },
  rng: { kind: "enum", values: generators, default: "cuda", description: "Random generator of the noise" },
  promptCache: { kind: "integer", min: 0, max: 1000, default: 8, description: "Prompts whose encoding is kept" },
  loraDir: { ...file, description: "Folder of the LoRAs that prompts name as <lora:name:0.8>" },
  loraApplyMode: {
    kind: "enum",
    values: loraApplyModes,
    default: "auto",
    description: "Merge LoRAs into the weights, or add them in each step",
  },
  isolate,
  force: { kind: "boolean", default: false, description: "Go on where memory does not seem to suffice" },
  maxQueue: { kind: "integer", min: 0, max: 1_000_000, defaultText: "no limit", codeOnly: true, description: "Runs that may wait" },
  signal: { kind: "signal", description: "Stops the load" },
  onProgress: { kind: "callback", description: "Called as the weights come in" },
  onLog: { kind: "callback", description: "Called with each line the engine logs" },
};

export const inspectSource: Option = { ...someFiles, description: "Files, folders or https URLs" };

export const inspectOptions: OptionTable = {
  sha256: { kind: "boolean", default: false, description: "Also read the whole files for their SHA-256" },
  token: { kind: "string", maxBytes: 4096, filled: true, codeOnly: true, description: "Sent to the host of a URL" },
  signal: { kind: "signal", description: "Stops the work" },
  onProgress: { kind: "callback", description: "Called as files are read for their SHA-256" },
};

export const convertOptions: OptionTable = {
  input: { ...file, required: true, description: "Checkpoint to convert, or a folder of a model's parts, as diffusers makes it" },
  output: { ...file, required: true, description: "GGUF file to write" },
  type: { kind: "enum", values: convertTypes, required: true, description: "Type of the weights" },
  vae: { ...file, description: "VAE to put into the output, which then loads as --model" },
  rules: { kind: "string", maxBytes: 16_384, filled: true, description: "Other types for single tensors, as regex=type,regex=type" },
  threads: { ...threads, description: "Threads that quantize" },
  signal: { kind: "signal", description: "Stops the work" },
  onProgress: { kind: "callback", description: "Called as tensors are read" },
  onLog: { kind: "callback", description: "Called with each line the engine logs" },
};

export const generateOptions: OptionTable = {
  prompt: { ...prompt, required: true, description: "What to draw; weights as (word:1.2)" },
  negativePrompt: { ...prompt, default: "", description: "What to avoid; ignored when the CFG scale is 1" },
  t5Prompt: { ...prompt, defaultText: "prompt", description: "Another text for T5" },
  negativeT5Prompt: { ...prompt, defaultText: "negative prompt", description: "Another text for T5 in the negative pass" },
  width: { ...side, description: "Pixels" },
  height: { ...side, description: "Pixels" },
  steps: { kind: "integer", min: 1, max: 1000, defaultText: "by family", description: "Denoising steps" },
  cfgScale: {
    kind: "number",
    min: 0,
    max: 100,
    defaultText: "by family",
    description: "Classifier-free guidance; 1 (0 in diffusers) turns it off, which halves the work",
  },
  sampler: { kind: "enum", values: samplers, refused: refusedSamplers, default: "euler", description: "Sampling method" },
  scheduler: { kind: "enum", values: schedulers, refused: refusedSchedulers, default: "normal", description: "Noise schedule" },
  seed: { kind: "seed", defaultText: "random", description: "Seed of the first image; image i uses seed + i" },
  variationSeed: { kind: "seed", defaultText: "random", description: "Another seed, to vary the picture of the first with" },
  variationStrength: { ...part, defaultText: "none", description: "How far to go from the seed to the variation seed" },
  batchCount: { kind: "integer", min: 1, max: 1000, default: 1, description: "Images to draw one after the other" },
  eta: { kind: "number", min: 0, max: 1000, defaultText: "by sampler", description: "Noise added by ancestral samplers" },
  flowShift: {
    kind: "number",
    min: 0,
    above: true,
    max: mostFlowShift,
    default: usualFlowShift,
    defaultText: `of the model's folder, else ${usualFlowShift}`,
    description: "Timestep shift of the flow schedule",
  },
  sigmas: {
    kind: "list",
    of: { kind: "number", min: 0, max: 1_000_000, description: "Noise level" },
    min: 2,
    max: 1001,
    description: "The noise levels themselves, falling, instead of a scheduler",
  },
  guidance,
  skipLayerGuidance,
  hires,
  preview,
  clipSkip: { kind: "integer", min: 1, max: 12, default: 2, description: "Layer of the CLIP encoders to read, from the end" },
  loras: {
    kind: "list",
    of: {
      kind: "object",
      members: {
        path: { ...file, required: true, description: "Safetensors or GGUF file" },
        weight: { kind: "number", min: -maxWeight, max: maxWeight, default: 1, description: "0 is no change" },
      },
      fromText: loraOfText,
      description: "LoRA",
    },
    min: 0,
    max: 64,
    description: "LoRAs to apply, on the command line as file or file:weight",
  },
  vaeTiling,
  cache,
  initImage: { kind: "image", description: "Picture to begin with" },
  strength: { ...part, defaultText: "0.75, with outpaint 0.9", description: "How much of the initial picture is drawn anew" },
  noiseLevel: {
    kind: "number",
    min: 0,
    above: true,
    max: 1,
    description: "The noise level to begin at, instead of a strength; 1 is pure noise",
  },
  fit: { kind: "enum", values: fits, defaultText: "cover", description: "How picture and mask are put into another size" },
  mask: { kind: "image", words: ["alpha"], description: "Paint only where this picture is white, or (alpha) the first is transparent" },
  outpaint,
  keepUnmasked: { kind: "boolean", defaultText: "true", description: "Put the pixels outside the mask back unchanged" },
  maskFeather: { kind: "integer", min: 0, max: 256, defaultText: "0", description: "Pixels over which the mask's edge fades" },
  force: { kind: "boolean", default: false, description: "Go on where memory does not seem to suffice" },
  priority: { kind: "integer", min: -10, max: 10, default: 0, codeOnly: true, description: "Place in line; higher goes first" },
  signal: { kind: "signal", description: "Stops the run" },
};

/** What `estimateMemory` takes of `loadModel` and of `generate`. */
const estimateModelNames =
  "files preset family backend placement taesdPreviewOnly threads flashAttention mmap offload weightType signal".split(" ");
const estimatePictureNames = "width height batchCount vaeTiling hires preview".split(" ");
const pick = (table: OptionTable, names: string[]): OptionTable =>
  Object.fromEntries(names.flatMap((name) => (table[name] ? [[name, table[name]]] : [])));

export const estimateModelOptions: OptionTable = { ...fileOptions, ...pick(modelOptions, estimateModelNames) };
export const estimatePictureOptions: OptionTable = {
  ...pick(generateOptions, estimatePictureNames),
  chunks: { kind: "integer", min: 1, max: 16, default: 1, description: "Chunks of 77 tokens that the prompt has" },
  t5Tokens: { kind: "integer", min: 77, max: 1232, defaultText: "77 for each chunk", description: "Tokens that T5 reads" },
  imageToImage: { kind: "boolean", default: false, description: "With a picture to begin with" },
};

export const promptOption: Option = { ...prompt, description: "The text to count" };
export const countOptions: OptionTable = { t5Prompt: { ...prompt, description: "The text that T5 gets instead" } };
export const upscalerOptions: OptionTable = {
  model: { ...file, required: true, description: "File of an ESRGAN network" },
  tileSize: { ...tile, description: "Pixels of a tile; a smaller one needs less memory" },
  threads: { ...threads, description: "Compute threads on the CPU" },
  backend: { ...backend, default: "auto", description: "Where to compute: auto, cpu, gpu, metal, cuda:0, vulkan:1" },
  isolate,
  signal: { kind: "signal", description: "Stops it" },
  onProgress: { kind: "callback", description: "Called as it gets on" },
  onLog: { kind: "callback", description: "Called with each line the engine logs" },
};

export const imageOption: Option = { kind: "image", description: "Picture to enlarge" };
export const upscaleOptions: OptionTable = {
  scale: { kind: "number", min: 0, above: true, max: 16, defaultText: "the network's", description: "Factor of both sides" },
  signal: { kind: "signal", description: "Stops it" },
  onProgress: { kind: "callback", description: "Called after each tile" },
};
