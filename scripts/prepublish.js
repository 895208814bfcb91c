// `prepublish` is what npm runs in a checkout, after `npm ci` and `npm install`, and nowhere else: not where the package is installed, not before it is
// packed or published. (`prepare` would do too, but npm counts it among the scripts of an installed package that it asks about.) The addon is built
// as any with a binding.gyp is, where no build or prebuild loads.
const path = require("node:path");
const { main, run } = require("./tools.js");

main(() => {
  if (process.env._PACOTE_NO_PREPARE_) return; // a dependency by git address, which npm packs at once: what is packed holds no build
  run(process.execPath, [path.join(path.dirname(require.resolve("node-gyp-build")), "bin.js")]);
});
