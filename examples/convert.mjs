// Quantizes a part of the demo model. Usage: node examples/convert.mjs [folder]
import { readdir, stat } from "node:fs/promises";
import path from "node:path";
import { convert } from "node-sd-cpp";

const [folder = "."] = process.argv.slice(2);
const source = process.env.MODEL ?? (await demoTransformer());
const { output, bytes, tensors } = await convert({
  input: source,
  output: path.join(folder, "demo-q8_0.gguf"),
  type: "q8_0",
  onProgress: ({ step, steps }) => process.stderr.write(`\rtensor ${step} of ${steps}`),
});
console.log(`\n${output}: ${bytes} bytes instead of ${(await stat(source)).size}`, tensors);
