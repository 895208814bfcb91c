// Builds the addon: the engine source, then cmake-js on CMakeLists.txt, then the .node into gyp's output folder.
// binding.gyp calls it with --config, --arch and --out; `npm run build:native` calls it with none; --bench adds the driver
// that the benchmark compares with. Other builds, each in a tree of its own: --sanitize with a sanitizer of the compiler (scripts/sanitize.js),
// --modules with ggml's backends as libraries beside the addon, --prebuild PLATFORM-ARCH the same by zig (scripts/prebuild-gyp.js).
// --tidy leaves the addon alone in the end: for `npx node-sd-cpp build` in an installed package (lib/cli/commands/build.ts).
const fs = require("node:fs");
const path = require("node:path");
const { parseArgs } = require("node:util");
const { BuildError, run, has, missing, main } = require("./tools.js");
const { cmakeJsFolders } = require("./cmake-js.js");
const { engineIsThere, fetchEngine } = require("./fetch-engine.js");

const root = path.join(__dirname, "..");
const backends = { cuda: "SD_CUDA", vulkan: "SD_VULKAN", metal: "SD_METAL" };

/** What --sanitize takes: folder in build/, and the compiler's names. */
const sanitizers = { address: ["asan", "address,undefined"], thread: ["tsan", "thread"] };

/** The names in SDCPP_BACKENDS, a comma-separated list. */
function backendNames(list) {
  const names = list
    .split(",")
    .map((s) => s.trim())
    .filter((s) => s && s !== "cpu");
  const unknown = names.find((name) => !(name in backends));
  if (unknown)
    throw new BuildError(`SDCPP_BACKENDS names "${unknown}"; expected a comma-separated list of cpu, ${Object.keys(backends).join(", ")}.`);
  return names;
}

/** Every switch is set, so that a list can shrink too. */
function backendFlags(names) {
  return Object.entries(backends).map(([name, option]) => `--CD${option}=${names.includes(name) ? "ON" : "OFF"}`);
}

/** Looks for all that the build calls, so that one message names all that has to be installed. */
function checkTools(names) {
  const { CXX, CUDACXX, CUDA_PATH, VULKAN_SDK, SDCPP_ENGINE_DIR } = process.env;
  const compiler = process.platform === "win32" || CXX || ["c++", "g++", "clang++"].some(has);
  const there = {
    cmake: has("cmake"),
    "c++": compiler,
    cargo: SDCPP_ENGINE_DIR || engineIsThere() || has("cargo"),
    nvcc: !names.includes("cuda") || CUDACXX || CUDA_PATH || has("nvcc"),
    glslc: !names.includes("vulkan") || VULKAN_SDK || has("glslc"),
  };
  const lacking = Object.keys(there).filter((tool) => !there[tool]);
  if (lacking.length) throw missing(...lacking);
}

/** `cmake-js build` configures a new tree only; one that was made with other switches is configured here. */
function configureWhenChanged(tree, switches, cmakeJs) {
  const stamp = path.join(tree, "sdcpp-switches.json");
  const wanted = JSON.stringify(switches);
  if (fs.existsSync(stamp) && fs.readFileSync(stamp, "utf8") === wanted) return;
  cmakeJs("configure");
  fs.writeFileSync(stamp, wanted);
}

/** CMake refuses a tree that was made in another folder, as in a checkout that was copied or moved: such a tree is made anew. */
function forgetMovedTree(tree) {
  const cache = path.join(tree, "CMakeCache.txt");
  if (!fs.existsSync(cache)) return;
  const made = /^CMAKE_CACHEFILE_DIR:INTERNAL=(.*)$/m.exec(fs.readFileSync(cache, "utf8"))?.[1]?.trim();
  if (made && fs.existsSync(made) && fs.realpathSync(made) === fs.realpathSync(tree)) return;
  console.log(`${path.relative(root, tree)} was made in another folder (${made}); it is built anew.`);
  fs.rmSync(tree, { recursive: true, force: true });
}

/** The engine's source folder: the pinned one, or SDCPP_ENGINE_DIR. */
function engineSource() {
  const engine = process.env.SDCPP_ENGINE_DIR ? path.resolve(process.env.SDCPP_ENGINE_DIR) : fetchEngine();
  if (!fs.existsSync(path.join(engine, "include", "stable-diffusion.h"))) {
    throw new BuildError(`${engine} is not a stable-diffusion.cpp source folder (no include/stable-diffusion.h); check SDCPP_ENGINE_DIR.`);
  }
  return engine;
}

/** ggml's, in a build that has it beside the addon. */
const library = /^(lib)?sdcpp-ggml.*\.(so|dll|dylib)$/;

/** Copies what CMake built into gyp's folder, each by a rename: a running process keeps the file that it has mapped. */
function publish(tree, config, out) {
  const built = ["", config].map((d) => path.join(tree, d)).find((d) => fs.existsSync(path.join(d, "node-sd-cpp.node")));
  if (!built) throw new BuildError(`CMake finished, but ${tree} holds no node-sd-cpp.node.`);
  fs.mkdirSync(out, { recursive: true });
  for (const name of fs.readdirSync(out)) if (library.test(name)) fs.rmSync(path.join(out, name)); // of a build with others
  for (const name of fs.readdirSync(built).filter((n) => n.endsWith(".node") || library.test(n) || /^bench-driver/.test(n))) {
    const temporary = path.join(out, `.${name}.${process.pid}`);
    fs.copyFileSync(path.join(built, name), temporary);
    fs.renameSync(temporary, path.join(out, name));
  }
}

/**
 * The tree of the build that is asked for and the switches that make it. Prebuilds are for many machines; macOS's own compiler builds for older
 * systems by itself, and its processors differ little.
 */
function kindOf({ sanitize, modules, prebuild }, env) {
  const inBuild = (name) => path.join(root, "build", name);
  const treeOf = (name) => {
    const tree = inBuild(name);
    forgetMovedTree(tree);
    return tree;
  };
  if (sanitize !== undefined) {
    if (!(sanitize in sanitizers)) throw new BuildError(`--sanitize ${sanitize}: expected ${Object.keys(sanitizers).join(" or ")}.`);
    const [folder, flag] = sanitizers[sanitize]; // laid out as a package: NODE_SD_CPP_PREBUILD names it to node-gyp-build
    return { tree: treeOf(`${folder}/cmake`), out: inBuild(`${folder}/build/Release`), switches: [`--CDSDCPP_SANITIZE=${flag}`] };
  }
  if (modules) return { tree: treeOf("modules"), switches: ["--CDSDCPP_MODULES=ON"] };
  if (prebuild === undefined) return { tree: treeOf("cmake"), switches: [] };
  const tree = treeOf(`prebuild-${prebuild}`);
  if (prebuild.startsWith("darwin")) return { tree, switches: ["--CDGGML_NATIVE=OFF", "--CDCMAKE_OSX_DEPLOYMENT_TARGET=12.0"] };
  const { zigSwitches } = require("./zig.js"); // not in the package
  const { switches, version } = zigSwitches(prebuild, path.join(tree, "zig"), process.env.SDCPP_BACKENDS ?? "");
  Object.assign(env, { CCACHE_COMPILERTYPE: "clang", CCACHE_COMPILERCHECK: `string:zig ${version} ${prebuild}` });
  return { tree, switches: ["--CDSDCPP_MODULES=ON", ...switches] };
}

function build() {
  const { values } = parseArgs({
    options: {
      config: { type: "string", default: "Release" },
      arch: { type: "string", default: process.arch },
      out: { type: "string", default: "build/Release" },
      bench: { type: "boolean", default: false },
      modules: { type: "boolean", default: false },
      prebuild: { type: "string" },
      sanitize: { type: "string" },
      tidy: { type: "boolean", default: false },
    },
  });
  const onOff = (on) => (on ? "ON" : "OFF");
  const names = backendNames(process.env.SDCPP_BACKENDS ?? "");
  checkTools(names);
  const switches = [...backendFlags(names), `--CDSDCPP_BENCH_DRIVER=${onOff(values.bench)}`, `--CDSDCPP_ENGINE_DIR=${engineSource()}`];
  const folders = cmakeJsFolders();
  switches.push(`--CDSDCPP_NODE_ADDON_API=${folders["node-addon-api"]}`);

  const env = { ...process.env };
  for (const name of ["MAKEFLAGS", "MFLAGS", "MAKELEVEL"]) delete env[name]; // gyp's own make must not steer CMake's
  if (has("ccache")) {
    switches.push("--CDCMAKE_C_COMPILER_LAUNCHER=ccache", "--CDCMAKE_CXX_COMPILER_LAUNCHER=ccache");
    env.CCACHE_BASEDIR ??= root; // relative paths, so that another checkout hits the same cache
    env.CCACHE_NOHASHDIR ??= "1";
  }
  const { tree, out = path.resolve(root, values.out), switches: own } = kindOf(values, env);
  switches.push(...own);
  const options = ["--directory", root, "--out", tree, "--config", values.config, "--arch", values.arch, ...switches];
  // cmake-js picks ninja by itself when it is there.
  const cmakeJs = (command) =>
    run(process.execPath, [path.join(folders["cmake-js"], "bin", "cmake-js"), command, ...options], { env, cwd: root });
  configureWhenChanged(tree, options, cmakeJs);
  cmakeJs("build");
  publish(tree, values.config, out);
  if (values.tidy)
    for (const made of [tree, "build/tools", "engine/source"]) fs.rmSync(path.resolve(root, made), { recursive: true, force: true });
}

module.exports = { build, forgetMovedTree };

if (require.main === module) main(build);
