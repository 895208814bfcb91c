// The same picture with the weights in memory, and read from disk when they are needed. Usage: node examples/offload.mjs [folder]
import path from "node:path";
import { loadModel } from "node-sd-cpp";

const [folder = "."] = process.argv.slice(2);
const megabytes = () => Math.round(process.memoryUsage().rss / 1e6);
for (const [name, offload] of Object.entries({ memory: undefined, disk: { params: "disk" } })) {
  const model = await loadModel({ preset: "demo", offload });
  const loaded = megabytes();
  const { images } = await model.generate({ prompt: "a blue heart on a white background", seed: 1 });
  const file = path.join(folder, `weights-from-${name}.png`);
  await images[0].toFile(file);
  console.log(`${file}: ${loaded} MB resident after the load, ${megabytes()} MB after the picture`);
  await model.dispose();
}
