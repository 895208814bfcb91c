// usage: node pack.mjs FOLDER     compresses FOLDER/demo-*.gguf into models/demo and updates demo.json
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { brotliCompressSync, constants } from "node:zlib";

const folder = process.argv[2];
if (!folder) throw new Error("usage: node pack.mjs FOLDER");
const shipped = new URL("../models/demo/", import.meta.url);
const manifest = JSON.parse(readFileSync(new URL("demo.json", shipped), "utf8"));
for (const entry of manifest.files) {
  const data = readFileSync(`${folder}/${entry.file.replace(/\.br$/, "")}`);
  const packed = brotliCompressSync(data, {
    params: {
      [constants.BROTLI_PARAM_QUALITY]: 11,
      [constants.BROTLI_PARAM_LGWIN]: 24,
      [constants.BROTLI_PARAM_SIZE_HINT]: data.length,
    },
  });
  writeFileSync(new URL(entry.file, shipped), packed);
  entry.bytes = data.length;
  entry.sha256 = createHash("sha256").update(data).digest("hex");
  console.log(`${entry.file}: ${data.length} -> ${packed.length} bytes`);
}
const text = JSON.stringify(manifest, null, 2);
// `settings` stays on one line, as a formatter would have it.
writeFileSync(new URL("demo.json", shipped), `${text.replace(/"settings": \{[^}]*\}/, (part) => part.replace(/\s+/g, " "))}\n`);
