import {
  type NativeFootprint,
  type NativeFootprintInfo,
  type NativeGenerateParams,
  type NativeMeasured,
  type NativeModelParams,
  native,
} from "../engine/binding.js";
import { isCancelled } from "../errors.js";
import type { DeviceMemory } from "../types/index.js";
import { availableMemory } from "./available.js";
import { type DeviceNeed, host, needOf, type PictureSize } from "./need.js";

/** A run, as far as it decides what memory it takes. */
export interface Picture {
  /** As native code takes them; pictures to begin with are left out. */
  params: NativeGenerateParams;
  /** Whether there is a picture to begin with. */
  beginsWithPicture?: boolean;
  /** Chunks of 77 tokens that the CLIPs read of the longer prompt. Default: 1. */
  chunks?: number;
  /** Tokens that T5 reads of it, with the end token and padding. Default: 77 for each chunk. */
  t5Tokens?: number;
}

/** What a device can still give to this process, in bytes. */
export interface DeviceFree extends Pick<DeviceMemory, "bound"> {
  bytes: number;
}

/** The smallest picture with which a model is of use: what must fit for it to be loaded. */
export const smallest: Picture = { params: { width: 64, height: 64 } };

/** Of the finished pictures. */
export function sizeOf({ params: { width = 0, height = 0, batchCount = 1, hires } }: Picture): PictureSize {
  return { width: hires?.width ?? width, height: hires?.height ?? height, batchCount };
}

/** Sizes whose measurements are kept, since most runs repeat one. */
const kept = 16;

/** What a model takes, told from the headers of its files. */
export class Footprint {
  readonly info: NativeFootprintInfo;
  readonly #native: NativeFootprint;
  readonly #maxVram: number | undefined;
  readonly #measured = new Map<string, NativeMeasured>();

  /** @param maxVram GiB, as in `offload` */
  constructor(footprint: NativeFootprint, maxVram?: number) {
    this.#native = footprint;
    this.#maxVram = maxVram === undefined ? undefined : maxVram * 2 ** 30;
    this.info = footprint.info;
  }

  /** What native code measures for a picture; throws for a size that the model cannot draw. */
  measure({ params, beginsWithPicture = false, chunks = 1, t5Tokens = 77 * chunks }: Picture): NativeMeasured {
    const { width, height, vaeTiling, hires, preview } = params;
    const decisive = { width, height, vaeTiling, hires, preview };
    const key = JSON.stringify([decisive, chunks, t5Tokens, beginsWithPicture]);
    const known = this.#measured.get(key);
    if (known) return known;
    const measured = this.#native.measure(decisive, chunks, t5Tokens, beginsWithPicture);
    if (this.#measured.size >= kept) this.#measured.clear();
    this.#measured.set(key, measured);
    return measured;
  }

  /** By device, in ggml's names. */
  need(picture: Picture): Record<string, DeviceNeed> {
    return needOf(this.info, this.measure(picture), sizeOf(picture), this.#maxVram);
  }

  /** What each device has free, in ggml's names. What the running picture's computation holds counts as free, since it ends before the next begins. */
  free(): Record<string, DeviceFree> {
    const held = native().heldMemory();
    const free: Record<string, DeviceFree> = { [host]: availableMemory() };
    for (const [device, { free: bytes, host: isHost }] of Object.entries(this.#native.devices())) {
      if (!isHost) free[device] = { bytes, bound: "device" };
    }
    const busy = free[held.device];
    if (busy) busy.bytes += held.bytes;
    return free;
  }

  /** Frees what native code holds for it. */
  close(): void {
    this.#native.dispose();
  }
}

/**
 * Reads the headers of the files that `params` name. It is a job like others: it waits for the picture that is being drawn.
 * Rejects as a load would, and with the signal's reason when it is aborted.
 */
export async function openFootprint(params: NativeModelParams, signal?: AbortSignal): Promise<Footprint> {
  signal?.throwIfAborted();
  const job = native().openFootprint(params, () => {});
  signal?.addEventListener("abort", job.cancel, { once: true });
  try {
    return new Footprint(await job.promise, params.offload?.maxVram);
  } catch (error) {
    throw signal?.aborted && isCancelled(error) ? signal.reason : error;
  } finally {
    signal?.removeEventListener("abort", job.cancel);
  }
}
