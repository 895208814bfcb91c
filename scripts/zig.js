// The compiler of the prebuilds: zig's clang, which brings the C library of any platform along, so that what it builds here also runs on
// systems that are older (glibc 2.28: Debian 10, RHEL 8, Ubuntu 18.10) or of another kind. Tried with 0.17.1: `pip install ziglang==0.17.1`.
const fs = require("node:fs");
const path = require("node:path");
const { spawnSync } = require("node:child_process");
const { BuildError, has, run } = require("./tools.js");

/** zig's names of our platforms, and CMake's. */
const targets = {
  "linux-x64": { zig: "x86_64-linux-gnu.2.28", system: "Linux", processor: "x86_64" },
  "linux-arm64": { zig: "aarch64-linux-gnu.2.28", system: "Linux", processor: "aarch64" },
  "win32-x64": { zig: "x86_64-windows-gnu", system: "Windows", processor: "AMD64" },
};

/** How zig is started (ZIG, the one on the PATH, or Python's package), and its version. */
function findZig() {
  const folders = (process.env.PATH ?? "").split(path.delimiter); // prebuildify puts Node's own first, which may have another Python
  const ways = [["zig"], ...folders.map((folder) => [path.join(folder, "python3"), "-m", "ziglang"])];
  if (process.env.ZIG) ways.unshift([process.env.ZIG]);
  for (const command of ways) {
    const [tool, ...args] = command;
    const { status, stdout } = spawnSync(tool, [...args, "version"], { encoding: "utf8" });
    if (status === 0) return { command, version: stdout.trim() };
  }
  throw new BuildError("zig compiles the prebuilds. Install it (pip install ziglang==0.17.1), or set ZIG to its executable.");
}

/** A program for CMake, which takes a compiler's name without arguments. */
function wrap(folder, name, command) {
  const file = path.join(folder, name);
  fs.mkdirSync(folder, { recursive: true });
  fs.writeFileSync(file, `#!/bin/sh\nexec ${command.map((word) => `'${word}'`).join(" ")} "$@"\n`, { mode: 0o755 });
  return file;
}

/** A compiler for `target`. zig has no -march=armv8.2-a+fp16 as GCC and clang do: there it is -mcpu=generic+v8_2a+fullfp16. */
function compiler(target, folder, name, command) {
  const tool = wrap(folder, `zig-${name}`, [...command, name, "-target", targets[target].zig]);
  if (targets[target].processor !== "aarch64") return tool;
  const script = `#!/bin/sh
for word; do
  shift
  case "$word" in
    -march=armv*)
      word=-mcpu=generic+$(echo "\${word#-march=armv}" | sed -E 's/^([0-9])([.]([0-9]))?-a/v\\1_\\3a/; s/_a/a/; s/[+]fp16/+fullfp16/; s/[+]no/-/g') ;;
  esac
  set -- "$@" "$word"
done
exec '${tool}' "$@"
`;
  const file = path.join(folder, `arm-${name}`);
  fs.writeFileSync(file, script, { mode: 0o755 });
  return file;
}

/**
 * GCC for ggml's CPU variants, linked by zig: from clang they are slower, up to 12 % with Q4_0 weights (`npm run bench:variants`). Only where GCC
 * builds for the target; their C++ library goes into them.
 */
function gccForCpu(target, folder) {
  if (target !== "linux-x64" || target !== `${process.platform}-${process.arch}` || !has("g++")) return {};
  const script = `#!/bin/sh
unset CCACHE_COMPILERTYPE CCACHE_COMPILERCHECK
for word; do
  shift
  case "$word" in
    */zig-cc) set -- "$@" gcc ;;
    */zig-c++) set -- "$@" g++ ;;
    -Wunreachable-code-*) ;; # clang's
    *) set -- "$@" "$word" ;;
  esac
done
exec "$@"
`;
  const file = path.join(folder, "gcc-for-cpu");
  fs.writeFileSync(file, script, { mode: 0o755 });
  const libraries = ["libstdc++.a", "libgcc_eh.a", "libgcc.a"].map((name) =>
    run("g++", [`-print-file-name=${name}`], { capture: true }).trim(),
  );
  return { SDCPP_CPU_COMPILE: file, SDCPP_CPU_LIBRARIES: libraries.join(";") };
}

/** What ggml calls of Vulkan's loader by name; it asks the first for all others. */
const vulkanFunctions = ["vkGetInstanceProcAddr", "vkGetPhysicalDeviceFeatures2", "vkCmdCopyBuffer"];

/** Vulkan's loader as a library to link against: the real one belongs to the driver, and to find one for each platform would take more than headers. */
function vulkanStub(target, compiler, folder) {
  const source = path.join(folder, "vulkan.c");
  const windows = target.startsWith("win32");
  const exported = windows ? "__declspec(dllexport) " : "";
  fs.writeFileSync(source, vulkanFunctions.map((name) => `${exported}void ${name}(void) {}\n`).join(""));
  const library = path.join(folder, windows ? "vulkan-1.dll" : "libvulkan.so.1");
  const options = windows ? [`-Wl,--out-implib,${path.join(folder, "vulkan-1.lib")}`] : ["-fPIC", "-Wl,-soname,libvulkan.so.1"];
  run(compiler, ["-shared", "-o", library, ...options, source]);
  const include = [process.env.VULKAN_SDK, "/usr"].filter(Boolean).map((sdk) => path.join(sdk, "include"));
  const found = include.find((place) => fs.existsSync(path.join(place, "vulkan", "vulkan.hpp")));
  if (!found) throw new BuildError("Vulkan's headers were not found: see docs/install.md, or leave Vulkan out by SDCPP_BACKENDS=cpu.");
  return { Vulkan_LIBRARY: windows ? path.join(folder, "vulkan-1.lib") : library, Vulkan_INCLUDE_DIR: found };
}

/** CMake's switches to build for `target` ("linux-arm64") with zig, and zig's version; its helpers are written to `folder`. */
function zigSwitches(target, folder, backends) {
  if (!(target in targets)) throw new BuildError(`zig: expected one of ${Object.keys(targets).join(", ")}, received ${target}.`);
  const { system, processor } = targets[target];
  const { command, version } = findZig();
  const tool = (name, ...args) => wrap(folder, `zig-${name}`, [...command, name, ...args]);
  const switches = {
    CMAKE_C_COMPILER: compiler(target, folder, "cc", command),
    CMAKE_CXX_COMPILER: compiler(target, folder, "c++", command),
    CMAKE_AR: tool("ar"),
    CMAKE_RANLIB: tool("ranlib"),
    CMAKE_SHARED_LINKER_FLAGS: "-s",
    CMAKE_MODULE_LINKER_FLAGS: "-s",
    ...gccForCpu(target, folder),
  };
  if (target !== `${process.platform}-${process.arch}`) {
    Object.assign(switches, { CMAKE_SYSTEM_NAME: system, CMAKE_SYSTEM_PROCESSOR: processor });
    if (system === "Windows") switches.CMAKE_RC_COMPILER = tool("rc");
  }
  if (backends.includes("vulkan")) Object.assign(switches, vulkanStub(target, switches.CMAKE_C_COMPILER, folder));
  return { switches: Object.entries(switches).map(([name, value]) => `--CD${name}=${value}`), version };
}

module.exports = { zigSwitches };
