import type { Context } from "hono";
import { HttpError } from "./errors.js";

/** A JSON body with more nesting or members than any real one would stop the event loop while it is parsed. */
const mostDepth = 32;
const mostMembers = 50_000;
const mostParts = 100;

/** Bodies of the largest size that are taken at once, and that jobs in line may hold: more would fill the memory. */
export const mostBodies = 16;
/** Bytes of bodies that are being read, in this process. */
let reading = 0;

type Fields = Record<string, unknown>;

/**
 * The whole body. It stops reading where the limit is.
 * @throws HttpError 413, or 503 while many others send large ones
 */
async function readBytes(request: Request, most: number): Promise<Buffer> {
  const tooLarge = () => new HttpError(413, "body_too_large", `The body has more than ${most} bytes.`);
  if (Number(request.headers.get("content-length")) > most) throw tooLarge();
  const chunks: Uint8Array[] = [];
  let length = 0;
  const reader = request.body?.getReader();
  const read = () =>
    reader?.read().catch(() => {
      throw new HttpError(400, "incomplete_body", "The body ended before its end.");
    });
  const refuse = async (error: HttpError) => {
    await reader?.cancel().catch(() => {});
    throw error;
  };
  try {
    for (let chunk = await read(); chunk && !chunk.done; chunk = await read()) {
      length += chunk.value.byteLength;
      reading += chunk.value.byteLength;
      if (length > most) await refuse(tooLarge());
      if (reading > mostBodies * most)
        await refuse(new HttpError(503, "busy", "Too many large requests come at once; try again.", undefined, { "retry-after": "5" }));
      chunks.push(chunk.value);
    }
    return Buffer.concat(chunks, length);
  } finally {
    reading -= length;
  }
}

/** Counts what a parser would build, without building it. */
function checkJson(bytes: Buffer): void {
  let depth = 0;
  let members = 0;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at];
    if (byte === 0x22) {
      at = endOfString(bytes, at);
    } else if (byte === 0x7b || byte === 0x5b) {
      if (++depth > mostDepth) throw new HttpError(400, "json_too_deep", `The JSON is nested more than ${mostDepth} deep.`);
    } else if (byte === 0x7d || byte === 0x5d) {
      depth--;
    } else if (byte === 0x2c && ++members > mostMembers) {
      throw new HttpError(400, "json_too_large", `The JSON has more than ${mostMembers} members.`);
    }
  }
}

function endOfString(bytes: Buffer, start: number): number {
  for (let at = bytes.indexOf(0x22, start + 1); at >= 0; at = bytes.indexOf(0x22, at + 1)) {
    let slashes = 0;
    while (bytes[at - 1 - slashes] === 0x5c) slashes++;
    if (slashes % 2 === 0) return at;
  }
  return bytes.length;
}

function parseJson(bytes: Buffer): unknown {
  if (bytes.length === 0) return {};
  checkJson(bytes);
  try {
    return JSON.parse(bytes.toString("utf8"));
  } catch (error) {
    throw new HttpError(400, "invalid_json", `The body is no JSON: ${(error as Error).message}`);
  }
}

/**
 * JSON in a text field, within the limits of a body; undefined when it is none.
 * @throws HttpError 400 beyond them
 */
export function parseText(text: string): unknown {
  checkJson(Buffer.from(text));
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Repeated fields, and those named `x[]`, become lists; files become Buffers. */
async function parseMultipart(bytes: Buffer, type: string): Promise<Fields> {
  const boundary = /boundary="?([^";]+)"?/i.exec(type)?.[1];
  if (!boundary) throw new HttpError(400, "invalid_multipart", "The multipart body has no boundary.");
  let parts = 0;
  for (let at = bytes.indexOf(`--${boundary}`); at >= 0; at = bytes.indexOf(`--${boundary}`, at + 1)) {
    if (++parts > mostParts) throw new HttpError(400, "invalid_multipart", `The multipart body has more than ${mostParts} parts.`);
  }
  let form: FormData;
  try {
    const headers = { "content-type": `multipart/form-data; boundary="${boundary}"` }; // by the boundary that was counted, and no other
    form = await new Response(new Uint8Array(bytes), { headers }).formData();
  } catch {
    throw new HttpError(400, "invalid_multipart", "The multipart body cannot be read.");
  }
  const fields: Fields = {};
  for (const name of new Set(form.keys())) {
    const values = await Promise.all(
      form.getAll(name).map(async (value) => (typeof value === "string" ? value : Buffer.from(await value.arrayBuffer()))),
    );
    Object.defineProperty(fields, name.replace(/\[\]$/, ""), {
      value: name.endsWith("[]") || values.length > 1 ? values : values[0],
      enumerable: true,
      configurable: true,
      writable: true,
    });
  }
  return fields;
}

/**
 * The fields of a JSON or multipart body, by its content type; an empty body has none. Text fields of a form stay text.
 * @throws HttpError 400, 413 or 415
 */
export async function readFields(context: Context, { maxBody }: { maxBody: number }): Promise<Fields> {
  const request = context.req.raw;
  const type = request.headers.get("content-type") ?? "";
  const bytes = await readBytes(request, maxBody);
  if (/^multipart\/form-data/i.test(type)) return parseMultipart(bytes, type);
  if (bytes.length > 0 && !/^application\/json\b/i.test(type)) throw unsupportedType();
  const value = parseJson(bytes);
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new HttpError(400, "invalid_json", "The body is no JSON object.");
  }
  return value as Fields;
}

export function unsupportedType(): HttpError {
  return new HttpError(415, "unsupported_media_type", "Expected a body of type application/json or multipart/form-data.");
}

/**
 * A picture in a request: base64, a data URL, or the bytes of a form's file. URLs are not fetched, and text is never a path.
 * @throws HttpError 400
 */
export function pictureOf(value: unknown, param: string): Buffer {
  if (Buffer.isBuffer(value)) {
    if (value.length === 0) throw new HttpError(400, "invalid_image", `${param}: the file is empty.`, param);
    return withoutDrawings(value, param);
  }
  const text = typeof value === "string" ? value.trim() : "";
  if (/^https?:/i.test(text)) {
    throw new HttpError(
      400,
      "invalid_image",
      `${param}: URLs are not fetched; send the picture itself as base64 or as a file of a form.`,
      param,
    );
  }
  const base64 = text.replace(/^data:[^,]*;base64,/i, "");
  const bytes = Buffer.from(/[^\w+/=\s-]/.test(base64) ? "" : base64, "base64"); // which passes over white space
  if (bytes.length > 0) return withoutDrawings(bytes, param);
  throw new HttpError(400, "invalid_image", `${param}: expected a picture as base64 or data URL, or as a file of a form.`, param);
}

/** An SVG of a hundred bytes can take hours to be drawn, in threads that the whole process waits for. Such files begin as text or are packed. */
function withoutDrawings(bytes: Buffer, param: string): Buffer {
  const packed = (bytes[0] === 0x1f && bytes[1] === 0x8b) || (bytes[0] === 0x78 && [0x01, 0x5e, 0x9c, 0xda].includes(bytes[1] ?? 0));
  if (!packed && !/^[\s\xef\xbb\xbf\xfe\xff]*</.test(bytes.subarray(0, 1024).toString("latin1"))) return bytes;
  throw new HttpError(400, "invalid_image", `${param}: expected a picture of pixels, as PNG, JPEG or WebP; SVG is not drawn.`, param);
}
