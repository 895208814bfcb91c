// What npm does in a checkout after `npm ci` and `npm install`: the addon is built as any package with a binding.gyp is, where no build or prebuild
// loads. Not before it packs, nor for a git dependency: what is packed holds no build.
const path = require("node:path");
const { main, run } = require("./tools.js");

const { npm_command: command, _PACOTE_NO_PREPARE_: gitDependency } = process.env;

main(() => {
  if (!["ci", "install"].includes(command) || gitDependency) return;
  run(process.execPath, [path.join(path.dirname(require.resolve("node-gyp-build")), "bin.js")]);
});
