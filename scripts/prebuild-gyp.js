#!/usr/bin/env node

// What prebuildify runs in node-gyp's place: a build for many machines instead of this one, for the platform that prebuildify was given.
// Vulkan is part of it; SDCPP_BACKENDS says what else, or less (SDCPP_BACKENDS=cpu).
const { build } = require("./build-native.js");
const { main } = require("./tools.js");

const { PREBUILD_PLATFORM: platform = process.platform, PREBUILD_ARCH: arch = process.arch } = process.env;
process.env.SDCPP_BACKENDS ??= platform === "darwin" ? "metal" : "vulkan";
process.argv = [...process.argv.slice(0, 2), "--prebuild", `${platform}-${arch}`];
main(build);
