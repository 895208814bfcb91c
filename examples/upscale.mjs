// Enlarges a picture with an ESRGAN network: node examples/upscale.mjs [folder] [network] [picture]
// Without a network, it writes one that repeats pixels (its layers hand the three colors through).
import path from "node:path";
import { loadModel, loadUpscaler } from "node-sd-cpp";
import { writePassingNetwork } from "./helpers/esrgan.mjs";

const [folder = ".", network, picture] = process.argv.slice(2);
const upscaler = await loadUpscaler({ model: network ?? (await writePassingNetwork(path.join(folder, "passing-x2.safetensors"))) });

async function draw() {
  const model = await loadModel({ preset: "demo" });
  const { images } = await model.generate({ prompt: "a green heart on a white background", seed: 1 });
  await model.dispose();
  return images[0];
}
const onProgress = ({ step, steps }) => console.log(`tile ${step}/${steps}`);
const large = await upscaler.upscale(picture ?? (await draw()), { onProgress });
const file = path.join(folder, "upscaled.png");
await large.toFile(file);
console.log(`${file}: ${large.width}x${large.height}`);
await upscaler.dispose();
