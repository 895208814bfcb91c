import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { build, type Metafile } from "esbuild";
import { packageFolders, packageRoot } from "../../../lib/engine/package.js";

test("the folders are those of the package", async () => {
  const { demo, ...others } = packageFolders();
  assert.ok((await stat(path.join(demo, "demo.json"))).isFile());
  for (const folder of Object.values(others)) assert.ok(folder.startsWith(packageRoot + path.sep), folder);
});

describe("a bundled copy", () => {
  let work: string;
  let bundle: string;
  let parts: Metafile;

  before(async () => {
    work = await mkdtemp(path.join(tmpdir(), "sdcpp-bundled-"));
    bundle = path.join(work, "dist", "app", "bundle.cjs"); // package.json of the app is where that of the package would be
    await writeFile(path.join(work, "package.json"), '{ "name": "app" }');
    const { metafile, errors, warnings } = await build({
      entryPoints: [path.join(packageRoot, "lib", "index.ts")],
      outfile: bundle,
      bundle: true,
      metafile: true,
      platform: "node",
      target: "node20",
      external: ["sharp"],
      logLevel: "silent",
    });
    assert.deepEqual(errors, []);
    assert.deepEqual(
      warnings.map(({ id, text }) => [id, /run\/worker/.test(text)]),
      [["require-resolve-not-external", true]],
    );
    parts = metafile;
  });
  after(() => rm(work, { recursive: true, force: true }));

  /** What a call of the bundle's rejects with. */
  async function rejection(call: string): Promise<{ code?: string; message?: string }> {
    const script = `const sd = require(${JSON.stringify(bundle)});
      (async () => ${call})().then(() => ({}), ({ code, message }) => ({ code, message })).then((end) => console.log(JSON.stringify(end)));`;
    const { stdout } = await promisify(execFile)(process.execPath, ["-e", script], { env: { ...process.env, SDCPP_HOME: work } });
    return JSON.parse(stdout);
  }

  test("asks for no module but Node's own and sharp: bundlers would look for `electron`", () => {
    const [output] = Object.values(parts.outputs);
    const names = new Set(output?.imports.filter(({ kind }) => kind !== "require-resolve").map(({ path: name }) => name));
    assert.ok(names.has("sharp") && !names.has("electron"), [...names].join(" "));
  });

  const calls = {
    "the demo": 'sd.loadModel({ preset: "demo" })',
    "the demo in a process of its own": 'sd.loadModel({ preset: "demo", isolate: true })',
    "the devices": "sd.listDevices()",
    "an estimate": 'sd.estimateMemory({ preset: "demo" })',
  };
  for (const [name, call] of Object.entries(calls)) {
    test(`says what to do: ${name}`, async () => {
      const { code, message } = await rejection(call);
      assert.equal(code, "ERR_NO_BINARY", message);
      assert.match(message ?? "", /^node-sd-cpp was bundled: leave it external; for Next: serverExternalPackages: \["node-sd-cpp"\]/);
    });
  }
});
