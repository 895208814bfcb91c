// Whether a model and a picture fit into memory, without loading. Usage: node examples/estimate.mjs
import { estimateMemory, loadModel } from "node-sd-cpp";

const gigabytes = (bytes) => `${(bytes / 1e9).toFixed(2)} GB`;
const size = { width: 3072, height: 3072 };

const { devices, fits, suggestions } = await estimateMemory({ preset: "demo", ...size });
for (const [device, { peak, available }] of Object.entries(devices)) {
  console.log(`${device}: ${gigabytes(peak)} at the peak, ${gigabytes(available)} available`);
}
for (const { text, saves } of suggestions) console.log(`  ${text} saves ${gigabytes(saves)}`);

if (!fits) {
  // Such a run is refused at once, before it waits in line; with force it is tried all the same.
  const model = await loadModel({ preset: "demo" });
  await model.generate({ prompt: "a red circle", ...size }).catch(({ code, message }) => console.log(`${code}: ${message}`));
  await model.dispose();
}
