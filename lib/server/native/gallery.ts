import path from "node:path";
import { openImage } from "../../picture/inputs.js";
import { readParameters } from "../../picture/parameters.js";
import { pictureOf, readFields } from "../body.js";
import type { App, Core, RequestContext } from "../core.js";
import { HttpError } from "../errors.js";
import type { Kept, Summary } from "../gallery/kept.js";
import { mediaTypes } from "./jobs.js";
import { json } from "./json.js";

const mostOfPage = 200;

/** Finished pictures: listed, looked at, searched, deleted; and what any picture says about how it was made. */
export function gallery(app: App, core: Core): void {
  const { basePath } = core.options;
  const { gallery } = core;
  const address = (kind: string, { name, time }: Kept) =>
    `${basePath}/v1/gallery/${kind}/${name.split("/").map(encodeURIComponent).join("/")}?t=${Math.round(time)}`;
  const find = (context: RequestContext) => gallery.find(context.get("owner"), context.req.param("name") ?? "");

  app.get("/v1/gallery", async (context) => {
    const { q: query, after, limit: text = "60" } = context.req.query();
    const limit = Number(text);
    if (!Number.isInteger(limit) || limit < 1 || limit > mostOfPage)
      throw new HttpError(400, "invalid_limit", `limit: expected an integer from 1 to ${mostOfPage}.`, "limit");
    const { pictures, total, next } = await gallery.page(context.get("owner"), { query, after, limit });
    const view = pictures.map(({ kept, summary }) => ({
      name: kept.name,
      time: new Date(kept.time).toISOString(),
      url: address("pictures", kept),
      thumbnail: address("thumbnails", kept),
      parameters: summary && brief(summary),
    }));
    return json({ kind: gallery.shelf.kind, deletes: gallery.deletes, total, next, pictures: view }, 200, context.res.headers);
  });

  app.get("/v1/gallery/pictures/:name{.+}", async (context) => {
    const kept = await find(context);
    context.header("content-type", mediaTypes[path.extname(kept.name).slice(1).toLowerCase()]);
    return picture(context, await kept.read());
  });

  app.get("/v1/gallery/thumbnails/:name{.+}", async (context) => {
    const kept = await find(context);
    const bytes = await gallery.thumbnails.of(`${kept.time} ${kept.name}`, kept.read);
    context.header("content-type", "image/webp");
    return picture(context, bytes);
  });

  app.get("/v1/gallery/parameters/:name{.+}", async (context) =>
    json({ parameters: await (await find(context)).parameters() }, 200, context.res.headers),
  );

  app.delete("/v1/gallery/pictures/:name{.+}", async (context) => {
    const name = context.req.param("name");
    await gallery.remove(context.get("owner"), name);
    return context.json({ deleted: name });
  });

  app.post("/v1/parameters", async (context) => {
    const { image, ...rest } = await readFields(context, core.options);
    const [unknown] = Object.keys(rest);
    if (unknown !== undefined) throw new HttpError(400, "unknown_field", `${unknown}: expected image alone.`, unknown);
    const bytes = pictureOf(image, "image");
    const { width, height } = await openImage(bytes, "image");
    return json({ width, height, parameters: await readParameters(bytes) }, 200, context.res.headers);
  });
}

/** The address has the file's time: another picture has another one. */
function picture(context: RequestContext, bytes: Buffer<ArrayBuffer>): Response {
  context.header("cache-control", "private, max-age=31536000, immutable");
  return context.body(bytes);
}

/** What a list shows. */
function brief({ prompt, seed, width, height, model }: Summary): object {
  return { prompt: prompt.length > 400 ? `${prompt.slice(0, 400)}…` : prompt, seed, width, height, model };
}
