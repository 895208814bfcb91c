// Quantizes the demo model's transformer. Usage: node examples/convert.mjs [folder]
import { stat } from "node:fs/promises";
import path from "node:path";
import { convert, loadModel } from "node-sd-cpp";

const [folder = "."] = process.argv.slice(2);
const demo = await loadModel({ preset: "demo" });
const input = demo.info.files.diffusionModel;
await demo.dispose();

const { output, bytes, tensors } = await convert({
  input,
  output: path.join(folder, "demo-q4_0.gguf"),
  type: "q4_0",
  onProgress: ({ step, steps }) => process.stderr.write(`\rtensor ${step} of ${steps}`),
});
console.log(`\n${output}: ${bytes} bytes instead of ${(await stat(input)).size}`, tensors);
