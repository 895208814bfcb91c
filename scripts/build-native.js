// Builds the addon: the engine source, then cmake-js on CMakeLists.txt, then the .node into gyp's output folder.
// binding.gyp calls it with --config, --arch and --out; `npm run build:native` calls it with none; --bench adds the driver
// that the benchmark compares with.
const fs = require("node:fs");
const path = require("node:path");
const { parseArgs } = require("node:util");
const { BuildError, run, has, missing, main } = require("./tools.js");
const { fetchEngine } = require("./fetch-engine.js");

const root = path.join(__dirname, "..");
const backends = { cuda: "SD_CUDA", vulkan: "SD_VULKAN", metal: "SD_METAL" };

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

function build() {
  const { values } = parseArgs({
    options: {
      config: { type: "string", default: "Release" },
      arch: { type: "string", default: process.arch },
      out: { type: "string", default: "build/Release" },
      bench: { type: "boolean", default: false },
    },
  });
  const flags = backendFlags(process.env.SDCPP_BACKENDS ?? "");
  flags.push(`--CDGGML_NATIVE=${process.env.SDCPP_PORTABLE ? "OFF" : "ON"}`, `--CDSDCPP_BENCH_DRIVER=${values.bench ? "ON" : "OFF"}`);
  if (!has("cmake")) throw missing("cmake");
  findCompiler();
  const engine = process.env.SDCPP_ENGINE_DIR ? path.resolve(process.env.SDCPP_ENGINE_DIR) : fetchEngine();
  if (!fs.existsSync(path.join(engine, "include", "stable-diffusion.h"))) {
    throw new BuildError(`${engine} is not a stable-diffusion.cpp source folder (no include/stable-diffusion.h); check SDCPP_ENGINE_DIR.`);
  }

  const env = { ...process.env };
  for (const name of ["MAKEFLAGS", "MFLAGS", "MAKELEVEL"]) delete env[name]; // gyp's own make must not steer CMake's
  if (has("ccache")) {
    flags.push("--CDCMAKE_C_COMPILER_LAUNCHER=ccache", "--CDCMAKE_CXX_COMPILER_LAUNCHER=ccache");
    env.CCACHE_BASEDIR ??= root; // relative paths, so that another checkout hits the same cache
    env.CCACHE_NOHASHDIR ??= "1";
  }
  const out = path.resolve(root, values.out);
  const tree = path.join("build", "cmake");
  // cmake-js picks ninja by itself when it is there.
  run(
    process.execPath,
    [
      require.resolve("cmake-js/bin/cmake-js"),
      "compile",
      "--directory",
      root,
      "--out",
      tree,
      "--config",
      values.config,
      "--arch",
      values.arch,
      `--CDSDCPP_ENGINE_DIR=${engine}`,
      ...flags,
    ],
    { env, cwd: root },
  );
  fs.mkdirSync(out, { recursive: true });
  const built = ["", values.config].map((d) => path.join(root, tree, d)).find((d) => fs.existsSync(path.join(d, "node-sd-cpp.node")));
  if (!built) throw new BuildError(`CMake finished, but ${tree} holds no node-sd-cpp.node.`);
  for (const name of fs.readdirSync(built).filter((n) => /\.(node|so|dll|dylib)$|^bench-driver/.test(n))) {
    const temporary = path.join(out, `.${name}.${process.pid}`);
    fs.copyFileSync(path.join(built, name), temporary); // then rename: a running process keeps the file it has mapped
    fs.renameSync(temporary, path.join(out, name));
  }
}

main(build);
