import { sharp } from "../../picture/sharp.js";
import type { Image } from "../../types/index.js";
import type { Core } from "../core.js";
import type { Picture } from "../picture.js";
import { fitSize, middle, type Size } from "../size.js";
import type { Answer, ImageRequest } from "./request.js";

/** Pixels of a side for which the diffusion model has one token. */
const patch = 16;

const tokensOf = (size: Size) => {
  const { width, height } = fitSize(size);
  return (width / patch) * (height / patch);
};

export async function base64Of(picture: Picture, { format, compression }: Answer): Promise<string> {
  const bytes = await picture.encode(format, format === "png" ? {} : { quality: compression });
  return bytes.toString("base64");
}

/** An unfinished picture in the size of the finished one, as the file that was asked for. */
export async function previewOf(preview: Image, size: Size, { format, compression }: Answer): Promise<string> {
  const drawn = fitSize(size);
  const whole = await sharp(preview.data, { raw: { width: preview.width, height: preview.height, channels: preview.channels } })
    .resize(drawn.width, drawn.height, { fit: "fill", kernel: "cubic" })
    .png()
    .toBuffer();
  const part = sharp(whole).extract(middle(drawn, size));
  const bytes = await part.toFormat(format, format === "png" ? {} : { quality: compression }).toBuffer();
  return bytes.toString("base64");
}

/** 64-bit seeds are text in JSON. */
export function seedOf({ seed }: Picture): { seed?: number | string } {
  if (seed === undefined) return {};
  return { seed: seed <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(seed) : String(seed) };
}

export function look({ answer: { format, quality } }: ImageRequest, { width, height }: Size) {
  return { size: `${width}x${height}`, quality, background: "opaque", output_format: format };
}

/** Tokens of the prompt as the model's longest encoder counts them, and one for each 16x16 pixels of pictures. */
export async function usageOf(core: Core, { served, answer }: ImageRequest, pictures: readonly Size[]): Promise<object | undefined> {
  try {
    const model = await core.models.loadedModel(served.id);
    const counts = await model?.countTokens(answer.text);
    const text = (counts?.t5xxl ?? counts?.clipG ?? counts?.clipL)?.tokens;
    const [first] = pictures;
    if (text === undefined || !first) return undefined;
    const image = answer.pictured ? tokensOf(first) : 0;
    const output = pictures.reduce((sum, size) => sum + tokensOf(size), 0);
    return {
      input_tokens: text + image,
      input_tokens_details: { text_tokens: text, image_tokens: image },
      output_tokens: output,
      output_tokens_details: { text_tokens: 0, image_tokens: output },
      total_tokens: text + image + output,
    };
  } catch {
    return undefined; // the model was unloaded meanwhile; the pictures are there
  }
}
