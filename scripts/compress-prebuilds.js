// Compresses the Vulkan backend of prebuilds/linux-*: its shaders are 30 MB of much the same. lib/engine/backends/modules.ts expands it in memory.
const fs = require("node:fs");
const path = require("node:path");
const zlib = require("node:zlib");
const { main } = require("./tools.js");

const prebuilds = path.join(__dirname, "..", "prebuilds");

function compress() {
  for (const platform of fs.readdirSync(prebuilds).filter((name) => name.startsWith("linux"))) {
    const file = path.join(prebuilds, platform, "libsdcpp-ggml-vulkan.so");
    if (!fs.existsSync(file)) continue;
    const content = fs.readFileSync(file);
    const { BROTLI_PARAM_QUALITY, BROTLI_PARAM_LGWIN, BROTLI_PARAM_SIZE_HINT } = zlib.constants;
    const params = { [BROTLI_PARAM_QUALITY]: 9, [BROTLI_PARAM_LGWIN]: 24, [BROTLI_PARAM_SIZE_HINT]: content.length };
    fs.writeFileSync(`${file}.br`, zlib.brotliCompressSync(content, { params }));
    fs.rmSync(file);
  }
}

main(compress);
