import type { RandomBytes } from "../helpers/random.js";

/** Numbers that parsers stumble over, little-endian. */
const numbers = [
  0n,
  1n,
  0x7fn,
  0xffn,
  0xffffn,
  0x7fff_ffffn,
  0xffff_ffffn,
  2n ** 32n,
  2n ** 53n,
  2n ** 63n - 1n,
  2n ** 63n,
  2n ** 64n - 1n,
];
const fragments = [
  '"',
  "{",
  "}",
  "[",
  "]",
  ",",
  ":",
  "\\",
  "\\ud800",
  "\0",
  "\ufeff",
  "1e9",
  "-1",
  "0x1",
  "null",
  '"__metadata__":{}',
  "9".repeat(30),
  "[".repeat(5000),
];

/** Changes a header in one to four places. Same random bytes, same result. */
export function mutate(header: Buffer, random: RandomBytes): Buffer {
  const below = (limit: number) => (limit <= 0 ? 0 : random.next(4).readUInt32LE() % limit);
  const pick = <T>(list: readonly T[]) => list[below(list.length)] as T;
  const splice = (data: Buffer, at: number, removed: number, inserted: Buffer) =>
    Buffer.concat([data.subarray(0, at), inserted, data.subarray(Math.min(data.length, at + removed))]);
  const number = (bytes: number) => {
    const buffer = Buffer.alloc(8);
    buffer.writeBigUInt64LE(pick([...numbers, BigInt(header.length), BigInt(below(1000))]));
    return buffer.subarray(0, bytes);
  };
  const changes: ((data: Buffer) => Buffer)[] = [
    (data) => splice(data, below(data.length), 1, random.next(1)),
    (data) => {
      const at = below(data.length);
      return splice(data, at, 1, Buffer.from([(data[at] ?? 0) ^ (1 << below(8))]));
    },
    (data) => splice(data, below(data.length), 4, number(4)),
    (data) => splice(data, below(data.length), 8, number(8)),
    (data) => splice(data, below(data.length), below(40), Buffer.alloc(0)),
    (data) => splice(data, below(data.length), 0, random.next(1 + below(40))),
    (data) => splice(data, below(data.length), below(8), Buffer.from(pick(fragments))),
    (data) => {
      const from = below(data.length);
      return splice(data, below(data.length), 0, data.subarray(from, from + below(200))); // a piece of it once more
    },
    (data) => data.subarray(0, below(data.length)),
    (data) => {
      // Digits of sizes and offsets in JSON.
      const at = data.indexOf(String(below(10)), below(data.length));
      return at < 0 ? data : splice(data, at, 1, Buffer.from(String(below(10))));
    },
  ];
  let data = header;
  for (let left = 1 + below(4); left > 0; left--) data = pick(changes)(data);
  return data;
}
