// How the build scripts run other programs and report what is missing.
const { spawnSync } = require("node:child_process");

/** A failure that one sentence explains; printed without a stack trace. */
class BuildError extends Error {}

const fixes = {
  cargo:
    "cargo fetches the engine source. Install Rust's cargo (Debian/Ubuntu: apt-get install cargo; others: https://rustup.rs), or set SDCPP_ENGINE_DIR to a stable-diffusion.cpp checkout.",
  cmake:
    "cmake builds the addon. Install it (Debian/Ubuntu: apt-get install cmake; macOS: brew install cmake; Windows: winget install Kitware.CMake).",
  "c++":
    "a C++17 compiler builds the addon. Install one (Debian/Ubuntu: apt-get install g++; macOS: xcode-select --install; Windows: Visual Studio Build Tools), or set CXX.",
  tar: "tar unpacks the engine source. Install it (Debian/Ubuntu: apt-get install tar).",
  npm: "npm fetches cmake-js, which runs cmake. Install it (it comes with Node.js).",
  nvcc: "NVIDIA's compiler builds the CUDA backend. Install the CUDA toolkit and put its bin folder on the PATH, or set CUDACXX.",
  glslc:
    "glslc builds the shaders of the Vulkan backend. Install it (Debian/Ubuntu: apt-get install glslc libvulkan-dev), or set VULKAN_SDK.",
};

/** What is not there, and what to do, all at once. */
const missing = (...tools) =>
  new BuildError(tools.map((tool) => `${tool} was not found: ${fixes[tool] ?? "install it and try again."}`).join(" "));

/** Runs a program; returns its output when `capture`. A program that is not there, or fails, is a BuildError. */
function run(tool, args, { capture = false, env = process.env, cwd } = {}) {
  const result = spawnSync(tool, args, {
    stdio: ["ignore", capture ? "pipe" : "inherit", "inherit"],
    env,
    cwd,
    encoding: "utf8",
    maxBuffer: 1 << 28,
  });
  if (result.error?.code === "ENOENT") throw missing(tool);
  if (result.error) throw result.error;
  if (result.status !== 0)
    throw new BuildError(
      `${tool} ${args.slice(0, 2).join(" ")} failed (${result.signal ?? `exit code ${result.status}`}); its output is above.`,
    );
  return result.stdout;
}

/** Whether a program can be started at all. */
const has = (tool) => !spawnSync(tool, ["--version"], { stdio: "ignore" }).error;

/** Runs a script's body; a BuildError ends the process with its one sentence, which a parent that listens (lib/cli/commands/build.ts) tells in its own way. */
function main(body) {
  try {
    body();
  } catch (error) {
    if (!(error instanceof BuildError)) throw error;
    process.exitCode = 1;
    if (process.send) process.send({ message: error.message });
    else console.error(`\nnode-sd-cpp: ${error.message}\n`);
  }
}

module.exports = { BuildError, run, has, missing, main };
