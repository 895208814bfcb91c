import { Image } from "../../picture/image.js";
import type { ImageFormat } from "../../types/index.js";
import type { Core } from "../core.js";
import { draw } from "../draw.js";
import type { Job } from "../job.js";
import type { Picture } from "../picture.js";
import { middle } from "../size.js";
import type { Wish } from "./request.js";

/** A picture of an answer. */
export interface Drawn {
  seed: number;
  /** How it was made, as text. */
  parameters: string;
  encode(format: ImageFormat, quality: number): Promise<Buffer>;
}

interface Stop {
  kind: "interrupt" | "skip";
  /** What there was of the picture in work. */
  unfinished?: Image;
}

const stops = new WeakMap<Job, Stop>();
/** Jobs that a request waits for, of which pictures can be skipped. */
const skippable = new WeakSet<Job>();

/**
 * Ends a job as the web UI does: the request that waits for it is answered, with the picture in work as far as it came. `skip` is about that
 * picture alone, and does nothing to jobs of other conventions.
 */
export function stop(job: Job, kind: Stop["kind"]): void {
  if (kind === "skip" && !skippable.has(job)) return;
  const last = job.last("preview");
  const unfinished = last?.image === job.pictures.length ? (last.preview as Image) : undefined;
  stops.set(job, { kind, unfinished });
  job.cancel();
}

export const isStopped = (job: Job, kind: Stop["kind"]) => stops.get(job)?.kind === kind;

/**
 * The pictures of a request, with the one that was stopped or skipped as far as it came.
 * @throws what `draw` throws, or the job rejects with
 */
export async function drawAll(core: Core, wish: Wish, owner: string, signal: AbortSignal): Promise<Drawn[]> {
  const drawn: Drawn[] = [];
  for (let first = 0; first < wish.count; ) {
    const job = await submit(core, wish, first, owner, signal);
    await job.settled;
    const stopped = stops.get(job);
    if (!stopped) await job.result(); // throws what it ended with
    drawn.push(...job.pictures.map(ofPicture));
    first += job.pictures.length;
    if (!stopped) return drawn;
    if (stopped.unfinished) drawn.push(await ofUnfinished(stopped.unfinished, wish, wish.seed + first));
    if (stopped.kind === "interrupt" || signal.aborted) return drawn;
    first++;
  }
  return drawn;
}

async function submit(core: Core, wish: Wish, first: number, owner: string, signal: AbortSignal): Promise<Job> {
  const { served, options, crop, finish, warnings, seed, count } = wish;
  const { initImage: _, mask: __, ...request } = options;
  const job = await draw(core, {
    owner,
    model: served.id,
    // what comes after a skipped picture had its turn already
    options: { ...options, seed: seed + first, batchCount: count - first, ...(first > 0 && { priority: 10 }) },
    request: { ...request, seed: seed + first, batchCount: count - first, ...(options.initImage && { initImage: "(a picture)" }) },
    crop,
    finish,
    warnings,
    signal,
  });
  skippable.add(job);
  return job;
}

function ofPicture(picture: Picture): Drawn {
  return {
    seed: Number(picture.seed),
    parameters: picture.parameters ?? "",
    encode: (format, quality) => picture.encode(format, format === "png" ? {} : { quality }),
  };
}

/** A preview in the size of the picture that it would have become. */
async function ofUnfinished(preview: Image, { options, crop, finish, size }: Wish, seed: number): Promise<Drawn> {
  const { width = size.width, height = size.height } = typeof options.hires === "object" ? options.hires : options;
  const text = `${options.prompt}\nSteps: ${options.steps ?? 0}, Seed: ${seed}, Size: ${width}x${height}, Unfinished: true`;
  const area = crop ? middle({ width, height }, crop) : { left: 0, top: 0, width, height };
  const pixels = await preview.toSharp().resize({ width, height, fit: "fill" }).extract(area).raw().toBuffer();
  const shown = new Image(pixels, area.width, area.height, preview.channels, text);
  const image = finish ? await finish(shown) : shown;
  return { seed, parameters: text, encode: (format, quality) => image.encode(format, format === "png" ? {} : { quality }) };
}
