// Draws a picture, then again from nothing but its file. Usage: node examples/reproduce.mjs [folder]
import path from "node:path";
import { loadModel, reproduce } from "node-sd-cpp";

const [folder = "."] = process.argv.slice(2);
const file = path.join(folder, "original.png");
const model = await loadModel({ preset: "demo" });
const { images } = await model.generate({ prompt: "a green star on a pink background" });
await images[0].toFile(file);

const { identical, pixels, differingPixels, changes } = await reproduce(file, model);
console.log(file, identical ? `drawn again: all ${pixels} pixels are equal` : `${differingPixels} pixels differ`, changes);
await model.dispose();
