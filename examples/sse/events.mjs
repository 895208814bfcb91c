// A run as Server-Sent Events, for express.mjs and fastify.mjs.
import { Readable } from "node:stream";
import { SdcppError } from "node-sd-cpp";

export const headers = { "content-type": "text/event-stream", "cache-control": "no-cache", "x-accel-buffering": "no" }; // the last for nginx

const message = (event, data) => `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;

async function dataUrl(image, format) {
  return `data:image/${format};base64,${(await image.encode(format)).toString("base64")}`;
}

/** What a client may know of an error, and its HTTP status. */
export function explain(error) {
  if (!(error instanceof SdcppError)) return { status: 500, body: { message: "Something went wrong." } };
  const { name, code, message, statusCode } = error;
  return { status: statusCode, body: { name, code, message } };
}

async function* messages(run) {
  let begun = false;
  try {
    for await (const event of run) {
      if (event.type === "queued") yield message("queued", { position: event.position });
      if (event.type === "progress")
        yield message("progress", { phase: event.phase, step: event.step, steps: event.steps, eta: event.eta });
      if (event.type === "preview") yield message("preview", { step: event.step, url: await dataUrl(event.preview, "webp") });
      if (event.type === "image") yield message("image", { seed: String(event.seed), url: await dataUrl(event.image, "png") });
      begun = true;
    }
    yield message("done", await run); // seeds, parameters and seconds; JSON leaves the pixels out
  } catch (error) {
    if (!begun) throw error;
    yield message("error", explain(error).body); // the status has long been sent
  }
}

/**
 * The stream of a run's events. It is there with the first of them: until then a wrong option or a full queue rejects, and the answer can still be an
 * error. Whoever sends it stops the run by its signal when the client leaves.
 */
export async function eventStream(run) {
  const all = messages(run);
  const first = await all.next();
  async function* again() {
    yield first.value;
    yield* all;
  }
  return Readable.from(again(), { objectMode: false });
}
