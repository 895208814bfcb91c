#!/usr/bin/env node

// What prebuildify runs in node-gyp's place: the same build without the clean start that `node-gyp rebuild` makes, and for
// any x86-64 machine with AVX2 instead of this one's processor.
process.argv.length = 2;
process.env.SDCPP_PORTABLE = "1";
require("./build-native.js");
