import { toJson } from "../../picture/json.js";
import type { ImageFormat } from "../../types/index.js";
import { readFields } from "../body.js";
import type { App, Core } from "../core.js";
import { draw } from "../draw.js";
import { HttpError } from "../errors.js";
import { events } from "../sse.js";
import { json } from "./json.js";
import { readRequest } from "./request.js";
import { viewEvent, viewJob } from "./view.js";

export const mediaTypes: Record<string, string> = {
  png: "image/png",
  jpg: "image/jpeg",
  jpeg: "image/jpeg",
  webp: "image/webp",
  avif: "image/avif",
};

/** The jobs API: put work into the line, watch it, stop it, fetch its pictures. */
export function jobs(app: App, core: Core): void {
  const { basePath } = core.options;

  app.post("/v1/jobs", async (context) => {
    const { model, options } = readRequest(await readFields(context, core.options));
    const { mask, initImage } = options;
    const pictures = { ...(initImage && { initImage: "(a picture)" }), ...(mask && { mask: "(a picture)" }) };
    const wanted = imageType(context.req.header("accept"));
    const signal = wanted && context.req.raw.signal; // who waits for the picture itself wants none when gone
    const job = await draw(core, { owner: context.get("owner"), model, options, request: { ...options, ...pictures }, signal });
    if (wanted) {
      const [picture] = await job.result();
      if (!picture) throw new HttpError(500, "no_picture", "The job ended without a picture.");
      context.header("x-seed", String(picture.seed));
      context.header("content-type", mediaTypes[wanted]);
      return context.body(await picture.encode(wanted));
    }
    context.header("location", `${basePath}/v1/jobs/${job.id}`);
    return json(viewJob(job, basePath, core.roots), 202, context.res.headers);
  });

  app.get("/v1/jobs", (context) => {
    const { status } = context.req.query();
    const wanted = status?.split(",");
    const list = core.jobs.list(context.get("owner")).filter((job) => wanted?.includes(job.status) ?? true);
    return json({ jobs: list.map((job) => viewJob(job, basePath, core.roots)) }, 200, context.res.headers);
  });

  /** Clears the owner's line: what waits is canceled, what is in work goes on. */
  app.delete("/v1/jobs", (context) => {
    const waiting = core.jobs.waitingOf(context.get("owner"));
    for (const job of waiting) job.cancel();
    return context.json({ canceled: waiting.map(({ id }) => id) });
  });

  app.get("/v1/jobs/:id", (context) => {
    const job = core.jobs.get(context.req.param("id"), context.get("owner"));
    return json(viewJob(job, basePath, core.roots), 200, context.res.headers);
  });

  /** Stops a job that has not ended; forgets one that has. */
  app.delete("/v1/jobs/:id", async (context) => {
    const job = core.jobs.get(context.req.param("id"), context.get("owner"));
    if (job.isOver) core.jobs.remove(job);
    else {
      job.cancel();
      await job.settled;
    }
    return json(viewJob(job, basePath, core.roots), 200, context.res.headers);
  });

  app.patch("/v1/jobs/:id", async (context) => {
    const job = core.jobs.get(context.req.param("id"), context.get("owner"));
    const { position, ...rest } = await readFields(context, core.options);
    if (!Number.isInteger(position) || (position as number) < 1 || Object.keys(rest).length > 0)
      throw new HttpError(400, "invalid_position", "position: expected the job's new place among yours, 1 or more.", "position");
    core.jobs.move(job, position as number);
    return json(viewJob(job, basePath, core.roots), 200, context.res.headers);
  });

  app.get("/v1/jobs/:id/events", (context) => {
    const job = core.jobs.get(context.req.param("id"), context.get("owner"));
    const after = Number(context.req.header("last-event-id") ?? context.req.query("after") ?? 0);
    return events(context, async (stream, signal) => {
      for await (const { id, event } of job.events({ after: Number.isInteger(after) ? after : 0, signal })) {
        const data = toJson(await viewEvent(event, job, basePath, core.roots));
        await stream.writeSSE({ id: String(id), event: event.type, data });
      }
    });
  });

  app.get("/v1/jobs/:id/images/:name", async (context) => {
    const job = core.jobs.get(context.req.param("id"), context.get("owner"));
    const [, index = "", ending = "png"] = /^(\d{1,4})(?:\.(png|jpe?g|webp|avif))?$/.exec(context.req.param("name")) ?? [];
    const picture = index === "" ? undefined : job.pictures[Number(index)];
    if (!picture) throw new HttpError(404, "not_found", "There is no such picture, or not yet.");
    const bytes = await picture.encode(ending as ImageFormat);
    context.header("content-type", mediaTypes[ending]);
    context.header("cache-control", "private, max-age=31536000, immutable");
    return context.body(bytes);
  });
}

/** The first picture's type that an Accept header names; undefined when it does not begin with one. */
function imageType(accept = ""): ImageFormat | undefined {
  if (!/^\s*image\//i.test(accept)) return undefined;
  const [, name = "png"] = /image\/(png|jpeg|webp|avif)\b/i.exec(accept) ?? [];
  return name.toLowerCase() as ImageFormat;
}
