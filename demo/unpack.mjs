// usage: node unpack.mjs FOLDER     unpacks the shipped demo-*.gguf files into FOLDER
import { createReadStream, createWriteStream, mkdirSync, readFileSync } from "node:fs";
import { pipeline } from "node:stream/promises";
import { createBrotliDecompress } from "node:zlib";

const folder = process.argv[2];
if (!folder) throw new Error("usage: node unpack.mjs FOLDER");
mkdirSync(folder, { recursive: true });
const shipped = new URL("../models/demo/", import.meta.url);
for (const { file } of JSON.parse(readFileSync(new URL("demo.json", shipped), "utf8")).files) {
  const target = `${folder}/${file.replace(/\.br$/, "")}`;
  await pipeline(createReadStream(new URL(file, shipped)), createBrotliDecompress(), createWriteStream(target));
}
