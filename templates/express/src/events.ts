import { Readable } from "node:stream";
import { type Generation, type Image, SdcppError } from "node-sd-cpp";

const message = (event: string, data: unknown) => `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;

async function dataUrl(image: Image, format: "png" | "webp"): Promise<string> {
  return `data:image/${format};base64,${(await image.encode(format)).toString("base64")}`;
}

async function* messages(run: Generation): AsyncGenerator<string, void> {
  let begun = false;
  try {
    for await (const event of run) {
      if (event.type === "queued") yield message("queued", { position: event.position });
      if (event.type === "progress") yield message("progress", { phase: event.phase, step: event.step, steps: event.steps });
      if (event.type === "preview") yield message("preview", { step: event.step, url: await dataUrl(event.preview, "webp") });
      if (event.type === "image") yield message("image", { seed: String(event.seed), url: await dataUrl(event.image, "png") });
      begun = true;
    }
    yield message("done", {});
  } catch (error) {
    if (!begun) throw error;
    const known = error instanceof SdcppError;
    yield message("failed", { message: known ? error.message : "Something went wrong." }); // the status has long been sent
  }
}

/** A run as Server-Sent Events. The stream is there with the first event: until then the answer can still be an error. */
export async function eventStream(run: Generation): Promise<Readable> {
  const all = messages(run);
  const first = await all.next();
  async function* again() {
    if (first.value) yield first.value;
    yield* all;
  }
  return Readable.from(again(), { objectMode: false });
}
