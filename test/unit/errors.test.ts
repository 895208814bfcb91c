import assert from "node:assert/strict";
import { describe, it } from "node:test";
import * as errors from "../../lib/errors.js";

const { callSite, fromNative, InvalidOptionError, SdcppError } = errors;

function nativeError(code: string, message: string, log?: string[]): Error {
  return Object.assign(new Error(message), { code, ...(log && { log }) });
}

describe("error classes", () => {
  const classes: [new (message: string) => Error, string][] = [
    [errors.ModelFileError, "ERR_MODEL_FILE"],
    [errors.MissingComponentError, "ERR_MISSING_COMPONENT"],
    [errors.UnsupportedModelError, "ERR_UNSUPPORTED_MODEL"],
    [errors.InsufficientMemoryError, "ERR_INSUFFICIENT_MEMORY"],
    [errors.GenerationError, "ERR_GENERATION"],
    [errors.EngineAssertionError, "ERR_ENGINE_ASSERTION"],
    [errors.EngineCrashError, "ERR_ENGINE_CRASH"],
    [errors.DisposedError, "ERR_DISPOSED"],
    [errors.NoBinaryError, "ERR_NO_BINARY"],
    [errors.DownloadError, "ERR_DOWNLOAD"],
    [errors.ChecksumError, "ERR_CHECKSUM"],
    [errors.LicenseError, "ERR_LICENSE"],
  ];
  for (const [Class, code] of classes) {
    it(`${Class.name} has ${code}`, () => {
      const error = new Class("what");
      assert.ok(error instanceof Class && error instanceof SdcppError && error instanceof Error);
      assert.ok(!(error instanceof InvalidOptionError));
      assert.deepEqual([error.code, error.name, error.message, error.log], [code, Class.name, "what", []]);
    });
  }

  it("InvalidOptionError is a TypeError and an SdcppError, and nothing else is", () => {
    const error: unknown = new InvalidOptionError("width", "expected more");
    assert.ok(error instanceof TypeError && error instanceof SdcppError && error instanceof InvalidOptionError);
    assert.ok(!(error instanceof errors.ModelFileError));
    assert.equal(error.message, "width: expected more");
    assert.ok(!((new TypeError("x") as unknown) instanceof SdcppError));
    assert.ok(!((new Error("x") as unknown) instanceof SdcppError));
    assert.ok(!((null as unknown) instanceof SdcppError));
  });
});

describe("fromNative", () => {
  function userCode() {
    return callSite(callSite);
  }

  it("gives class, code, log and the caller's stack", () => {
    const error = fromNative(nativeError("ERR_GENERATION", "it failed", ["last line"]), userCode());
    assert.ok(error instanceof errors.GenerationError);
    assert.deepEqual([error.code, error.message, error.log], ["ERR_GENERATION", "it failed", ["last line"]]);
    assert.match(error.stack ?? "", /^GenerationError: it failed\n {4}at userCode /);
  });

  it("knows every code that native code rejects with", () => {
    const mapped = (code: string) => (fromNative(nativeError(code, "x"), "") as Error).name;
    assert.equal(mapped("ERR_INVALID_OPTION"), "InvalidOptionError");
    assert.equal(mapped("ERR_MODEL_FILE"), "ModelFileError");
    assert.equal(mapped("ERR_MISSING_COMPONENT"), "MissingComponentError");
    assert.equal(mapped("ERR_UNSUPPORTED_MODEL"), "UnsupportedModelError");
    assert.equal(mapped("ERR_INSUFFICIENT_MEMORY"), "InsufficientMemoryError");
    assert.equal(mapped("ERR_ENGINE_ASSERTION"), "EngineAssertionError");
    assert.equal(mapped("ERR_DISPOSED"), "DisposedError");
    assert.equal(mapped("ERR_CANCELLED"), "AbortError");
  });

  it("keeps what is known of a lack of memory", () => {
    const details = { needed: 2, available: 1, suggestions: ["vaeTiling: true"] };
    const { needed, available, suggestions } = fromNative(
      Object.assign(nativeError("ERR_INSUFFICIENT_MEMORY", "x"), details),
      "",
    ) as errors.InsufficientMemoryError;
    assert.deepEqual({ needed, available, suggestions }, details);
  });

  it("knows what C++ says when it gets no memory", () => {
    for (const words of ["std::bad_alloc", "bad allocation"]) {
      const error = fromNative(new Error(words), "") as Error;
      assert.ok(error instanceof errors.InsufficientMemoryError);
      assert.match(error.message, /no memory left/);
    }
  });

  it("keeps the path of an option", () => {
    const error = fromNative(nativeError("ERR_INVALID_OPTION", "sigmas[2]: expected a number, received x"), "");
    assert.ok(error instanceof InvalidOptionError);
    assert.deepEqual([error.path, error.detail], ["sigmas[2]", "expected a number, received x"]);
    assert.equal(error.message, "sigmas[2]: expected a number, received x");
  });

  it("explains a missing or broken binary", () => {
    for (const cause of [new Error("No native build was found for platform=x"), nativeError("ERR_DLOPEN_FAILED", "libx.so: not found")]) {
      const error = fromNative(cause, "");
      assert.ok(error instanceof errors.NoBinaryError);
      assert.equal(error.cause, cause);
      assert.ok(error.message.includes(cause.message) && error.message.includes(process.arch));
    }
  });

  it("says what to unpack where the addon lies in an archive", () => {
    const inside = nativeError(
      "ERR_DLOPEN_FAILED",
      "/app/resources/app.asar/node_modules/node-sd-cpp/prebuilds/a.node: cannot open shared object file",
    );
    assert.match((fromNative(inside, "") as Error).message, /asarUnpack: /);
    const outside = nativeError("ERR_DLOPEN_FAILED", "/app/resources/app.asar.unpacked/node_modules/node-sd-cpp/a.node: cannot open");
    assert.match((fromNative(outside, "") as Error).message, /npx node-sd-cpp build/);
  });

  it("hints at the HTTP status that a server may answer with", () => {
    assert.equal(new InvalidOptionError("steps", "x").statusCode, 400);
    assert.equal(new errors.QueueFullError(3).statusCode, 429);
    assert.equal(new errors.InsufficientMemoryError("x").statusCode, 507);
    assert.equal(new errors.DisposedError("x").statusCode, 503);
    assert.ok(!Object.keys(new errors.DisposedError("x")).includes("statusCode"), "no member that logs would show");
  });

  it("are whole in JSON: name, code, status, message and what the class tells, without stack and cause", () => {
    const inJson = (error: Error) => JSON.parse(JSON.stringify({ error })).error;
    const details = { needed: 2, available: 1, suggestions: ["offload: true"], cause: new Error("inner"), log: ["last line"] };
    assert.deepEqual(inJson(new errors.InsufficientMemoryError("too big", details)), {
      name: "InsufficientMemoryError",
      code: "ERR_INSUFFICIENT_MEMORY",
      statusCode: 507,
      message: "too big",
      log: ["last line"],
      needed: 2,
      available: 1,
      suggestions: ["offload: true"],
    });
    assert.deepEqual(inJson(new InvalidOptionError("sigmas[2]", "expected a number")), {
      name: "InvalidOptionError",
      code: "ERR_INVALID_OPTION",
      statusCode: 400,
      message: "sigmas[2]: expected a number",
      log: [],
      path: "sigmas[2]",
      detail: "expected a number",
    });
    assert.equal(inJson(new errors.QueueFullError(3)).maxQueue, 3);
    assert.equal(inJson(fromNative(nativeError("ERR_GENERATION", "it failed"), userCode()) as Error).message, "it failed");
  });

  it("leaves everything else alone", () => {
    const disposed = new errors.DisposedError("gone");
    const others = [disposed, new InvalidOptionError("a", "b"), new Error("bug"), "text", undefined, nativeError("ENOENT", "no file")];
    for (const other of others) assert.equal(fromNative(other, ""), other);
  });
});
