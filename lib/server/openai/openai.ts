import { DisposedError } from "../../errors.js";
import { readFields } from "../body.js";
import type { Convention, Core, RequestContext } from "../core.js";
import { draw } from "../draw.js";
import type { Job } from "../job.js";
import { base64Of, look, seedOf, usageOf } from "./answer.js";
import { errorBody } from "./errors.js";
import { Fields } from "./fields.js";
import { Links } from "./links.js";
import { type ImageRequest, type Kind, readRequest } from "./request.js";
import { streamImages } from "./stream.js";

/** OpenAI's /v1/images, and the errors of /v1/models. */
export const openai: Convention = {
  name: "openai",
  owns: (path) => /^\/v1\/(images|models)(\/|$)/.test(path),
  isOpen: (path) => Links.isOne(path),
  mount(app, core) {
    const links = new Links(core);
    app.post("/v1/images/generations", (context) => answer(context, core, links, "generation"));
    app.post("/v1/images/edits", (context) => answer(context, core, links, "edit"));
    app.post("/v1/images/variations", (context) => answer(context, core, links, "variation"));
    links.mount(app);
  },
  errorBody,
};

async function answer(context: RequestContext, core: Core, links: Links, kind: Kind): Promise<Response> {
  const request = await readRequest(core, new Fields(await readFields(context, core.options)), kind);
  const { served, options, crop, warnings } = request;
  const job = await draw(core, {
    owner: context.get("owner"),
    model: served.id,
    options,
    crop,
    warnings,
    signal: context.req.raw.signal,
  });
  context.header("x-sdcpp-job", job.id);
  context.header("x-sdcpp-model", encodeURI(served.id)); // files have names that headers cannot have
  if (request.answer.stream) return streamImages(context, core, request, job);
  try {
    await job.result();
    return context.json(await viewJob(context, core, links, request, job));
  } catch (error) {
    if (!(error instanceof DisposedError)) context.header("x-should-retry", "false"); // it would be drawn, and fail, again
    throw error;
  }
}

async function viewJob(context: RequestContext, core: Core, links: Links, request: ImageRequest, job: Job): Promise<object> {
  const { answer } = request;
  const { pictures, warnings, model } = job;
  const data = await Promise.all(
    pictures.map(async (picture) => ({
      ...(answer.b64 && { b64_json: await base64Of(picture, answer) }),
      ...(answer.url && { url: links.add(context, job, picture.index, answer) }),
      ...seedOf(picture),
    })),
  );
  const [first] = pictures;
  return {
    created: Math.floor(Date.now() / 1000),
    data,
    ...(first && look(request, first)),
    usage: await usageOf(core, request, pictures),
    model,
    ...(warnings.length > 0 && { warnings }),
  };
}
