import { writeFile } from "node:fs/promises";

/** Writes a small ESRGAN network whose layers hand the colors through, so that it doubles a picture by repeating pixels. */
export async function writePassingNetwork(file) {
  const shapes = { conv_first: [64, 3], conv_body: [64, 64], conv_up1: [64, 64], conv_hr: [64, 64], conv_last: [3, 64] };
  for (const dense of [1, 2, 3]) {
    for (const i of [1, 2, 3, 4, 5]) shapes[`body.0.rdb${dense}.conv${i}`] = [i < 5 ? 32 : 64, 64 + 32 * (i - 1)];
  }
  const header = {};
  const tensors = [];
  let end = 0;
  const add = (name, shape, values) => {
    header[name] = { dtype: "F32", shape, data_offsets: [end, end + values.byteLength] };
    end += values.byteLength;
    tensors.push(Buffer.from(values.buffer));
  };
  for (const [name, [outputs, inputs]] of Object.entries(shapes)) {
    const weight = new Float32Array(outputs * inputs * 9);
    const passes = !name.includes("body");
    for (let color = 0; passes && color < 3; color++) weight[(color * inputs + color) * 9 + 4] = 1; // the middle of the 3x3 kernel
    add(`${name}.weight`, [outputs, inputs, 3, 3], weight);
    add(`${name}.bias`, [outputs], new Float32Array(outputs));
  }
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  await writeFile(file, Buffer.concat([length, text, ...tensors]));
  return file;
}
