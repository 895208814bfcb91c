// The engine in a process of its own, and a run that is tried again should it crash. Usage: node examples/isolate.mjs [folder]
import path from "node:path";
import { EngineCrashError, loadModel } from "node-sd-cpp";

const folder = process.argv[2] ?? ".";
const model = await loadModel({ preset: "demo", isolate: true });

async function draw(options) {
  try {
    return await model.generate(options);
  } catch (error) {
    if (!(error instanceof EngineCrashError)) throw error;
    console.error(error.message); // what ended it; error.log has the engine's last lines
    return await model.generate(options); // the model is being loaded again already
  }
}

const { images } = await draw({ prompt: "a red circle on a blue background", seed: 1 });
const file = path.join(folder, "isolate.png");
await images[0].toFile(file);
console.log(`wrote ${file}`);
await model.dispose();
