// Counts a prompt's tokens and draws it without and with a weight: node examples/long-prompt.mjs [folder]
import path from "node:path";
import { loadModel } from "node-sd-cpp";

const folder = process.argv[2] ?? ".";
const model = await loadModel({ preset: "demo" });

for (const prompt of ["a red circle", "a (red:1.5) circle BREAK on a blue background", "a red circle on a blue background, ".repeat(20)]) {
  const { clipL, chunks } = await model.countTokens(prompt);
  console.log(`${clipL.tokens} tokens in ${chunks} chunk(s): ${prompt.slice(0, 60)}`);
}

for (const [name, prompt] of [
  ["plain", "a red circle on a blue background"],
  ["weighted", "a (red:1.5) circle on a (blue:0.5) background"],
]) {
  const { images } = await model.generate({ prompt, seed: 7 });
  const file = path.join(folder, `${name}.png`);
  await images[0].toFile(file);
  console.log(file);
}
await model.dispose();
