import type { LogEvent, ProgressEvent } from "./events.js";
import type { Backend } from "./names.js";

export interface UpscalerOptions {
  /** File of an ESRGAN network (RRDBNet with 3 channels, such as RealESRGAN_x4plus): GGUF, safetensors or .pth. */
  model: string;
  /** Pixels of a tile's side, 32 to 4096. Larger pictures are enlarged in overlapping tiles. Default: 128. */
  tileSize?: number;
  /** Compute threads on the CPU, 1 to 512. Default: the environment variable `SDCPP_THREADS`, else the machine's physical cores. */
  threads?: number;
  /** As in `loadModel`. Default: "auto". */
  backend?: Backend;
  /** Run the engine in a process of its own, as in `loadModel`. Default: false. */
  isolate?: boolean;
  /** Stops the load; it rejects with the signal's reason. */
  signal?: AbortSignal;
  /** Called as the weights come in; what it throws is ignored. */
  onProgress?: (event: ProgressEvent) => void;
  /** Called with each line the engine logs, while loading and in later calls; what it throws is ignored. */
  onLog?: (event: LogEvent) => void;
}

export interface UpscaleOptions {
  /** Factor of both sides, above 0, at most 16. Default: the network's own. Another one resizes the network's result with Lanczos. */
  scale?: number;
  /** Stops it; the call rejects with the signal's reason. */
  signal?: AbortSignal;
  /** Called after each tile (phase `upscale`); what it throws is ignored. */
  onProgress?: (event: ProgressEvent) => void;
}

export interface UpscalerInfo {
  /** Factor of the network: 1, 2 or 4. */
  scale: number;
  /** Residual blocks: 23 in x4plus, 6 in x4plus-anime. */
  blocks: number;
  parameters: number;
  /** Of the weights in memory. */
  bytes: number;
  device: string;
}
