import type { Source } from "../../lib/checkpoint/source.js";

/** A file in memory that counts what is read of it. */
export class MemorySource implements Source {
  readonly name = "memory";
  readonly headerLimit = 100_000_000;
  reads = 0;
  bytesRead = 0;

  constructor(private readonly data: Buffer) {}

  get size(): number {
    return this.data.length;
  }

  async read(offset: number, least: number, most = least): Promise<Buffer> {
    const bytes = this.data.subarray(offset, offset + most);
    this.reads++;
    this.bytesRead += bytes.length;
    return bytes;
  }

  async close(): Promise<void> {}
}
