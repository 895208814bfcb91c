import { open } from "node:fs/promises";

const most = 64 * 1024;
const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);

/** The chunks of a PNG before its pixels, where most programs put their texts; undefined when it is none, or has more there than 64 KiB. */
export async function headOfPng(file: string): Promise<Buffer | undefined> {
  const handle = await open(file);
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(most), 0, most, 0);
    const bytes = buffer.subarray(0, bytesRead);
    if (!bytes.subarray(0, signature.length).equals(signature)) return undefined;
    for (let at = signature.length; at + 12 <= bytes.length; at += 12 + bytes.readUInt32BE(at)) {
      if (bytes.toString("latin1", at + 4, at + 8) === "IDAT") return bytes.subarray(0, at);
    }
    return undefined;
  } finally {
    await handle.close();
  }
}
