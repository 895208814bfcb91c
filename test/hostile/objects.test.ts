import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { convert, InvalidOptionError, loadModel, loadUpscaler, reproduce, upscale } from "../../lib/index.js";
import { checkGenerateOptions, checkModelOptions } from "../../lib/options/index.js";
import { limit, outcome, survivor } from "../helpers/hostile.js";
import { quick } from "../helpers/runs.js";

const own = new Error("thrown by the caller's own code");
const fail = () => {
  throw own;
};

describe("objects", () => {
  const held = survivor();

  it("getters that throw: the run rejects with what they threw", limit, async () => {
    for (const name of ["prompt", "width", "sigmas", "loras", "hires", "signal", "initImage", "priority"]) {
      const options = Object.defineProperty({ ...quick }, name, { get: fail, enumerable: true });
      await assert.rejects(held.model.generate(options), (error) => error === own, name);
    }
    const inner = { hires: Object.defineProperty({}, "scale", { get: fail, enumerable: true }) };
    assert.equal(await outcome(held.model, inner, own), "own");
  });

  it("getters that answer differently each time: each is asked once", limit, () => {
    const asked = new Map<string, number>();
    const target: Record<string, unknown> = { ...quick, hires: { scale: 2 }, sigmas: undefined };
    const counting = (object: object, path: string): object =>
      new Proxy(object, {
        get(from, name) {
          const here = `${path}${String(name)}`;
          asked.set(here, (asked.get(here) ?? 0) + 1);
          const value = Reflect.get(from, name);
          return typeof value === "object" && value !== null ? counting(value, `${here}.`) : value;
        },
      });
    const limits = { defaults: { width: 64, height: 64, steps: 1, cfgScale: 1, sampler: "euler", scheduler: "discrete", flowShift: 3 } as const, maxSide: 128, depth: 24 }; // biome-ignore format: short
    checkGenerateOptions(counting(target, ""), limits);
    checkModelOptions(counting({ model: "m", placement: { vae: "cpu" }, threads: 1 }, "load."));
    assert.deepEqual(
      [...asked].filter(([, times]) => times > 1),
      [],
    );
  });

  it("proxies whose traps throw", limit, async () => {
    for (const trap of ["get", "has", "ownKeys", "getOwnPropertyDescriptor", "getPrototypeOf"]) {
      const proxy = new Proxy({ ...quick, steps: 1 }, { [trap]: fail });
      const end = await held.model.generate(proxy).then(
        () => "picture",
        (error) => (error === own ? "own" : error instanceof InvalidOptionError ? "refused" : String(error)),
      );
      assert.ok(["picture", "own", "refused"].includes(end), `${trap}: ${end}`);
    }
    const revoked = Proxy.revocable({ ...quick }, {});
    revoked.revoke();
    await assert.rejects(held.model.generate(revoked.proxy), TypeError);
  });

  it("lists that are proxies, sparse, or longer than they say", limit, async () => {
    const growing = new Proxy([1, 0], { get: (target, name) => (name === "length" ? 2 ** 40 : Reflect.get(target, name)) });
    assert.equal(await outcome(held.model, { steps: undefined, sigmas: growing }), "ERR_INVALID_OPTION");
    assert.equal(await outcome(held.model, { loras: new Array(5) }), "ERR_INVALID_OPTION");
  });

  it("polluted prototypes and names of the prototype", limit, async () => {
    const nothing = Object.assign(Object.create(null), quick, { steps: 1 });
    assert.equal(await outcome(held.model, nothing), "picture");
    for (const name of ["__proto__", "constructor", "toString", "hasOwnProperty"])
      assert.equal(await outcome(held.model, JSON.parse(`{"${name}": 1}`)), "ERR_INVALID_OPTION", name);
  });

  it("signals that throw, lie or are none", limit, async () => {
    const base = { aborted: false, reason: undefined, addEventListener() {}, removeEventListener() {} };
    assert.equal(await outcome(held.model, { signal: base }), "picture");
    assert.equal(await outcome(held.model, { signal: { ...base, addEventListener: fail } }, own), "own");
    assert.equal(await outcome(held.model, { signal: { aborted: false } }), "ERR_INVALID_OPTION");
    const removing = await outcome(held.model, { signal: { ...base, removeEventListener: fail } }, own);
    assert.ok(["own", "picture"].includes(removing), removing);
  });

  it("listeners that throw", limit, async () => {
    const model = await loadModel({ preset: "demo", threads: 1, onLog: fail, onProgress: fail });
    assert.equal(await outcome(model, { steps: 1 }), "picture");
    await model.dispose();
  });

  it("options of all functions that are no objects", limit, async () => {
    for (const value of [undefined, null, 7, "a", [], () => {}, Symbol("a")]) {
      const calls = [loadModel(value as never), loadUpscaler(value as never), convert(value as never), held.model.generate(value as never)];
      for (const call of calls) await assert.rejects(Promise.resolve(call), InvalidOptionError);
      await assert.rejects(upscale(value as never, { model: "absent" }), /ERR_|absent|expected/);
      if (typeof value !== "string") await assert.rejects(held.model.countTokens(value as never), InvalidOptionError);
    }
    await assert.rejects(reproduce(7 as never, held.model), /ERR_|expected/);
  });
});
