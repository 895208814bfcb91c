// Says what is missing in prebuilds/ for the platforms named, before a release: node scripts/check-prebuilds.js linux-x64 win32-x64
const fs = require("node:fs");
const path = require("node:path");
const { BuildError, main } = require("./tools.js");

/** Files that a platform needs, each as a pattern; on macOS all is in the addon. */
function expected(platform) {
  if (platform.startsWith("darwin")) return [/\.node$/];
  return [/\.node$/, /sdcpp-ggml\.(so|dll)$/, /sdcpp-ggml-base\.(so|dll)$/, /sdcpp-ggml-cpu-[\w.]+\.(so|dll)$/];
}

function check() {
  const platforms = process.argv.slice(2);
  if (platforms.length === 0) throw new BuildError("expected platforms, such as linux-x64.");
  const missing = platforms.flatMap((platform) => {
    const folder = path.join(__dirname, "..", "prebuilds", platform);
    const files = fs.existsSync(folder) ? fs.readdirSync(folder) : [];
    return expected(platform).flatMap((pattern) => (files.some((file) => pattern.test(file)) ? [] : [`${platform}: ${pattern.source}`]));
  });
  if (missing.length) throw new BuildError(`prebuilds/ is not complete:\n${missing.join("\n")}`);
  console.log(`complete: ${platforms.join(", ")}`);
}

main(check);
