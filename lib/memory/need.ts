import type { NativeComputation, NativeFootprintInfo, NativeMeasured, NativePartFootprint } from "../engine/binding.js";

/**
 * Main memory that a model takes beside weights and computation, bytes: the vocabularies of the tokenizers (60 MB), the addon's code, the lists
 * of tensors, and JavaScript's share. Measured on Linux x64: 70 to 92 MB; see docs/memory.md.
 */
export const engineBytes = 84e6;

/** Addresses that the list of a part's graph takes, with little memory behind them; they count for `ulimit -v` alone. */
export const graphAddresses = 142e6;

/** Of the finished pictures' pixels, and of one decoded picture as floats on its way to them. */
const keptBytesPerPixel = 3;
const decodedBytesPerPixel = 24;

/** ggml's name of the main memory. */
export const host = "CPU";

/** What decides the memory of pictures, beside what was measured for them. */
export interface PictureSize {
  /** Of the finished picture. */
  width: number;
  height: number;
  batchCount: number;
}

/** Bytes on one device. */
export interface DeviceNeed {
  /** Most at any time from the beginning of the load to the end of a run. */
  peak: number;
  /** Of these, pages of mapped files, which the system takes back when it needs memory. */
  mapped: number;
  /** Most that a run takes beyond what stays from the load. */
  run: number;
  /** Addresses without memory behind them. */
  reserved: number;
}

type Bytes = Record<string, number>;

/** What a model and a run take on each device, by ggml's names. `maxVram` in bytes. */
export function needOf(
  info: NativeFootprintInfo,
  measured: NativeMeasured,
  size: PictureSize,
  maxVram?: number,
): Record<string, DeviceNeed> {
  const parts = Object.entries(info.parts);
  const stays: Bytes = { [host]: engineBytes };
  const mapped: Bytes = {};
  for (const [, part] of parts) {
    if (part.weightsDevice !== "disk") add(stays, part.weightsDevice, part.weights);
    add(mapped, part.weightsDevice, part.mapped);
    add(stays, host, part.touched);
    add(mapped, host, part.touched);
  }
  const run: Bytes = {};
  for (const phase of phasesOf(info, measured, maxVram)) raise(run, phase);
  add(run, host, pictureBytes(size) + workOf(info, measured));
  const loading = Math.max(0, ...parts.map(([, part]) => (part.weightsDevice === "disk" ? 0 : part.staging)));

  const devices = new Set([...Object.keys(stays), ...Object.keys(run)]);
  return Object.fromEntries(
    Array.from(devices, (device) => {
      const [kept = 0, taken = 0] = [stays[device], run[device]];
      const passing = Math.max(taken, device === host ? loading : 0);
      const reserved = device === host ? parts.length * graphAddresses : 0;
      return [device, { peak: kept + passing, mapped: mapped[device] ?? 0, run: taken, reserved }];
    }),
  );
}

/** Pixels of the pictures of a run. */
export function pictureBytes({ width, height, batchCount }: PictureSize): number {
  return width * height * (keptBytesPerPixel * batchCount + decodedBytesPerPixel);
}

/** ggml's scratch memory: it grows to the largest that a computation needs, and stays. */
export function workOf(info: NativeFootprintInfo, measured: NativeMeasured): number {
  const computations = [
    ...Object.values(measured as unknown as Record<string, NativeComputation>),
    ...Object.values(info.parts).map(({ text }) => text),
  ];
  return Math.max(...computations.map(({ work }) => work));
}

/** What each phase of a run holds at its peak: its computation, and weights that are brought for it. */
function phasesOf({ parts }: NativeFootprintInfo, measured: NativeMeasured, maxVram = Number.POSITIVE_INFINITY): Bytes[] {
  const { diffusion, vae, taesd } = parts;
  const autoencoder = vae ?? taesd;
  const encoders = ["clipL", "clipG", "t5xxl"].flatMap((name) => {
    const part = parts[name];
    return part ? { ...part, text: (name === "t5xxl" && measured.t5xxl) || part.text } : [];
  });
  const phase = (...computed: [NativePartFootprint | undefined, number][]): Bytes => {
    const bytes: Bytes = {};
    for (const [part, buffer] of computed) {
      if (!part) continue;
      if (part.weightsDevice !== part.device) add(bytes, part.device, part.weights);
      if (part.weightsDevice === "disk") add(bytes, host, part.staging);
      add(bytes, part.device, buffer);
    }
    for (const device of Object.keys(bytes)) if (device !== host) bytes[device] = Math.min(bytes[device] ?? 0, maxVram);
    return bytes;
  };
  // Weights from disk stay until the last encoder is done; those from main memory go after each.
  const fromDisk = encoders.some(({ weightsDevice }) => weightsDevice === "disk");
  const largest = Math.max(0, ...encoders.map(({ text }) => text.buffer));
  return [
    ...(fromDisk ? [phase(...encoders.map((part, index): [NativePartFootprint, number] => [part, index ? 0 : largest]))] : []),
    ...(fromDisk ? [] : encoders.map((part) => phase([part, part.text.buffer]))),
    phase([autoencoder, measured.encode?.buffer ?? 0]),
    phase([diffusion, measured.diffusion.buffer], ...previewOf(parts, measured)),
    phase([autoencoder, measured.decode.buffer]),
  ];
}

/** What makes the previews works while the diffusion model holds its memory. */
function previewOf({ vae, taesd }: NativeFootprintInfo["parts"], { preview }: NativeMeasured): [NativePartFootprint | undefined, number][] {
  return preview ? [[taesd ?? vae, preview.buffer]] : [];
}

function add(bytes: Bytes, device: string, amount: number): void {
  bytes[device] = (bytes[device] ?? 0) + amount;
}

function raise(most: Bytes, bytes: Bytes): void {
  for (const [device, amount] of Object.entries(bytes)) most[device] = Math.max(most[device] ?? 0, amount);
}
