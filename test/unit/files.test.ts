import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { checkFiles, sniff } from "../../lib/checkpoint/files.js";
import { InvalidOptionError, MissingComponentError, ModelFileError } from "../../lib/errors.js";

describe("model files", () => {
  let folder: string;
  const file = async (name: string, content: string | Buffer) => {
    await writeFile(path.join(folder, name), content);
    return path.join(folder, name);
  };
  const safetensors = (headerLength: bigint, rest: string) => {
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(headerLength);
    return Buffer.concat([length, Buffer.from(rest)]);
  };
  before(async () => {
    folder = await mkdtemp(path.join(os.tmpdir(), "sdcpp-files-"));
  });
  after(() => rm(folder, { recursive: true }));

  it("are known by their first bytes", async () => {
    assert.equal(await sniff("vae", await file("a", "GGUF\x03")), "gguf");
    assert.equal(await sniff("vae", await file("b", safetensors(2n, "{}weights"))), "safetensors");
    assert.equal(await sniff("vae", await file("c", "PK\x03\x04…")), "checkpoint");
    assert.equal(await sniff("vae", await file("d", Buffer.from([0x80, 2, 0x7d]))), "checkpoint");
  });

  it("are refused with option, path and reason", async () => {
    const wrong: [string, RegExp][] = [
      [path.join(folder, "none.gguf"), /does not exist/],
      [folder, /is a folder/],
      [await file("empty", ""), /is empty/],
      [await file("text", "hello world"), /is not a model: expected GGUF, safetensors/],
      [await file("lfs", "version https://git-lfs.github.com/spec/v1\noid sha256:0"), /Git LFS pointer/],
      [await file("page", "<!DOCTYPE html><html>"), /is a web page/],
      [await file("json", '{"error":"gated"}'), /is JSON/],
      [await file("cut", safetensors(5000n, '{"a":')), /is truncated/],
      [await file("huge", safetensors(2n ** 60n, "{}")), /is not a model/],
      [path.join(await file("plain", "x"), "below"), /does not exist/],
      ...(process.platform === "win32" ? [] : ([["/dev/null", /is not a regular file/]] as [string, RegExp][])),
    ];
    for (const [name, reason] of wrong) {
      await assert.rejects(sniff("clipG", name), (error: Error) => {
        assert.ok(error instanceof ModelFileError);
        assert.ok(error.message.startsWith(`clipG: ${name} `), error.message);
        assert.match(error.message, reason);
        return true;
      });
    }
  });

  it("must be complete", async () => {
    const gguf = await file("x.gguf", "GGUF");
    await assert.rejects(
      checkFiles({}),
      (error: Error) => error instanceof InvalidOptionError && /diffusionModel or preset/.test(error.message),
    );
    await assert.rejects(checkFiles({ clipL: gguf, vae: gguf }), InvalidOptionError);
    const missing = (option: string) => (error: Error) => error instanceof MissingComponentError && error.message.includes(option);
    await assert.rejects(checkFiles({ diffusionModel: gguf, vae: gguf }), missing("t5xxl"));
    await assert.rejects(checkFiles({ diffusionModel: gguf, clipL: gguf }), missing("taesd"));
    await checkFiles({ diffusionModel: gguf, clipL: gguf, taesd: gguf });
    await checkFiles({ model: gguf });
    await assert.rejects(checkFiles({ model: gguf, vae: "none" }), /^ModelFileError: vae: none does not exist/);
  });
});
