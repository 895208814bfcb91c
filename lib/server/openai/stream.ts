import type { Core, RequestContext } from "../core.js";
import { describeError } from "../errors.js";
import type { Job } from "../job.js";
import type { Size } from "../size.js";
import { events } from "../sse.js";
import { base64Of, look, previewOf, seedOf, usageOf } from "./answer.js";
import { errorBody } from "./errors.js";
import type { ImageRequest } from "./request.js";

/**
 * The pictures as they come, each after as many unfinished ones as were asked for, spread over its steps. A client that breaks off cancels them.
 */
export function streamImages(context: RequestContext, core: Core, request: ImageRequest, job: Job): Response {
  const name = request.kind === "edit" ? "image_edit" : "image_generation";
  const { answer } = request;
  return events(context, async (stream, signal) => {
    signal.addEventListener("abort", () => job.cancel());
    if (signal.aborted) job.cancel();
    const send = (type: string, data: object) => stream.writeSSE({ event: type, data: JSON.stringify({ type, ...data }) });
    const now = () => Math.floor(Date.now() / 1000);
    const sent = new Map<number, number>();
    for await (const { event } of job.events({ signal })) {
      if (event.type === "preview") {
        const { image, step, preview } = event;
        const index = sent.get(image) ?? 0;
        if (index >= answer.partials || step * (answer.partials + 1) < (job.last("progress")?.steps ?? 1) * (index + 1)) continue;
        sent.set(image, index + 1);
        const size = sizeOf(request);
        const b64_json = await previewOf(preview, size, answer);
        const data = { b64_json, partial_image_index: index, created_at: now(), ...look(request, size) };
        await send(`${name}.partial_image`, data);
      } else if (event.type === "image") {
        const { picture } = event;
        const usage = await usageOf(core, request, [picture]);
        const b64_json = await base64Of(picture, answer);
        const data = { b64_json, created_at: now(), ...look(request, picture), ...seedOf(picture), model: job.model, usage };
        await send(`${name}.completed`, data);
      } else if (event.type === "failed" || event.type === "canceled") {
        const error = event.type === "failed" ? event.error : job.signal.reason;
        await send("error", errorBody(describeError(error, core.roots)));
      }
    }
  });
}

/** What the finished picture will have. */
function sizeOf({ options, crop, served: { defaults } }: ImageRequest): Size {
  return crop ?? { width: options.width ?? defaults.width, height: options.height ?? defaults.height };
}
