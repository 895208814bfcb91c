/** Run by variants.ts: draws one picture with the compiled package and prints the seconds of each step after the first. */
const path = require("node:path");
const { loadModel } = require(path.join(__dirname, ".."));

async function main() {
  const { options, steps, side, threads } = JSON.parse(process.argv[2]);
  const model = await loadModel({ threads, ...options });
  const times = [];
  let last = 0;
  for await (const event of model.generate({ prompt: "a red circle", width: side, height: side, steps, cfgScale: 1, seed: 1 })) {
    if (event.type !== "progress" || event.phase !== "sample") continue;
    const now = performance.now();
    if (last) times.push((now - last) / 1000);
    last = now;
  }
  await model.dispose();
  process.stdout.write(JSON.stringify(times));
}

main();
