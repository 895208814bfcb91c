import path from "node:path";
import load from "node-gyp-build";
import type {
  Device,
  GenerationParameters,
  HiresParameters,
  LogEvent,
  ModelFiles,
  ModelPart,
  Module,
  Offload,
  Phase,
  PhaseEvent,
  Preview,
  QueuedEvent,
  SkipLayerGuidance,
  StepCache,
  Timings,
  TokenCounts,
  VaeTiling,
} from "../types/index.js";
import { packageFolders } from "./package.js";

export { packageRoot } from "./package.js";

/** What a file of `native/` exports, typed. Nothing of it shows through `index.ts`. */

/** A call that runs on the engine thread. `cancel` may come at any time and more than once; the promise then rejects with `ERR_CANCELLED`. */
export interface NativeJob<T> {
  readonly promise: Promise<T>;
  cancel(): void;
}

/** One message of a running job, in the order in which things happened. All come before the job's promise settles. */
export type NativeEvent =
  | QueuedEvent
  | PhaseEvent
  /** `seconds` since the phase began. `load` and `convert` count tensors, `sample` counts steps of one image. */
  | { type: "progress"; phase: Phase; step: number; steps: number; image: number; pass?: number; seconds: number }
  | {
      type: "preview";
      image: number;
      step: number;
      pass?: number;
      width: number;
      height: number;
      channels: number;
      data: Uint8Array<ArrayBuffer>;
    }
  | { type: "image"; image: number; seed: bigint; width: number; height: number; channels: number; data: Uint8Array<ArrayBuffer> }
  | LogEvent;

/** Mirrors `native/params/model.cc`. Unset members keep the engine's own defaults. */
export interface NativeModelParams extends ModelFiles {
  /** JSON of lib/checkpoint/plan.ts: by the path in one of the options above, how to read what is there. */
  plans?: string;
  taesdPreviewOnly?: boolean;
  threads?: number;
  weightType?: string;
  flashAttention?: boolean;
  mmap?: boolean;
  rng?: string;
  /** The engine's own syntax: `"cuda0"` or `"diffusion=cuda0,te=cpu,vae=cpu"`. */
  backend?: string;
  promptCache?: number;
  loraApplyMode?: string;
  offload?: Offload;
}

/** Mirrors `native/params/convert.cc`; types in the engine's spelling (`q4_K`). */
export interface NativeConvertParams {
  input: string;
  output: string;
  type: string;
  vae?: string;
  rules?: string;
  threads?: number;
  /** As in NativeModelParams. */
  plans?: string;
}

/** Mirrors `native/params/generate.cc`. */
export interface NativeGenerateParams
  extends Partial<
    Omit<
      GenerationParameters,
      "fit" | "noiseLevel" | "outpaint" | "sampler" | "scheduler" | "loras" | "vaeTiling" | "cache" | "hires" | "skipLayerGuidance"
    >
  > {
  sampler?: string;
  scheduler?: string;
  /** `plan` is the JSON of lib/checkpoint/lora/plan.ts. */
  loras?: { path: string; weight: number; plan: string }[];
  skipLayerGuidance?: SkipLayerGuidance;
  /** The tile's side in latents, which are 8 pixels wide. */
  vaeTiling?: VaeTiling & { enabled: boolean };
  cache?: Omit<StepCache, "mode"> & { mode?: string };
  /** `sigmas`: of its own pass, instead of the scheduler's. */
  hires?: Partial<HiresParameters> & { enabled: boolean; sigmas?: number[] };
  initImage?: NativeImage;
  mask?: NativeImage;
  /** Not of the picture: its place in line. */
  priority?: number;
  preview?: Preview;
}

/** Mirrors `native/params/upscaler.cc`. */
export interface NativeUpscalerParams {
  model: string;
  threads?: number;
  tileSize?: number;
  backend?: string;
}

export interface NativeUpscaler {
  readonly info: { scale: number; blocks: number; bytes: number; parameters: number; device: string };
  /** Takes three channels. */
  upscale(picture: NativeImage, emit: (event: NativeEvent) => void): NativeJob<NativeImage>;
  /** Cancels the upscaler's jobs and frees it on the engine thread. */
  dispose(): Promise<void>;
}

/** Pixels that native code copies: `initImage` has 3 channels, `mask` 1 (255 = paint); both have the size of the picture. */
export interface NativeImage {
  data: Uint8Array;
  width: number;
  height: number;
  channels: number;
}

export type NativeImages = Required<Pick<NativeGenerateParams, "initImage">> & Pick<NativeGenerateParams, "mask">;

/** What the loaded tensors say. */
export interface NativeModelInfo {
  /** The engine's name of the architecture ("SD3.x"). */
  architecture: string;
  /** Number of joint blocks, hidden size, blocks with a second attention (0 for Large). */
  depth: number;
  hiddenSize: number;
  dualAttentionBlocks: number;
  /** Rows of the position table: (largest side / 16)². */
  positions: number;
  /** Bytes and parameters held in memory for each part that is present. */
  parts: Record<string, ModelPart>;
  /** The device each module computes on. */
  devices: Record<Module, string>;
}

export interface NativeModel {
  readonly info: NativeModelInfo;
  generate(params: NativeGenerateParams, emit: (event: NativeEvent) => void): NativeJob<Timings>;
  /** Throws what `generate` would throw at once, for a run that is to start later. */
  check(params: NativeGenerateParams): void;
  /** On the calling thread: by encoder, and `chunks` of the whole. */
  countTokens(prompt: string, t5Prompt?: string): TokenCounts;
  /** For tests: what each encoder that is loaded reads, all chunks in a row, with begin, end and padding. */
  tokens(prompt: string, t5Prompt?: string): Record<string, { ids: Int32Array; weights: Float32Array }>;
  /** For tests: what the diffusion model reads: 4096 numbers for each position, the CLIPs' then T5's; and 768 of CLIP-L, 1280 of CLIP-G. */
  encode(
    prompt: string,
    t5Prompt: string | undefined,
    emit: (event: NativeEvent) => void,
  ): NativeJob<{ context: Float32Array; pooled: Float32Array }>;
  /** Cancels the model's jobs and frees it on the engine thread. */
  dispose(): Promise<void>;
}

/** Bytes that one graph needs while it is computed: `buffer` on the part's device, `work` on the CPU. */
export interface NativeComputation {
  buffer: number;
  work: number;
}

/** Mirrors `engine::PartFootprint`: bytes, and devices by ggml's names; `weightsDevice` may be "disk". */
export interface NativePartFootprint {
  weights: number;
  /** Of the weights, what stays in a mapped file. */
  mapped: number;
  /** Most that reading the weights holds beside them. */
  staging: number;
  /** Of mapped files, what is read from them and kept in another form: pages that stay, until the system needs memory. */
  touched: number;
  device: string;
  weightsDevice: string;
  /** Of a text encoder. */
  text: NativeComputation;
}

/** What the headers of a model's files say. */
export interface NativeFootprintInfo extends Pick<NativeModelInfo, "depth" | "dualAttentionBlocks" | "positions"> {
  parts: Record<string, NativePartFootprint>;
}

export interface NativeMeasured {
  diffusion: NativeComputation;
  decode: NativeComputation;
  /** Of T5's text. */
  t5xxl?: NativeComputation;
  encode?: NativeComputation;
  preview?: NativeComputation;
}

export interface NativeFootprint {
  readonly info: NativeFootprintInfo;
  /** What a picture takes, on the calling thread; a picture to begin with is not among the params. Throws for a size that cannot be drawn. */
  measure(params: NativeGenerateParams, chunks: number, t5Tokens: number, beginsWithPicture: boolean): NativeMeasured;
  /** The parts' devices, by ggml's names; `host` is the CPU, whose numbers are the machine's. */
  devices(): Record<string, { free: number; total: number; host: boolean }>;
  /** Frees it; nothing but this may be called afterwards. */
  dispose(): void;
}

/** What `native()` does not know: `force` is for lib/memory/guarded.ts. */
type Forcible<T> = T & { force?: boolean };

/** A model as lib/model.ts uses it: in this process, or in one of its own (lib/engine/isolation/). */
export interface EngineModel extends Pick<NativeModel, "info" | "dispose"> {
  generate(params: Forcible<NativeGenerateParams>, emit: (event: NativeEvent) => void): NativeJob<Timings>;
  countTokens(prompt: string, t5Prompt?: string): TokenCounts | Promise<TokenCounts>;
  /** Bytes by device that the engine's process can still get; absent for another process. */
  free?(): Record<string, number>;
}

/** What loads models and upscalers: `guarded()` or `isolated()`. */
export interface EngineBinding extends Pick<NativeBinding, "loadUpscaler" | "engine"> {
  load(params: Forcible<NativeModelParams>, emit: (event: NativeEvent) => void): NativeJob<EngineModel>;
}

export interface NativeDevice {
  name: string;
  description: string;
  type: Device["type"];
  backend: string;
  memoryFree: number;
  memoryTotal: number;
}

/** One line of a params table: `value` is what the engine gets when `params` is laid over its defaults. */
export interface NativeField {
  name: string;
  type: "string" | "path" | "integer" | "number" | "boolean" | "bigint" | "enum" | "integers" | "numbers" | "loras" | "image";
  values?: string[];
  value: unknown;
}

export interface NativeBinding {
  load(params: NativeModelParams, emit: (event: NativeEvent) => void): NativeJob<NativeModel>;
  convert(params: NativeConvertParams, emit: (event: NativeEvent) => void): NativeJob<{ bytes: number; tensors: Record<string, number> }>;
  loadUpscaler(params: NativeUpscalerParams, emit: (event: NativeEvent) => void): NativeJob<NativeUpscaler>;
  devices(): NativeJob<NativeDevice[]>;
  /** Loads a library with a GPU backend, once; its devices are listed from then on. `content` is that of a compressed file. */
  loadBackend(file: string, content?: Uint8Array): NativeJob<void>;
  /** Rejects when a matrix product on that device fails or is wrong. */
  tryDevice(name: string): NativeJob<void>;
  /** Reads the headers of the files, as `load` would; no weights. */
  openFootprint(params: NativeModelParams, emit: (event: NativeEvent) => void): NativeJob<NativeFootprint>;
  /** What the running job's computation holds on a device until the job ends; `device` is "" without one. */
  heldMemory(): { device: string; bytes: number };
  /** The params tables; nested members are named by path (`skipLayerGuidance.layers`). */
  describe(table: "model" | "generate" | "convert" | "upscaler", params?: object): NativeField[];
  /** Ends this environment's jobs and waits until the engine has let go of them; further calls throw. */
  close(): void;
  /** Engine commit, the CPU features in use, and the CPU variant that was chosen (empty where the build has one alone). */
  readonly engine: { commit: string; system: string; cpuVariant: string };
}

let binding: NativeBinding | undefined;

/**
 * Loads the addon on first use, so that importing the package never fails for a missing binary.
 * @throws NoBinaryError in a bundled copy, and what `fromNative` makes one of
 */
export function native(): NativeBinding {
  process.env.GGML_NO_BACKTRACE ??= "1"; // else a failed assertion forks a debugger before our handler runs
  if (!binding) {
    binding = load(path.dirname(packageFolders().prebuilds)) as NativeBinding;
    process.once("exit", binding.close); // process.exit() skips native cleanup hooks; the engine must not outlive static data
  }
  return binding;
}
