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

type Kind = "interrupt" | "skip";

interface Stop {
  kind: Kind;
  /** What there was of the picture in work. */
  unfinished?: Image;
}

/** A request, while the picture in work was skipped and the next one is not in line yet. */
interface Gap {
  owner: string;
  job?: Job;
  interrupted: boolean;
}

/** The requests that wait for pictures, and how they are stopped: as in the web UI they are answered, with what there is. */
export class Drawings {
  readonly #core: Core;
  readonly #stops = new WeakMap<Job, Stop>();
  /** Jobs that a request waits for, of which pictures can be skipped. */
  readonly #skippable = new WeakSet<Job>();
  readonly #gaps = new Set<Gap>();

  constructor(core: Core) {
    this.#core = core;
  }

  /** What a client's work is at: the job in work, else the one that is next. */
  jobOf(owner: string): Job | undefined {
    const { jobs } = this.#core;
    return jobs.runningOf(owner) ?? jobs.waitingOf(owner)[0] ?? this.#gapOf(owner)?.job;
  }

  isStopped(job: Job, kind: Kind): boolean {
    return this.#stops.get(job)?.kind === kind;
  }

  /** Ends a client's job; `skip` is about the picture in work alone, and does nothing to jobs of other conventions. */
  stop(owner: string, kind: Kind): void {
    const job = this.jobOf(owner);
    if (!job || (kind === "skip" && !this.#skippable.has(job))) return;
    if (job.isOver) {
      const gap = this.#gapOf(owner);
      if (gap && kind === "interrupt") gap.interrupted = true;
      return;
    }
    const last = job.last("preview");
    const unfinished = last?.image === job.pictures.length ? (last.preview as Image) : undefined;
    this.#end(job, { kind, unfinished });
  }

  /**
   * The pictures of a request, with one that was stopped or skipped as far as it came.
   * @throws what `draw` throws, or the job rejects with
   */
  async draw(wish: Wish, owner: string, signal: AbortSignal): Promise<Drawn[]> {
    const drawn: Drawn[] = [];
    const gap: Gap = { owner, interrupted: false };
    try {
      for (let first = 0; first < wish.count && !gap.interrupted; first++) {
        const job = await submit(this.#core, wish, first, owner, signal);
        this.#gaps.delete(gap);
        this.#skippable.add(job);
        if (gap.interrupted) this.#end(job, { kind: "interrupt" });
        await job.settled;
        const stopped = this.#stops.get(job);
        if (!stopped || job.status === "failed") await job.result(); // throws what it ended with
        if (stopped?.kind === "skip") this.#gaps.add(Object.assign(gap, { job }));
        else gap.interrupted = true;
        drawn.push(...job.pictures.map(ofPicture));
        first += job.pictures.length;
        if (stopped?.unfinished) drawn.push(await ofUnfinished(stopped.unfinished, wish, wish.seed + first));
      }
    } finally {
      this.#gaps.delete(gap);
    }
    return drawn;
  }

  #end(job: Job, stop: Stop): void {
    this.#stops.set(job, stop);
    job.cancel();
  }

  #gapOf(owner: string): Gap | undefined {
    return [...this.#gaps].find((gap) => gap.owner === owner);
  }
}

async function submit(core: Core, wish: Wish, first: number, owner: string, signal: AbortSignal): Promise<Job> {
  const { served, options, crop, finish, warnings, seed, count } = wish;
  const { initImage: _, mask: __, ...request } = options;
  return draw(core, {
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
