// Draws a picture of what the arguments say: npm start -- a green star
import { loadModel, type ModelOptions } from "node-sd-cpp";

const source: ModelOptions = { preset: "demo" }; // for Stable Diffusion 3.5: { preset: "sd3.5-medium" }, after npx node-sd-cpp pull sd3.5-medium
const prompt = process.argv.slice(2).join(" ") || "a red circle on a blue background";

await using model = await loadModel(source);
const run = model.generate({ prompt, seed: 7 });
for await (const event of run) {
  if (event.type === "progress") console.error(`${event.phase} ${event.step}/${event.steps}`);
}
const { images } = await run;
for (const image of images) await image.toFile("picture.png"); // with prompt, seed and the other parameters inside
console.log("picture.png");
