// Builds the addon: the engine source, then cmake-js on CMakeLists.txt, then the .node into gyp's output folder.
// binding.gyp calls it with --config, --arch and --out; `npm run build:native` calls it with none; --bench adds the driver
// that the benchmark compares with; --sanitize builds with a sanitizer of the compiler, in a tree of its own (scripts/sanitize.js runs it).
const fs = require("node:fs");
const path = require("node:path");
const { parseArgs } = require("node:util");
const { BuildError, run, has, missing, main } = require("./tools.js");
const { fetchEngine } = require("./fetch-engine.js");

const root = path.join(__dirname, "..");
const backends = { cuda: "SD_CUDA", vulkan: "SD_VULKAN", metal: "SD_METAL" };

/** What --sanitize takes: folder in build/, and the compiler's names. */
const sanitizers = { address: ["asan", "address,undefined"], thread: ["tsan", "thread"] };

/** CMake switches for SDCPP_BACKENDS, a comma-separated list. Every switch is set, so that a list can shrink too. */
function backendFlags(list) {
  const names = list
    .split(",")
    .map((s) => s.trim())
    .filter((s) => s && s !== "cpu");
  const unknown = names.find((name) => !(name in backends));
  if (unknown)
    throw new BuildError(`SDCPP_BACKENDS names "${unknown}"; expected a comma-separated list of cpu, ${Object.keys(backends).join(", ")}.`);
  return Object.entries(backends).map(([name, option]) => `--CD${option}=${names.includes(name) ? "ON" : "OFF"}`);
}

function findCompiler() {
  if (process.platform === "win32" || process.env.CXX) return;
  if (!["c++", "g++", "clang++"].some(has)) throw missing("c++");
}

/** `cmake-js build` configures a new tree only; one that was made with other switches is configured here. */
function configureWhenChanged(tree, switches, cmakeJs) {
  const stamp = path.join(tree, "sdcpp-switches.json");
  const wanted = JSON.stringify(switches);
  if (fs.existsSync(stamp) && fs.readFileSync(stamp, "utf8") === wanted) return;
  cmakeJs("configure");
  fs.writeFileSync(stamp, wanted);
}

/** The engine's source folder: the pinned one, or SDCPP_ENGINE_DIR. */
function engineSource() {
  const engine = process.env.SDCPP_ENGINE_DIR ? path.resolve(process.env.SDCPP_ENGINE_DIR) : fetchEngine();
  if (!fs.existsSync(path.join(engine, "include", "stable-diffusion.h"))) {
    throw new BuildError(`${engine} is not a stable-diffusion.cpp source folder (no include/stable-diffusion.h); check SDCPP_ENGINE_DIR.`);
  }
  return engine;
}

/** Copies what CMake built into gyp's folder, each by a rename: a running process keeps the file that it has mapped. */
function publish(tree, config, out) {
  const built = ["", config].map((d) => path.join(tree, d)).find((d) => fs.existsSync(path.join(d, "node-sd-cpp.node")));
  if (!built) throw new BuildError(`CMake finished, but ${tree} holds no node-sd-cpp.node.`);
  fs.mkdirSync(out, { recursive: true });
  for (const name of fs.readdirSync(built).filter((n) => /\.(node|so|dll|dylib)$|^bench-driver/.test(n))) {
    const temporary = path.join(out, `.${name}.${process.pid}`);
    fs.copyFileSync(path.join(built, name), temporary);
    fs.renameSync(temporary, path.join(out, name));
  }
}

/** A sanitizer's package folder (what NODE_SD_CPP_PREBUILD names to node-gyp-build) and the compiler's switch. */
function sanitizer(name) {
  if (!(name in sanitizers)) throw new BuildError(`--sanitize ${name}: expected ${Object.keys(sanitizers).join(" or ")}.`);
  const [folder, flag] = sanitizers[name];
  return { folder: path.join(root, "build", folder), flag };
}

function build() {
  const { values } = parseArgs({
    options: {
      config: { type: "string", default: "Release" },
      arch: { type: "string", default: process.arch },
      out: { type: "string", default: "build/Release" },
      bench: { type: "boolean", default: false },
      sanitize: { type: "string" },
    },
  });
  const sanitized = values.sanitize === undefined ? undefined : sanitizer(values.sanitize);
  const onOff = (on) => (on ? "ON" : "OFF");
  const switches = backendFlags(process.env.SDCPP_BACKENDS ?? "");
  switches.push(`--CDGGML_NATIVE=${onOff(!process.env.SDCPP_PORTABLE)}`, `--CDSDCPP_BENCH_DRIVER=${onOff(values.bench)}`);
  if (sanitized) switches.push(`--CDSDCPP_SANITIZE=${sanitized.flag}`);
  if (!has("cmake")) throw missing("cmake");
  findCompiler();
  switches.push(`--CDSDCPP_ENGINE_DIR=${engineSource()}`);

  const env = { ...process.env };
  for (const name of ["MAKEFLAGS", "MFLAGS", "MAKELEVEL"]) delete env[name]; // gyp's own make must not steer CMake's
  if (has("ccache")) {
    switches.push("--CDCMAKE_C_COMPILER_LAUNCHER=ccache", "--CDCMAKE_CXX_COMPILER_LAUNCHER=ccache");
    env.CCACHE_BASEDIR ??= root; // relative paths, so that another checkout hits the same cache
    env.CCACHE_NOHASHDIR ??= "1";
  }
  const tree = path.join(sanitized?.folder ?? path.join(root, "build"), "cmake");
  const options = ["--directory", root, "--out", tree, "--config", values.config, "--arch", values.arch, ...switches];
  // cmake-js picks ninja by itself when it is there.
  const cmakeJs = (command) => run(process.execPath, [require.resolve("cmake-js/bin/cmake-js"), command, ...options], { env, cwd: root });
  configureWhenChanged(tree, options, cmakeJs);
  cmakeJs("build");
  publish(tree, values.config, sanitized ? path.join(sanitized.folder, "build", "Release") : path.resolve(root, values.out));
}

main(build);
