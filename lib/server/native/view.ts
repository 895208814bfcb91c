import type { Image } from "../../types/index.js";
import { describeError } from "../errors.js";
import type { Job, JobEvent } from "../job.js";
import type { Picture } from "../picture.js";

const iso = (time: number | undefined) => (time === undefined ? undefined : new Date(time).toISOString());

/** A job as its owner sees it. */
export function viewJob(job: Job, base: string, roots: readonly string[]): object {
  const { id, kind, model, status, position, created, started, ended, fraction, warnings, request } = job;
  const progress = job.last("progress");
  const phase = job.last("phase");
  return {
    id,
    kind,
    model,
    status,
    ...(status === "queued" ? { position } : {}),
    created: iso(created),
    started: iso(started),
    ended: iso(ended),
    progress: {
      fraction,
      ...(phase && { phase: phase.phase }),
      ...(progress && {
        phase: progress.phase,
        step: progress.step,
        steps: progress.steps,
        image: progress.image,
        images: progress.images,
        eta: progress.eta,
      }),
    },
    images: job.pictures.map((picture) => viewPicture(picture, id, base)),
    ...(warnings.length > 0 && { warnings }),
    ...(job.error !== undefined && { error: viewError(job.error, roots) }),
    request,
  };
}

function viewPicture({ index, seed, width, height, parameters, file }: Picture, job: string, base: string): object {
  return {
    index,
    seed: seed === undefined ? undefined : String(seed),
    width,
    height,
    url: `${base}/v1/jobs/${job}/images/${index}.png`,
    ...(file === undefined ? {} : { file }),
    parameters,
  };
}

export function viewError(error: unknown, roots: readonly string[]): object {
  const { code, message, param, status } = describeError(error, roots);
  return { code, message, param, status };
}

const jpegs = new WeakMap<Image, Promise<Buffer>>();

/** Once for all who listen. */
function jpegOf(preview: Image): Promise<Buffer> {
  const jpeg = jpegs.get(preview) ?? preview.encode("jpeg", { quality: 75, metadata: false });
  jpegs.set(preview, jpeg);
  return jpeg;
}

/** An event as SSE data. Previews are small JPEGs as data URLs. */
export async function viewEvent(event: JobEvent, job: Job, base: string, roots: readonly string[]): Promise<object> {
  switch (event.type) {
    case "preview": {
      const { image, step, pass, preview } = event;
      const jpeg = await jpegOf(preview);
      return {
        image,
        step,
        pass,
        width: preview.width,
        height: preview.height,
        preview: `data:image/jpeg;base64,${jpeg.toString("base64")}`,
      };
    }
    case "image":
      return viewPicture(event.picture, job.id, base);
    case "failed":
      return viewError(event.error, roots);
    case "done":
    case "canceled":
      return viewJob(job, base, roots);
    default: {
      const { type: _type, ...rest } = event;
      return rest;
    }
  }
}
