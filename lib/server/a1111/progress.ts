import type { Image } from "../../picture/image.js";
import type { App, Core } from "../core.js";
import type { Job } from "../job.js";
import { timestamp } from "./answer.js";
import { isStopped, stop } from "./drawing.js";

/** What a client's job is at, and the ways to end it. A client that has several sees the one in work, else the one that is next. */
export function progress(app: App, core: Core): void {
  const jobOf = (owner: string) => core.jobs.runningOf(owner) ?? core.jobs.waitingOf(owner)[0];

  app.get("/sdapi/v1/progress", async (context) => {
    const job = jobOf(context.get("owner"));
    const withImage = context.req.query("skip_current_image") !== "true";
    return context.json(
      job ? await view(job, withImage) : { progress: 0, eta_relative: 0, state: idle, current_image: null, textinfo: null },
    );
  });

  for (const kind of ["interrupt", "skip"] as const) {
    app.post(`/sdapi/v1/${kind}`, (context) => {
      const job = jobOf(context.get("owner"));
      if (job) stop(job, kind);
      return context.json(kind === "interrupt" ? {} : null);
    });
  }
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

async function view(job: Job, withImage: boolean): Promise<object> {
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
      skipped: isStopped(job, "skip"),
      interrupted: isStopped(job, "interrupt"),
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
