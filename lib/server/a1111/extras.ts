import { InvalidOptionError } from "../../errors.js";
import { Image } from "../../picture/image.js";
import { openImage } from "../../picture/inputs.js";
import { readTexts } from "../../picture/metadata.js";
import { parseParameters } from "../../picture/parameters.js";
import { sharp } from "../../picture/sharp.js";
import { pictureOf, readFields } from "../body.js";
import type { App, Core, RequestContext } from "../core.js";
import { checkPicture } from "../draw.js";
import { enlarge } from "../enlarge.js";
import { HttpError } from "../errors.js";
import { middle } from "../size.js";
import { type Fields, flagIn, integerIn, numberIn, textIn } from "./fields.js";
import { resizerLabels } from "./names.js";
import type { AllSettings, Settings } from "./settings.js";

/** Pictures made larger, and what a picture's file says of how it was made. */
export function extras(app: App, core: Core, settings: AllSettings): void {
  const requestOf = (context: RequestContext, fields: Fields): Request => {
    const owner = context.get("owner");
    return { core, fields, owner, signal: context.req.raw.signal, settings: settings.of(owner) };
  };

  app.post("/sdapi/v1/extra-single-image", async (context) => {
    const fields = await readFields(context, core.options);
    const [image = ""] = await enlargeAll(requestOf(context, fields), [pictureOf(fields.image, "image")]);
    return context.json({ html_info: "", image });
  });

  app.post("/sdapi/v1/extra-batch-images", async (context) => {
    const fields = await readFields(context, core.options);
    const list = Array.isArray(fields.imageList) ? (fields.imageList as ({ data?: unknown } | null)[]) : [];
    const images = list.map((item, at) => pictureOf(item?.data, `imageList[${at}]`));
    if (images.length === 0) throw new HttpError(422, "HTTPException", "imageList: expected at least one picture.", "imageList");
    return context.json({ html_info: "", images: await enlargeAll(requestOf(context, fields), images) });
  });

  app.post("/sdapi/v1/png-info", async (context) => {
    const bytes = pictureOf((await readFields(context, core.options)).image, "image");
    await openImage(bytes, "image");
    const items = await readTexts(bytes);
    const info = items.parameters ?? items.UserComment ?? "";
    const { prompt, negativePrompt, fields } = parseParameters(info);
    const parameters = info === "" ? {} : { Prompt: prompt, "Negative prompt": negativePrompt, ...fields };
    return context.json({ info, items, parameters });
  });
}

interface Request {
  core: Core;
  fields: Fields;
  owner: string;
  signal: AbortSignal;
  settings: Settings;
}

/** As base64, in the client's format. All pictures are one job. */
async function enlargeAll({ core, fields, owner, signal, settings }: Request, images: readonly Buffer[]): Promise<string[]> {
  const [first, second] = [nameOf(fields, "upscaler_1"), nameOf(fields, "upscaler_2")];
  const visibility = second === undefined ? 0 : Math.min(1, Math.max(0, numberIn(fields, "extras_upscaler_2_visibility") ?? 0));
  const size = integerIn(fields, "resize_mode") === 1 ? sizeIn(fields) : undefined;
  const { maxImages } = core.options;
  if (images.length > maxImages)
    throw new HttpError(400, "over_limit", `imageList: this server allows at most ${maxImages}, received ${images.length}.`, "imageList");
  const results: string[] = [];
  for (const group of size ? images.map((image) => [image]) : [images]) {
    // to a size, each picture has a factor of its own
    const scale = first === undefined ? 1 : size ? await factorFor(group[0] as Buffer, size) : (numberIn(fields, "upscaling_resize") ?? 2);
    const run = async (upscaler: string) =>
      Promise.all((await (await enlarge(core, { owner, upscaler, image: group, scale, signal })).result()).map((one) => one.png()));
    const enlarged = await run(first ?? "lanczos");
    const others = first !== undefined && second !== undefined && visibility > 0 ? await run(second) : [];
    for (const [at, png] of enlarged.entries()) {
      const other = others[at];
      const blended = other ? await blend(png, other, visibility) : png;
      const crop = first !== undefined && size && flagIn(fields, "upscaling_crop", true) ? size : undefined;
      const whole = blended === png && crop === undefined && settings.format === "png";
      const bytes = whole ? png : await encode(blended, crop, settings, (await readTexts(png)).parameters);
      results.push(bytes.toString("base64"));
    }
  }
  return results;
}

/** Undefined for none: the picture is given back as it is. */
function nameOf(fields: Fields, field: string): string | undefined {
  const name = textIn(fields, field) || "None";
  return name === "None" ? undefined : (resizerLabels.get(name) ?? name);
}

function sizeIn(fields: Fields): { width: number; height: number } {
  const side = (name: string) => {
    const pixels = integerIn(fields, name) ?? 512;
    if (pixels >= 1 && pixels <= 16_384) return pixels;
    throw new HttpError(422, "HTTPException", `${name}: expected 1 to 16384, received ${pixels}.`, name);
  };
  return { width: side("upscaling_resize_w"), height: side("upscaling_resize_h") };
}

/** By which the picture covers the size. */
async function factorFor(image: Buffer, size: { width: number; height: number }): Promise<number> {
  await checkPicture(image, "image");
  const { width, height } = await openImage(image, "image");
  return Math.max(size.width / width, size.height / height);
}

async function blend(below: Buffer, above: Buffer, part: number): Promise<Buffer> {
  const { data, info } = await sharp(above).removeAlpha().ensureAlpha(part).raw().toBuffer({ resolveWithObject: true });
  const raw = { width: info.width, height: info.height, channels: 4 as const };
  return sharp(below)
    .composite([{ input: data, raw }])
    .png()
    .toBuffer();
}

async function encode(png: Buffer, crop: { width: number; height: number } | undefined, { format, quality }: Settings, text?: string) {
  const { data, info } = await sharp(png).raw().toBuffer({ resolveWithObject: true });
  const image = new Image(data, info.width, info.height, info.channels as 3 | 4, text);
  const options = format === "png" ? {} : { quality };
  if (!crop) return image.encode(format, options);
  if (crop.width > image.width || crop.height > image.height)
    throw new InvalidOptionError("image", `expected a picture that covers ${crop.width}x${crop.height} when enlarged`);
  const { width, height } = crop;
  const part = await image.toSharp().extract(middle(image, crop)).raw().toBuffer();
  return new Image(part, width, height, image.channels, text).encode(format, options);
}
