// What model files are, and what is missing beside them. Usage: node examples/inspect.mjs; with your files: sdcpp inspect does the same.
import { inspectModel, loadModel } from "node-sd-cpp";

const demo = await loadModel({ preset: "demo", offload: { params: "disk" } }); // unpacks the demo's files
const { diffusionModel, clipL, taesd } = demo.info.files;
await demo.dispose();

for (const sources of [
  [diffusionModel, taesd],
  [taesd, clipL, diffusionModel],
]) {
  const { files, options, loadable, problem, missing } = await inspectModel(sources);
  for (const { kind, layout, parameters } of files) console.log(`${kind} (${layout}), ${Math.round(parameters / 1e6)} million parameters`);
  console.log(loadable ? `complete, as ${Object.keys(options).join(", ")}` : problem);
  for (const { part, file, repository } of missing) console.log(`missing: ${part}, for example ${file} of ${repository}`);
}
