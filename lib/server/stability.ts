import { openImage } from "../picture/inputs.js";
import type { Family } from "../types/index.js";
import { pictureOf, readFields } from "./body.js";
import type { Convention, Core, RequestContext } from "./core.js";
import type { DrawOptions } from "./draw.js";
import { HttpError } from "./errors.js";
import type { ServedModel } from "./models.js";
import { sizeOfRatio } from "./ratio.js";
import type { Size } from "./size.js";
import { drawOne, servedFor } from "./wait.js";

/** Sizes of a model that draws 1024x1024; for others the ratio counts. */
const sizes: Record<string, readonly [number, number]> = {
  "21:9": [1536, 640],
  "16:9": [1344, 768],
  "3:2": [1216, 832],
  "5:4": [1088, 896],
  "1:1": [1024, 1024],
  "4:5": [896, 1088],
  "2:3": [832, 1216],
  "9:16": [768, 1344],
  "9:21": [640, 1536],
};

/** The older names have stood for 3.5 since Stability retired SD 3. */
const models: Record<string, Family> = {
  "sd3.5-large": "sd3.5-large",
  "sd3.5-large-turbo": "sd3.5-large-turbo",
  "sd3.5-medium": "sd3.5-medium",
  "sd3.5-flash": "sd3.5-flash",
  "sd3-large": "sd3.5-large",
  "sd3-large-turbo": "sd3.5-large-turbo",
  "sd3-medium": "sd3.5-medium",
};

const formats = ["png", "jpeg", "webp"] as const;
const names = {
  negativePrompt: "negative_prompt",
  cfgScale: "cfg_scale",
  initImage: "image",
  width: "aspect_ratio",
  height: "aspect_ratio",
};
const errorNames: Record<number, string> = {
  400: "bad_request",
  401: "unauthorized",
  403: "forbidden",
  404: "not_found",
  413: "payload_too_large",
  415: "unsupported_media_type",
  422: "unprocessable_entity",
  429: "rate_limit_exceeded",
};

/** Stability's `POST /v2beta/stable-image/generate/sd3`. */
export const stability: Convention = {
  name: "stability",
  owns: (path) => path.startsWith("/v2beta/"),
  mount(app, core) {
    app.post("/v2beta/stable-image/generate/sd3", (context) => generate(core, context));
  },
  errorBody: ({ status, message, code }, { requestId }) => ({
    id: requestId,
    name: errorNames[status] ?? (status >= 500 ? "internal_error" : code),
    errors: [message],
    message,
  }),
};

async function generate(core: Core, context: RequestContext): Promise<Response> {
  const asJson = wantsJson(context.req.header("accept") ?? "image/*");
  const fields = new Form(await readFields(context, core.options));
  const format = fields.choice("output_format", formats) ?? "png";
  const name = fields.text("model");
  const { model, warning } = await servedFor(core, name, models).catch((error) => {
    if (!(error instanceof HttpError) || error.status !== 404) throw error;
    throw wrong("model", `expected one of ${Object.keys(models).join(", ")}, or a model that is served here. ${error.message}`);
  });
  const options = await optionsOf(fields, await core.models.find(model));
  const style = fields.text("style_preset");
  const warnings = [...(warning ? [warning] : []), ...(style ? ["style_preset changes nothing here: put the style into the prompt."] : [])];
  const { picture } = await drawOne(core, context, { model, options, warnings }, names);
  const bytes = await picture.encode(format);
  const seed = String(picture.seed);
  context.header("finish-reason", "SUCCESS");
  context.header("seed", seed);
  if (asJson) return context.json({ image: bytes.toString("base64"), finish_reason: "SUCCESS", seed: Number(seed) });
  context.header("content-type", `image/${format}`);
  return context.body(bytes);
}

async function optionsOf(fields: Form, served: ServedModel): Promise<DrawOptions> {
  const prompt = fields.text("prompt");
  if (!prompt) throw wrong("prompt", "cannot be blank.");
  if (prompt.length > 10_000) throw wrong("prompt", `expected at most 10,000 characters, received ${prompt.length}.`);
  const seed = fields.number("seed", 0, 4_294_967_294, true);
  return {
    prompt,
    negativePrompt: fields.text("negative_prompt"),
    cfgScale: fields.number("cfg_scale", 1, 10),
    ...(seed ? { seed } : {}), // 0 is a random one
    ...(await pictureOptions(fields, served)),
  };
}

/** What is drawn on: an empty canvas of a ratio, or a picture. */
async function pictureOptions(fields: Form, { defaults, maxSide }: ServedModel): Promise<Partial<DrawOptions> & Size> {
  const given = fields.value("image");
  const mode = fields.choice("mode", ["text-to-image", "image-to-image"]) ?? (given === undefined ? "text-to-image" : "image-to-image");
  const ratio = fields.choice("aspect_ratio", Object.keys(sizes));
  const strength = fields.number("strength", 0, 1);
  const pixels = defaults.width * defaults.height;
  if (mode === "text-to-image") {
    if (given !== undefined) throw wrong("image", "is for the mode image-to-image alone.");
    if (strength !== undefined) throw wrong("strength", "is for the mode image-to-image alone.");
    const [width, height] = sizes[ratio ?? "1:1"] as readonly [number, number];
    return pixels === 1024 ** 2 ? { width, height } : sizeOfRatio(ratioOf(ratio ?? "1:1"), pixels, maxSide);
  }
  if (ratio !== undefined) throw wrong("aspect_ratio", "is for the mode text-to-image alone: here the picture decides.");
  if (given === undefined) throw wrong("image", "is required for the mode image-to-image.");
  if (strength === undefined) throw wrong("strength", "is required for the mode image-to-image: a number from 0 to 1.");
  const initImage = pictureOf(given, "image");
  const { width, height } = await openImage(initImage, "image");
  return { initImage, strength, ...sizeOfRatio(width / height, pixels, maxSide) };
}

const ratioOf = (text: string) => {
  const [across = 1, down = 1] = text.split(":").map(Number);
  return across / down;
};

/** As q-values are of no use between two forms of one picture, the first that fits decides. */
function wantsJson(accept: string): boolean {
  for (const type of accept.split(",").map((part) => part.split(";")[0]?.trim().toLowerCase() ?? "")) {
    if (type === "application/json") return true;
    if (type === "" || type === "*/*" || type.startsWith("image/")) return false;
  }
  throw wrong("accept", 'expected "image/*" or "application/json".');
}

const wrong = (param: string, message: string) => new HttpError(400, "bad_request", `${param}: ${message}`, param);

/** Fields of a form, of which empty ones count as left out. */
class Form {
  constructor(readonly fields: Readonly<Record<string, unknown>>) {}

  value(name: string): unknown {
    const value = this.fields[name];
    return value === null || value === "" ? undefined : value;
  }

  text(name: string): string | undefined {
    const value = this.value(name);
    if (value === undefined || typeof value === "string") return value;
    if (Buffer.isBuffer(value)) return value.toString("utf8"); // clients give some text parts a file's name
    throw wrong(name, "expected text, once.");
  }

  choice<Name extends string>(name: string, choices: readonly Name[]): Name | undefined {
    const text = this.text(name);
    if (text === undefined || choices.includes(text as Name)) return text as Name | undefined;
    throw wrong(name, `expected one of ${choices.join(", ")}, received ${JSON.stringify(text.slice(0, 80))}.`);
  }

  number(name: string, min: number, max: number, whole = false): number | undefined {
    const value = this.value(name);
    if (value === undefined) return undefined;
    const number = typeof value === "number" ? value : Number(this.text(name)?.trim() || Number.NaN);
    if (number >= min && number <= max && (!whole || Number.isInteger(number))) return number;
    throw wrong(name, `expected ${whole ? "an integer" : "a number"} from ${min} to ${max}.`);
  }
}
