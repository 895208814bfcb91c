// Says what is missing for a release with the platforms named: node scripts/check-prebuilds.js linux-x64 win32-x64
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
  const { repository } = JSON.parse(fs.readFileSync(path.join(__dirname, "..", "package.json"), "utf8"));
  if (/\bOWNER\b/.test(repository.url))
    throw new BuildError("package.json: repository.url names no repository yet; homepage and bugs follow it.");
  console.log(`complete: ${platforms.join(", ")}`);
}

main(check);
