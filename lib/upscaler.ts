import { checkExtra } from "./checkpoint/extras.js";
import { deviceId } from "./engine/backends/names.js";
import type { NativeEvent, NativeJob, NativeUpscaler } from "./engine/binding.js";
import { isolated } from "./engine/isolation/isolated.js";
import { callSite, DisposedError, fromNative, InvalidOptionError, isCancelled } from "./errors.js";
import { guarded } from "./memory/guarded.js";
import { checkOptions, checkValue } from "./options/check.js";
import { backendSpec, imageOption, upscaleOptions, upscalerOptions } from "./options/index.js";
import { Image } from "./picture/image.js";
import { type Picture, readPicture } from "./picture/inputs.js";
import { sharp } from "./picture/sharp.js";
import { progressEvent } from "./run/generation.js";
import { unwatch, watch } from "./run/undisposed.js";
import type { ImageInput, LogEvent, ProgressEvent, UpscaleOptions, UpscalerInfo, UpscalerOptions } from "./types/index.js";

const mostBytes = 2 ** 31; // the engine counts them in an int

/**
 * Loads an ESRGAN network, to enlarge any number of pictures.
 * @throws InvalidOptionError for a wrong option
 * @throws ModelFileError for a file that cannot be used
 * @throws the signal's reason when it is aborted
 */
export async function loadUpscaler(options: UpscalerOptions): Promise<Upscaler> {
  const site = callSite(loadUpscaler);
  const checked = checkOptions(upscalerOptions, options) as unknown as UpscalerOptions & { backend: string };
  const { signal, onProgress, onLog, model, threads, tileSize } = checked;
  signal?.throwIfAborted();
  await checkExtra({ option: "model", file: model, kind: "upscaler" }, { signal });
  const backend = backendSpec(checked.backend);
  const params = { model, tileSize, ...(threads ? { threads } : {}), ...(backend ? { backend } : {}) };
  const engine = () => (checked.isolate ? isolated() : guarded());
  const loaded = await finish(() => engine().loadUpscaler(params, (event) => report(event, onProgress, onLog)), signal, site);
  if (signal?.aborted) {
    await loaded.dispose();
    throw signal.reason;
  }
  return new Upscaler(loaded, onLog);
}

/**
 * Enlarges one picture with an ESRGAN network, which is loaded for this call alone; for several, use `loadUpscaler`.
 * @throws what `loadUpscaler` and `Upscaler.upscale` throw
 */
export async function upscale(image: ImageInput, options: UpscalerOptions & UpscaleOptions): Promise<Image> {
  const { scale, onProgress, signal } = checkOptions({ ...upscalerOptions, ...upscaleOptions }, options) as UpscaleOptions;
  const { scale: _, onProgress: __, ...loading } = options;
  await using upscaler = await loadUpscaler(loading);
  return await upscaler.upscale(image, { scale, onProgress, signal });
}

/** A loaded ESRGAN network; comes from `loadUpscaler`. */
export class Upscaler implements AsyncDisposable {
  readonly info: UpscalerInfo;
  readonly #native: NativeUpscaler;
  readonly #onLog: ((event: LogEvent) => void) | undefined;
  /** Settles when the last call has got its place in the engine's line, so that pictures that read faster do not pass others. */
  #line: Promise<unknown> = Promise.resolve();
  #disposal: Promise<void> | undefined;

  /** @internal */
  constructor(loaded: NativeUpscaler, onLog?: (event: LogEvent) => void) {
    this.#native = loaded;
    this.#onLog = onLog;
    this.info = { ...loaded.info, device: deviceId(loaded.info.device) };
    watch(this, "An upscaler", loaded);
  }

  /**
   * Enlarges a picture. Calls wait in the same line as runs of models, in their order. Transparency is enlarged with Lanczos; an `Image`'s parameters go
   * along.
   * @throws InvalidOptionError for a wrong option, or a picture that cannot be read or would get too large
   * @throws DisposedError after `dispose()`, or when it stops the call
   * @throws the signal's reason when it is aborted
   */
  async upscale(image: ImageInput, options: UpscaleOptions = {}): Promise<Image> {
    const site = callSite(this.upscale);
    this.#stopIfDisposed();
    const { scale = this.info.scale, signal, onProgress } = checkOptions(upscaleOptions, options) as UpscaleOptions;
    signal?.throwIfAborted();
    const given = checkValue(imageOption, image, "image") as ImageInput;
    const before = this.#line;
    let placed = () => {};
    this.#line = Promise.all([before, new Promise<void>((resolve) => (placed = resolve))]);
    try {
      const picture = await readPicture(given, "image");
      this.#checkSize(picture, scale);
      await before;
      this.#stopIfDisposed();
      signal?.throwIfAborted();
      const start = () => this.#native.upscale(picture.color, (event) => report(event, onProgress, this.#onLog));
      const enlarging = finish(start, signal, site);
      placed();
      const enlarged = await enlarging.catch((error) => {
        throw this.#disposal && isAbort(error) && !signal?.aborted
          ? new DisposedError("The upscaler was disposed during the call.")
          : error;
      });
      const { width, height } = picture.color;
      const size = { width: Math.max(1, Math.round(width * scale)), height: Math.max(1, Math.round(height * scale)) };
      return await compose(enlarged, picture, size, image instanceof Image ? image.parameters : undefined);
    } finally {
      placed();
    }
  }

  #checkSize({ color: { width, height } }: Picture, scale: number): void {
    for (const factor of [scale, this.info.scale]) {
      if (width * height * 4 * factor ** 2 < mostBytes) continue;
      throw new InvalidOptionError(
        "image",
        `expected a result of less than 2^29 pixels, received ${width}x${height}, to be enlarged x${factor}`,
      );
    }
  }

  /** Stops this upscaler's calls, which reject with DisposedError, and frees its memory. Further calls return the same promise. */
  dispose(): Promise<void> {
    unwatch(this.#native);
    this.#disposal ??= this.#native.dispose();
    return this.#disposal;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  #stopIfDisposed(): void {
    if (this.#disposal) throw new DisposedError("The upscaler has been disposed. Load it again with loadUpscaler().");
  }
}

function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === "AbortError";
}

function report(event: NativeEvent, onProgress?: (event: ProgressEvent) => void, onLog?: (event: LogEvent) => void): void {
  try {
    if (event.type === "progress" && event.step > 0) onProgress?.(progressEvent(event, 1));
    if (event.type === "log") onLog?.(event);
  } catch {
    // a listener's fault must not end the work it listens to
  }
}

async function finish<T>(start: () => NativeJob<T>, signal: AbortSignal | undefined, site: string): Promise<T> {
  let cancel: (() => void) | undefined;
  try {
    const job = start();
    cancel = () => job.cancel();
    signal?.addEventListener("abort", cancel, { once: true });
    return await job.promise;
  } catch (error) {
    throw signal?.aborted && isCancelled(error) ? signal.reason : fromNative(error, site);
  } finally {
    if (cancel) signal?.removeEventListener("abort", cancel);
  }
}

/** The network's result in the size that was asked for, with the transparency of the original. */
async function compose(
  enlarged: { width: number; height: number; data: Uint8Array },
  { alpha }: Picture,
  size: { width: number; height: number },
  parameters?: string,
): Promise<Image> {
  const fits = enlarged.width === size.width && enlarged.height === size.height;
  if (fits && !alpha) return new Image(enlarged.data, size.width, size.height, 3, parameters);
  const resize = (data: Uint8Array, from: { width: number; height: number }, channels: 1 | 3) =>
    sharp(data, { raw: { width: from.width, height: from.height, channels } }).resize({ ...size, fit: "fill", kernel: "lanczos3" });
  const rgb = resize(enlarged.data, enlarged, 3);
  if (!alpha) return new Image(await rgb.raw().toBuffer(), size.width, size.height, 3, parameters);
  const channel = await resize(alpha.data, alpha, 1).extractChannel(0).raw().toBuffer();
  const joined = sharp(await rgb.raw().toBuffer(), { raw: { ...size, channels: 3 } }).joinChannel(channel, {
    raw: { ...size, channels: 1 },
  });
  return new Image(await joined.raw().toBuffer(), size.width, size.height, 4, parameters);
}
