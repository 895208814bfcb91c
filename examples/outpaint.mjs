// Goes on with a picture at the left and the right; its own pixels stay. Usage: node examples/outpaint.mjs [folder]
import path from "node:path";
import { loadModel } from "node-sd-cpp";

const folder = process.argv[2] ?? ".";
const model = await loadModel({ preset: "demo" });
const { images } = await model.generate({ prompt: "a red circle on a blue background", width: 96, height: 96, seed: 1 });
const outpaint = { left: 16, right: 16 };
const wide = await model.generate({ prompt: "a red circle on a blue background", initImage: images[0], outpaint, maskFeather: 4, seed: 5 });

const file = path.join(folder, "outpainted.png");
await wide.images[0].toFile(file);
console.log(file);
await model.dispose();
