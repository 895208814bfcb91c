import { pictureOf, readFields } from "../body.js";
import type { App, Core } from "../core.js";
import { enlarge } from "../enlarge.js";
import { HttpError } from "../errors.js";
import { json } from "./json.js";
import { viewJob } from "./view.js";

/** Pictures made larger, as jobs beside those that draw. */
export function upscales(app: App, core: Core): void {
  const { basePath } = core.options;
  app.post("/v1/upscales", async (context) => {
    const { image, upscaler = "lanczos", scale, ...rest } = await readFields(context, core.options);
    const [unknown] = Object.keys(rest);
    if (unknown !== undefined) throw new HttpError(400, "unknown_field", `${unknown}: expected image, upscaler and scale.`, unknown);
    if (typeof upscaler !== "string")
      throw new HttpError(400, "invalid_upscaler", "upscaler: expected a name of /v1/upscalers.", "upscaler");
    const factor = scale === undefined || scale === null ? undefined : Number(scale);
    const images = (Array.isArray(image) ? image : [image]).map((one) => pictureOf(one, "image"));
    const job = await enlarge(core, { owner: context.get("owner"), upscaler, image: images, scale: factor });
    context.header("location", `${basePath}/v1/jobs/${job.id}`);
    return json(viewJob(job, basePath, core.roots), 202, context.res.headers);
  });
}
