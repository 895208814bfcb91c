import type { Image } from "../../picture/image.js";
import type { App } from "../core.js";
import type { Job } from "../job.js";
import { timestamp } from "./answer.js";
import type { Drawings } from "./drawing.js";

/** What a client's job is at, and the ways to end it. */
export function progress(app: App, drawings: Drawings): void {
  app.get("/sdapi/v1/progress", async (context) => {
    const job = drawings.jobOf(context.get("owner"));
    const withImage = context.req.query("skip_current_image") !== "true";
    if (!job) return context.json({ progress: 0, eta_relative: 0, state: idle, current_image: null, textinfo: null });
    return context.json(await view(job, drawings, withImage));
  });
  app.post("/sdapi/v1/interrupt", (context) => {
    drawings.stop(context.get("owner"), "interrupt");
    return context.json({});
  });
  app.post("/sdapi/v1/skip", (context) => {
    drawings.stop(context.get("owner"), "skip");
    return context.json(null);
  });
}

const idle = {
  skipped: false,
  interrupted: false,
  stopping_generation: false,
  job: "",
  job_count: 0,
  job_timestamp: "0",
  job_no: 0,
  sampling_step: 0,
  sampling_steps: 0,
};

async function view(job: Job, drawings: Drawings, withImage: boolean): Promise<object> {
  const last = job.last("progress");
  const sampling = last?.phase === "sample" ? last : undefined;
  const { batchCount } = job.request as { batchCount?: unknown };
  const fraction = Math.max(0.01, job.fraction); // 0 is idle
  const seconds = job.started === undefined ? 0 : (Date.now() - job.started) / 1000;
  const preview = withImage ? (job.last("preview")?.preview as Image | undefined) : undefined;
  return {
    progress: fraction,
    eta_relative: job.fraction > 0 ? seconds / fraction - seconds : 0,
    state: {
      ...idle,
      skipped: drawings.isStopped(job, "skip"),
      interrupted: drawings.isStopped(job, "interrupt"),
      job: job.kind,
      job_count: Math.max(1, typeof batchCount === "number" ? batchCount : (last?.images ?? 1)),
      job_timestamp: timestamp(new Date(job.created)),
      job_no: last?.image ?? 0,
      sampling_step: sampling?.step ?? 0,
      sampling_steps: sampling?.steps ?? 0,
    },
    current_image: preview ? (await preview.encode("png")).toString("base64") : null,
    textinfo: job.status === "queued" ? `In line: place ${job.position}` : (job.last("phase")?.phase ?? null),
  };
}
