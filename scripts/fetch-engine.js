// Brings the pinned engine source to engine/source: cargo fetches the crate by name, its sha256 is checked against
// engine/engine.json, it is unpacked, and engine/patches (files that only add lines) are applied.
const crypto = require("node:crypto");
const fs = require("node:fs");
const path = require("node:path");
const { BuildError, run } = require("./tools.js");

const root = path.join(__dirname, "..");
const engineDir = path.join(root, "engine");
const sourceDir = path.join(engineDir, "source");
const patchDir = path.join(engineDir, "patches");
const stampName = ".sdcpp-stamp";

const sha256 = (data) => crypto.createHash("sha256").update(data).digest("hex");
const readPin = () => JSON.parse(fs.readFileSync(path.join(engineDir, "engine.json"), "utf8"));
const patchFiles = () =>
  fs.existsSync(patchDir)
    ? fs
        .readdirSync(patchDir)
        .filter((name) => name.endsWith(".patch"))
        .sort()
    : [];

/** What engine/source must have been made from. */
function stampOf(pin) {
  const patches = patchFiles().map((name) => [name, sha256(fs.readFileSync(path.join(patchDir, name)))]);
  return JSON.stringify({ crate: pin.crate, version: pin.version, sha256: pin.sha256, patches });
}

/** The .crate file of the pinned version in cargo's registry cache. */
function fetchCrate(pin) {
  const manifest = path.join(engineDir, "Cargo.toml");
  run("cargo", ["fetch", "--quiet", "--manifest-path", manifest]);
  const out = run("cargo", ["metadata", "--format-version", "1", "--offline", "--manifest-path", manifest], { capture: true });
  const found = JSON.parse(out).packages.find((p) => p.name === pin.crate && p.version === pin.version);
  if (!found) {
    throw new BuildError(`engine/Cargo.toml does not name ${pin.crate} ${pin.version}, which engine/engine.json pins. Make the two agree.`);
  }
  const unpacked = path.dirname(found.manifest_path); // <cargo home>/registry/src/<index>/<name>-<version>
  const index = path.dirname(unpacked);
  const crate = path.join(path.dirname(path.dirname(index)), "cache", path.basename(index), `${pin.crate}-${pin.version}.crate`);
  if (!fs.existsSync(crate))
    throw new BuildError(
      `cargo fetched ${pin.crate} ${pin.version}, but ${crate} is not there. Clear cargo's registry cache and try again.`,
    );
  return crate;
}

function checkCrate(crate, pin) {
  const actual = sha256(fs.readFileSync(crate));
  if (actual !== pin.sha256) {
    throw new BuildError(
      `${path.basename(crate)} has sha256 ${actual}, but engine/engine.json expects ${pin.sha256}. ` +
        "The download is damaged or not the pinned engine: delete it from cargo's registry cache and try again.",
    );
  }
}

/** Applies one unified diff whose hunks only add lines ("@@ -line,0 +line,count @@"). */
function applyPatch(dir, { name, text }) {
  const bad = (why) => new BuildError(`engine/patches/${name}: ${why}`);
  let target;
  let lines;
  let shift = 0;
  const flush = () => target && fs.writeFileSync(target, lines.join("\n"));
  const patch = text.split("\n");
  for (let i = 0; i < patch.length; i++) {
    const line = patch[i];
    if (line.startsWith("+++ b/")) {
      flush();
      target = path.join(dir, line.slice("+++ b/".length).trim());
      if (!fs.existsSync(target)) throw bad(`${target} is not in the engine source`);
      lines = fs.readFileSync(target, "utf8").split("\n");
      shift = 0;
      continue;
    }
    const hunk = /^@@ -(\d+),0 \+\d+(?:,(\d+))? @@/.exec(line);
    if (!hunk) {
      if (line.startsWith("@@")) throw bad(`hunk "${line}" does more than add lines`);
      continue;
    }
    const count = Number(hunk[2] ?? 1);
    const added = patch.slice(i + 1, i + 1 + count);
    if (!added.every((l) => l.startsWith("+"))) throw bad(`hunk "${line}" does more than add lines`);
    const at = Number(hunk[1]) + shift;
    if (at > lines.length) throw bad(`hunk "${line}" lies past the end of the file`);
    lines.splice(at, 0, ...added.map((l) => l.slice(1)));
    shift += count;
    i += count;
  }
  flush();
}

/** Whether engine/source is what engine.json and engine/patches say. */
function engineIsThere() {
  const stampFile = path.join(sourceDir, stampName);
  return fs.existsSync(stampFile) && fs.readFileSync(stampFile, "utf8") === stampOf(readPin());
}

/** Makes engine/source what engine.json and engine/patches say; returns its path. Does nothing when it already is. */
function fetchEngine() {
  if (engineIsThere()) return sourceDir;
  const pin = readPin();

  const crate = fetchCrate(pin);
  checkCrate(crate, pin);
  const work = fs.mkdtempSync(path.join(engineDir, ".source-"));
  try {
    run("tar", ["-xzf", crate, "-C", work, "--strip-components=2", `${pin.crate}-${pin.version}/${pin.folder}`]);
    for (const name of patchFiles()) applyPatch(work, { name, text: fs.readFileSync(path.join(patchDir, name), "utf8") });
    fs.writeFileSync(path.join(work, stampName), stampOf(pin));
    fs.rmSync(sourceDir, { recursive: true, force: true });
    fs.renameSync(work, sourceDir);
  } finally {
    fs.rmSync(work, { recursive: true, force: true });
  }
  return sourceDir;
}

module.exports = { engineIsThere, fetchEngine, applyPatch, checkCrate };

if (require.main === module) {
  require("./tools.js").main(() => console.log(`engine source: ${fetchEngine()}`));
}
