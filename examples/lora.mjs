// Draws with a LoRA of your own, at three weights:
//   node examples/lora.mjs <output folder> <lora.safetensors> <diffusion model> <clip_l> <vae>
// A LoRA fits the model that it was made for only, so this needs your files; the package's demo model has none.
import path from "node:path";
import { loadModel } from "node-sd-cpp";

const [folder = ".", lora, diffusionModel, clipL, vae] = process.argv.slice(2);
if (!vae) throw new Error("usage: node examples/lora.mjs <output folder> <lora> <diffusion model> <clip_l> <vae>");

const loraDir = path.dirname(lora);
const name = path.parse(lora).name;
const model = await loadModel({ diffusionModel, clipL, vae, loraDir });
for (const weight of [0, 0.5, 1]) {
  const { images } = await model.generate({ prompt: `a lighthouse in a storm <lora:${name}:${weight}>`, seed: 7, width: 512, height: 512 });
  const file = path.join(folder, `lora-${weight}.png`);
  await images[0].toFile(file);
  console.log(file);
}
await model.dispose();
