// Paints the right half of a picture anew; the left half keeps its pixels. `node inpaint.mjs [folder]`
import path from "node:path";
import { loadModel } from "node-sd-cpp";
import sharp from "sharp";

const folder = process.argv[2] ?? ".";
const model = await loadModel({ preset: "demo" });
const { images } = await model.generate({ prompt: "a red circle on a blue background", seed: 1 });

const white = { create: { width: 64, height: 128, channels: 3, background: "white" } };
const mask = sharp({ create: { width: 128, height: 128, channels: 3, background: "black" } }).composite([
  { input: white, left: 64, top: 0 },
]);
const prompt = "a yellow square on a purple background";
const painted = await model.generate({ prompt, initImage: images[0], mask, maskFeather: 4, strength: 1, seed: 5 });

const file = path.join(folder, "inpainted.png");
await painted.images[0].toFile(file);
console.log(file);
await model.dispose();
