import { readFile, stat } from "node:fs/promises";

const maxBytes = 2 ** 30;

/**
 * The bytes of an image file, or those that a data URL holds. Devices, pipes and the like are refused: they may have no end, or never begin.
 * @throws Error whose message may repeat the name
 */
export async function readImageFile(file: string): Promise<Buffer> {
  if (/^data:/i.test(file)) return dataOf(file);
  if (/^https?:/i.test(file)) throw new Error("a URL, which is not fetched; download it and give its bytes");
  const found = await stat(file);
  if (!found.isFile()) throw new Error(`${file} is not a regular file`);
  if (found.size > maxBytes) throw new Error(`${file} has ${found.size} bytes, more than 1 GiB`);
  return readFile(file);
}

/** What a data URL holds (RFC 2397): base64 in either alphabet, or percent-encoded bytes. */
function dataOf(url: string): Buffer {
  const comma = url.indexOf(",");
  if (comma < 0) throw new Error("the data URL has no comma, behind which its data would begin");
  const body = percentDecoded(url.slice(comma + 1));
  if (!/;\s*base64\s*$/i.test(url.slice(0, comma))) return body;
  const text = body.toString("latin1").replace(/\s+/g, "");
  if (!/^[A-Za-z0-9+/_-]*={0,2}$/.test(text)) throw new Error("the data URL holds no base64");
  return Buffer.from(text, "base64");
}

function percentDecoded(text: string): Buffer {
  const bytes = Buffer.from(text);
  if (!text.includes("%")) return bytes;
  const decoded = bytes
    .toString("latin1")
    .replace(/%([0-9a-f]{2})/gi, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 16)));
  return Buffer.from(decoded, "latin1");
}
