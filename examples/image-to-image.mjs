// Redraws a picture: a low strength keeps it, a high one follows the prompt. `node image-to-image.mjs [folder]`
import path from "node:path";
import { loadModel } from "node-sd-cpp";

const folder = process.argv[2] ?? ".";
const model = await loadModel({ preset: "demo" });
const first = await model.generate({ prompt: "a red circle on a blue background", seed: 1 });

for (const strength of [0.25, 0.5, 0.75]) {
  const prompt = "a yellow square on a purple background";
  const { images } = await model.generate({ prompt, initImage: first.images[0], strength, seed: 5 });
  const file = path.join(folder, `strength-${strength}.png`);
  await images[0].toFile(file);
  console.log(file);
}
// Half noise, half picture, whatever the number of steps.
const begun = await model.generate({
  prompt: "a yellow square on a purple background",
  initImage: first.images[0],
  noiseLevel: 0.5,
  seed: 5,
});
await begun.images[0].toFile(path.join(folder, "noise-level-0.5.png"));
await model.dispose();
