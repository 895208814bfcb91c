import type { ServerContext } from "@modelcontextprotocol/server";
import type { Job } from "../job.js";

/** Clients give up after a minute without a word, and a step of a large model may take longer. */
const beatMs = 10_000;
/** Of the whole, what loading the model counts; it is told in parts of this size, as a model has thousands of tensors. */
const loading = 0.1;
const loadStep = 0.005;

/** Tells the client how far its job is, until it ends: 0 to 1, always rising. Does nothing when the client has not asked for it. */
export async function tellProgress(job: Job, { mcpReq }: ServerContext): Promise<void> {
  const token = mcpReq._meta?.progressToken;
  if (token === undefined) return;
  let last = 0;
  const send = (reached: number) => {
    last = Math.min(1, Math.max(reached, last + 1e-6));
    const params = { progressToken: token, progress: last, total: 1, message: messageOf(job) };
    mcpReq.notify({ method: "notifications/progress", params }).catch(() => {}); // the client has left: the job hears of it
  };
  const timer = setInterval(() => send(last), beatMs);
  try {
    for await (const { event } of job.events({ signal: job.signal })) {
      if (event.type === "progress") {
        const loaded = (loading * event.step) / event.steps;
        if (event.phase !== "load") send(loading + (1 - loading) * job.fraction);
        else if (loaded >= last + loadStep) send(loaded);
      } else if (event.type === "queued" || event.type === "phase") send(last);
    }
  } finally {
    clearInterval(timer);
  }
}

function messageOf(job: Job): string {
  if (job.status === "queued") return `waiting, place ${job.position}`;
  const progress = job.last("progress");
  const phase = job.last("phase")?.phase ?? progress?.phase ?? "load";
  const image = progress && progress.images > 1 ? `, picture ${progress.image + 1} of ${progress.images}` : "";
  return progress?.phase === phase ? `${phase} ${progress.step}/${progress.steps}${image}` : `${phase}${image}`;
}
