// Variations of one picture. Usage: node examples/variations.mjs [folder]
import path from "node:path";
import { loadModel } from "node-sd-cpp";

const folder = process.argv[2] ?? ".";
const model = await loadModel({ preset: "demo" });
const { images } = await model.generate({
  prompt: "a green star on a white background",
  seed: 7,
  variationSeed: 100, // and 101, and 102
  variationStrength: 0.2,
  batchCount: 3,
});
for (const [i, image] of images.entries()) {
  const file = path.join(folder, `variation-${i}.png`);
  await image.toFile(file);
  console.log(`wrote ${file}`);
}
await model.dispose();
