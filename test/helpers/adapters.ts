import { copyFile, open } from "node:fs/promises";
import { readHeader } from "../../lib/checkpoint/reader.js";
import { cached, checkpoint, fileOf } from "./checkpoints.js";
import { mmdit } from "./layouts.js";
import { RandomBytes } from "./random.js";
import { rawSafetensors } from "./raw.js";

/**
 * LoRAs of all kinds with random numbers, and what they make of a model: computed here in double precision by the formulas of their makers, so that
 * pictures can be compared. Matrices are in torch's order: outputs, then inputs.
 */

export interface Matrix {
  rows: number;
  columns: number;
  values: Float64Array;
}

export const matrix = (rows: number, columns: number, value: (row: number, column: number) => number): Matrix => ({
  rows,
  columns,
  values: Float64Array.from({ length: rows * columns }, (_, i) => Math.fround(value(Math.floor(i / columns), i % columns))),
});
const exact = (rows: number, columns: number, value: (row: number, column: number) => number): Matrix => ({
  rows,
  columns,
  values: Float64Array.from({ length: rows * columns }, (_, i) => value(Math.floor(i / columns), i % columns)),
});
export const at = ({ columns, values }: Matrix, row: number, column: number) => values[row * columns + column] as number;

/** Numbers of this deviation that depend on the name alone, as floats of 32 bits hold them. */
export function random(name: string, rows: number, columns: number, std: number): Matrix {
  const bytes = new RandomBytes(name).next(rows * columns * 4);
  return matrix(rows, columns, (row, column) => (bytes.readUInt32LE((row * columns + column) * 4) / 2 ** 32 - 0.5) * Math.sqrt(12) * std);
}

export const plus = (a: Matrix, b: Matrix, factor = 1) => exact(a.rows, a.columns, (i, j) => at(a, i, j) + factor * at(b, i, j));
export const times = (a: Matrix, factor: number) => exact(a.rows, a.columns, (i, j) => at(a, i, j) * factor);
export const turned = (a: Matrix) => exact(a.columns, a.rows, (i, j) => at(a, j, i));
export const hadamard = (a: Matrix, b: Matrix) => exact(a.rows, a.columns, (i, j) => at(a, i, j) * at(b, i, j));
export function product(a: Matrix, b: Matrix): Matrix {
  return exact(a.rows, b.columns, (i, j) => {
    let sum = 0;
    for (let k = 0; k < a.columns; k++) sum += at(a, i, k) * at(b, k, j);
    return sum;
  });
}
export function kronecker(a: Matrix, b: Matrix): Matrix {
  const value = (i: number, j: number) => at(a, Math.floor(i / b.rows), Math.floor(j / b.columns)) * at(b, i % b.rows, j % b.columns);
  return exact(a.rows * b.rows, a.columns * b.columns, value);
}
/** Length of each row. */
export const lengths = (a: Matrix) => exact(a.rows, 1, (i) => Math.hypot(...a.values.subarray(i * a.columns, (i + 1) * a.columns)));

/** A tensor of a LoRA's file: a matrix, perhaps of another shape. */
export interface FileTensor {
  values: Float64Array;
  shape: number[];
}
export const tensor = ({ rows, columns, values }: Matrix, shape = [rows, columns]): FileTensor => ({ values, shape });
export const scalar = (value: number): FileTensor => ({ values: Float64Array.of(value), shape: [] });

/** Writes a safetensors file of these tensors in F32. */
export function saveLora(name: string, tensors: Record<string, FileTensor>, metadata?: Record<string, string>): Promise<string> {
  let end = 0;
  const header: Record<string, unknown> = metadata ? { __metadata__: metadata } : {};
  for (const [key, { values, shape }] of Object.entries(tensors)) {
    header[key] = { dtype: "F32", shape, data_offsets: [end, end + values.length * 4] };
    end += values.length * 4;
  }
  const data = Object.values(tensors).map(({ values }) => Buffer.from(Float32Array.from(values).buffer));
  return fileOf(`lora-${name}.safetensors`, Buffer.concat([rawSafetensors(header), ...data]));
}

/** As Large in all but width, all weights in F32. */
export function exactModel(hidden = 24): Promise<string> {
  return checkpoint(`large-shaped-exact-${hidden}`, () =>
    mmdit({ depth: 24, hidden, type: "f32" }).map((spec) => ({ ...spec, type: "f32" as const })),
  );
}

/** To be raised when a change of a kind is computed otherwise, so that old files are not used again. */
const version = 1;

export type Changes = Record<string, (weight: Matrix) => Matrix>;

/** A copy of a model of F32 with some weights changed. A vector is a matrix of one column. */
export async function changedModel(name: string, base: string, changes: Changes): Promise<string> {
  const { tensors } = await readHeader(base);
  return cached(`changed-${name}-v${version}.gguf`, async (file) => {
    await copyFile(base, file);
    const handle = await open(file, "r+");
    try {
      for (const [target, change] of Object.entries(changes)) {
        const found = tensors.find((one) => one.name === target);
        if (found?.type !== "f32") throw new Error(`${target} is no F32 tensor`);
        const bytes = Buffer.alloc(found.bytes);
        await handle.read(bytes, 0, bytes.length, found.offset);
        const floats = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
        const rows = found.shape.length === 1 ? floats.length : (found.shape.at(-1) as number);
        const changed = change({ rows, columns: floats.length / rows, values: Float64Array.from(floats) });
        await handle.write(Buffer.from(Float32Array.from(changed.values).buffer), 0, bytes.length, found.offset);
      }
    } finally {
      await handle.close();
    }
  });
}

/** Changes some rows of a weight alone; with `swapped`, halves of them stand in the other order in the model. */
export function inRows(weight: Matrix, first: number, count: number, swapped: boolean, change: (part: Matrix) => Matrix): Matrix {
  const row = (i: number) => first + (swapped ? (i + count / 2) % count : i);
  const part = change(exact(count, weight.columns, (i, j) => at(weight, row(i), j)));
  const result = exact(weight.rows, weight.columns, (i, j) => at(weight, i, j));
  for (let i = 0; i < count; i++) {
    for (let j = 0; j < weight.columns; j++) result.values[row(i) * weight.columns + j] = at(part, i, j);
  }
  return result;
}
