import { createCipheriv, createHash } from "node:crypto";

/** Random bytes that depend on the seed alone, on every platform, at the speed of AES. */
export class RandomBytes {
  readonly #stream;

  constructor(seed: string) {
    const key = createHash("sha256").update(seed).digest();
    this.#stream = createCipheriv("aes-128-ctr", key.subarray(0, 16), key.subarray(16));
  }

  next(length: number): Buffer {
    return this.#stream.update(Buffer.alloc(length)); // a keystream is what comes out when zeros go in
  }
}
