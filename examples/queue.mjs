// Three runs in line: one is urgent, one is canceled. Usage: node examples/queue.mjs [folder]
import path from "node:path";
import { loadModel } from "node-sd-cpp";

const folder = process.argv[2] ?? ".";
const model = await loadModel({ preset: "demo", maxQueue: 10 });

async function draw(name, options) {
  const run = model.generate({ steps: 4, ...options });
  if (name === "canceled") setTimeout(() => run.cancel(), 100);
  for await (const event of run) if (event.type === "queued") console.log(`${name}: place ${event.position}`);
  const file = path.join(folder, `queue-${name}.png`);
  await run.images[0].toFile(file);
  console.log(`wrote ${file}`);
}

await Promise.allSettled([
  draw("first", { prompt: "a red circle on a white background" }),
  draw("patient", { prompt: "a blue star on a yellow background" }),
  draw("canceled", { prompt: "a black square on a gray background" }),
  draw("urgent", { prompt: "a green heart on a pink background", priority: 5 }),
]);
await model.dispose();
