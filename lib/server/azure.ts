import { InvalidOptionError } from "../errors.js";
import { pictureOf, readFields } from "./body.js";
import type { Convention, Core, RequestContext } from "./core.js";
import type { DrawOptions } from "./draw.js";
import { HttpError } from "./errors.js";
import { parseSize } from "./ratio.js";
import { fitSize, type Size } from "./size.js";
import { drawOne, servedFor } from "./wait.js";

/** Those of Azure; each may be turned. Any other size is taken too. */
const sizes = ["672x1566", "768x1366", "836x1254", "916x1145", "1024x1024", "1145x916", "1254x836", "1366x768", "1566x672"];
const formats = ["png", "jpeg", "webp"] as const;

/** Fields under the names of the options that they become. */
const names = {
  negativePrompt: "negative_prompt",
  cfgScale: "cfg_scale",
  initImage: "image_prompt.image",
  strength: "image_prompt.strength",
  width: "size",
  height: "size",
};
const known = "prompt negative_prompt image_prompt size output_format seed n model steps cfg_scale sampler scheduler".split(" ");
/** Deployments have a name of their choice; these are what the catalog calls the model. */
const models = { "Stable-Diffusion-3.5-Large": "sd3.5-large", "stable-diffusion-3.5-large": "sd3.5-large" } as const;

/** Stable Diffusion 3.5 Large as Azure AI Foundry serves it. */
export const azure: Convention = {
  name: "azure",
  owns: (path) => path === "/images/generations" || path === "/image/generations",
  mount(app, core) {
    app.post("/images/generations", (context) => generate(core, context));
    app.post("/image/generations", (context) => generate(core, context));
  },
  errorBody: ({ status, code, message, param }) => ({
    error: { code, message, status, ...(param === undefined ? {} : { target: param }) },
  }),
};

async function generate(core: Core, context: RequestContext): Promise<Response> {
  const given = await readFields(context, core.options);
  const fields = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== null));
  const unknown = Object.keys(fields).filter((name) => !known.includes(name));
  if (unknown.length > 0 && context.req.header("extra-parameters")?.toLowerCase() === "error")
    throw wrong(unknown[0] as string, "is not known here.");
  const format = (fields.output_format ?? "png") as (typeof formats)[number];
  if (!formats.includes(format)) throw wrong("output_format", `expected one of ${formats.join(", ")}.`);
  if (fields.n !== undefined && fields.n !== 1) throw wrong("n", "expected 1: a request is for one picture.");
  if (fields.model !== undefined && typeof fields.model !== "string") throw wrong("model", "expected a name.");

  const { model, warning } = await servedFor(core, fields.model as string | undefined, models);
  const { crop, ...drawn } = sizeOf(fields.size);
  const options = { ...optionsOf(fields), ...drawn };
  const ignored = unknown.length > 0 ? [`Not known here, and ignored: ${unknown.join(", ")}.`] : [];
  const warnings = [...(warning ? [warning] : []), ...ignored];
  const { picture } = await drawOne(core, context, { model, options, crop, warnings }, names).catch(async (error) => {
    throw error instanceof InvalidOptionError && error.path === "size" ? await tooLarge(core, model, error) : error;
  });
  const bytes = await picture.encode(format);
  return context.json({ image: bytes.toString("base64"), created: Math.floor(Date.now() / 1000), seed: Number(picture.seed) });
}

function optionsOf(fields: Record<string, unknown>): DrawOptions {
  const { prompt, negative_prompt, seed, image_prompt: from, steps, cfg_scale, sampler, scheduler } = fields;
  if (typeof prompt !== "string" || prompt.trim() === "") throw wrong("prompt", "expected a text.");
  if (from !== undefined && (typeof from !== "object" || Array.isArray(from))) throw wrong("image_prompt", "expected { image, strength }.");
  const { image, strength } = (from ?? {}) as { image?: unknown; strength?: unknown };
  if (from !== undefined && !image) throw wrong("image_prompt.image", "expected a picture as base64.");
  return {
    prompt,
    negativePrompt: negative_prompt as string | undefined,
    ...(seed === 0 || seed === undefined ? {} : { seed: seed as number }), // 0 is a random one
    ...(image ? { initImage: pictureOf(image, "image_prompt.image"), strength: (strength ?? undefined) as number | undefined } : {}),
    ...({ steps, cfgScale: cfg_scale, sampler, scheduler } as Partial<DrawOptions>),
  };
}

/** Without one: the model's own. */
function sizeOf(text: unknown): Partial<Size> & { crop?: Size } {
  if (text === undefined) return {};
  const size = parseSize(text);
  if (!size) throw wrong("size", `expected one of ${sizes.join(", ")}, or any other "WIDTHxHEIGHT" that the model can draw.`);
  return fitSize(size);
}

/** Names what the model can draw instead; it has been loaded by now. */
async function tooLarge(core: Core, id: string, error: InvalidOptionError): Promise<HttpError> {
  const { maxPixels } = core.options;
  const most = (await core.models.loadedModel(id))?.info.maxSide ?? (await core.models.find(id)).maxSide ?? Infinity;
  const able = sizes.filter((text) => {
    const { width, height } = fitSize(parseSize(text) as Size);
    return Math.max(width, height) <= most && width * height <= maxPixels;
  });
  const own = able.length > 0 ? `one of ${able.join(", ")}, or ` : "";
  const limit = most === Infinity ? "" : ` with sides of 16 to ${most} pixels`;
  return new HttpError(400, "invalid_size", `size: expected ${own}"WIDTHxHEIGHT"${limit}; ${error.detail}`, "size");
}

const wrong = (param: string, message: string) => new HttpError(400, "invalid_request", `${param}: ${message}`, param);
