import { SdcppError } from "../errors.js";
import type { Family } from "../types/index.js";
import { pictureOf, readFields } from "./body.js";
import type { Convention, Core, RequestContext } from "./core.js";
import type { DrawOptions } from "./draw.js";
import { describeError, HttpError } from "./errors.js";
import { fitSize, type Size } from "./size.js";
import { drawOne, servedFor } from "./wait.js";

/** The makers' names on the hub; with or without "-diffusers". */
const families: Record<string, Family> = {
  "stabilityai/stable-diffusion-3.5-large": "sd3.5-large",
  "stabilityai/stable-diffusion-3.5-large-turbo": "sd3.5-large-turbo",
  "stabilityai/stable-diffusion-3.5-medium": "sd3.5-medium",
  "stabilityai/stable-diffusion-3-medium": "sd3-medium",
  "stabilityai/stable-diffusion-3-medium-diffusers": "sd3-medium",
};

/** Classes of diffusers as samplers. */
const schedulers: Record<string, string> = {
  FlowMatchEulerDiscreteScheduler: "euler",
  EulerDiscreteScheduler: "euler",
  EulerAncestralDiscreteScheduler: "euler_a",
  FlowMatchHeunDiscreteScheduler: "heun",
  HeunDiscreteScheduler: "heun",
  KDPM2DiscreteScheduler: "dpm2",
  DPMSolverMultistepScheduler: "dpm++2m",
  FlowMatchLCMScheduler: "lcm",
  LCMScheduler: "lcm",
};

/** Options under the names that requests have for them. */
const names = {
  prompt: "inputs",
  negativePrompt: "parameters.negative_prompt",
  cfgScale: "parameters.guidance_scale",
  steps: "parameters.num_inference_steps",
  sampler: "parameters.scheduler",
  seed: "parameters.seed",
  strength: "parameters.strength",
  width: "parameters.width",
  height: "parameters.height",
  initImage: "inputs",
};
const known =
  "prompt negative_prompt guidance_scale height width num_inference_steps scheduler seed strength target_size num_images_per_prompt".split(
    " ",
  );

/** Hugging Face's text-to-image and image-to-image, as its own clients ask for it at a URL. */
export const huggingface: Convention = {
  name: "huggingface",
  owns: (path) => path === "/" || path === "/hf" || path.startsWith("/hf/") || path.startsWith("/models/"),
  mount(app, core) {
    app.post("/", (context) => generate(core, context));
    for (const path of ["/hf", "/hf/", "/hf/:model{.+}", "/models/:model{.+}"])
      app.post(path, (context) => generate(core, context, context.req.param("model" as never) as string | undefined));
  },
  errorBody: ({ message }) => ({ error: message }),
};

async function generate(core: Core, context: RequestContext, path?: string): Promise<Response> {
  const { inputs, parameters: given } = await readFields(context, core.options);
  if (typeof inputs !== "string" || inputs === "") throw wrong("inputs", "expected a prompt, or a picture as base64.");
  if (given !== undefined && given !== null && (typeof given !== "object" || Array.isArray(given)))
    throw wrong("parameters", "expected an object.");
  const parameters = Object.fromEntries(Object.entries(given ?? {}).filter(([, value]) => value !== null));
  const format = formatOf(context.req.header("accept") ?? "*/*");

  const name = path?.replace(/^models\//, "").replace(/\/+$/, "") || undefined;
  const { model, warning } = await servedFor(core, name, families);
  const unknown = Object.keys(parameters).filter((one) => !known.includes(one));
  const warnings = [
    ...(warning ? [warning] : []),
    ...(unknown.length > 0 ? [`Parameters that are not known here, and ignored: ${unknown.join(", ")}.`] : []),
  ];
  const { width, height } = sizeIn(parameters, (await core.models.find(model)).defaults);
  const { crop, ...drawn } = width === undefined || height === undefined ? {} : fitSize({ width, height });
  const options = { ...optionsOf(inputs, parameters), ...drawn };
  const { picture } = await drawOne(core, context, { model, options, crop, warnings }, names).catch((error) => {
    throw finalOf(error, core.roots);
  });
  const bytes = await picture.encode(format);
  context.header("content-type", `image/${format}`);
  context.header("x-sdcpp-seed", String(picture.seed));
  return context.body(bytes);
}

function optionsOf(inputs: string, parameters: Record<string, unknown>): DrawOptions {
  const { prompt, negative_prompt, guidance_scale, num_inference_steps, scheduler, seed, strength, num_images_per_prompt } = parameters;
  if (num_images_per_prompt !== undefined && num_images_per_prompt !== 1)
    throw wrong("parameters.num_images_per_prompt", "expected 1: the answer is one picture.");
  const isPicture = prompt !== undefined || looksLikePicture(inputs);
  return {
    prompt: (isPicture ? (prompt ?? "") : inputs) as string,
    negativePrompt: negative_prompt as string | undefined,
    cfgScale: guidance_scale as number | undefined,
    steps: num_inference_steps as number | undefined,
    seed: seed as number | undefined,
    sampler: (Object.hasOwn(schedulers, String(scheduler)) ? schedulers[String(scheduler)] : scheduler) as never,
    ...(isPicture ? { initImage: pictureOf(inputs, "inputs"), strength: strength as number | undefined } : {}),
  };
}

/** One side alone leaves the other as the model has it. */
function sizeIn({ width, height, target_size: target }: Record<string, unknown>, defaults: Size): Partial<Size> {
  const given = typeof target === "object" ? (target as Record<string, unknown>) : { width, height };
  if (given.width === undefined && given.height === undefined) return {};
  const side = (name: "width" | "height") => {
    const value = given[name] ?? defaults[name];
    if (Number.isInteger(value) && (value as number) > 0 && (value as number) <= 65_535) return value as number;
    throw wrong(target ? `parameters.target_size.${name}` : `parameters.${name}`, "expected a number of pixels.");
  };
  return { width: side("width"), height: side("height") };
}

/** A picture without a prompt beside it: base64 of the first bytes of PNG, JPEG, WebP and GIF. */
const looksLikePicture = (text: string) => /^(data:image\/|iVBORw0KGgo|\/9j\/|UklGR|R0lGOD)/.test(text) && !/\s\S/.test(text.slice(0, 200));

/** Of what the client takes the first that can be made; of "*" PNG, which loses nothing. */
function formatOf(accept: string): "png" | "jpeg" | "webp" | "avif" {
  for (const type of accept.toLowerCase().split(",")) {
    const [, format] = /^\s*image\/(png|jpe?g|webp|avif)\b/.exec(type) ?? [];
    if (format) return format.replace("jpg", "jpeg") as "jpeg";
  }
  return "png";
}

/** @huggingface/inference asks again at once, and for ever, where it reads 503: what has failed here stays so. */
function finalOf(error: unknown, roots: readonly string[]): unknown {
  if (!(error instanceof SdcppError) || error.statusCode !== 503) return error;
  const { code, message } = describeError(error, roots);
  return new HttpError(500, code, message);
}

const wrong = (param: string, message: string) => new HttpError(400, "invalid_request", `${param}: ${message}`, param);
