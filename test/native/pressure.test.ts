import assert from "node:assert/strict";
import { mkdirSync, rmdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { before, describe, it } from "node:test";
import { packageRoot } from "../../lib/engine/binding.js";
import { EngineCrashError, type Model } from "../../lib/index.js";
import { clipL, largeShaped, taesd3 } from "../helpers/checkpoints.js";
import { runChild } from "../helpers/child.js";
import { latest, rejection } from "../helpers/processes.js";
import { drawHash, loadSmall, quick } from "../helpers/runs.js";

const script = path.join(__dirname, "..", "fixtures", "pressure.cjs");
const skip =
  (process.platform !== "linux" && "limits of memory are Linux's") ||
  (process.env.SDCPP_SANITIZED !== undefined && "sanitizers take all addresses") ||
  false;

/** A control group for a process, whose further memory may take so many bytes; undefined where none can be made. */
function memoryGroup(name: string): { confine(pid: number, bytes: number): void; remove(): void } | undefined {
  const versions = [
    { folder: `/sys/fs/cgroup/memory/${name}`, file: "memory.limit_in_bytes" },
    { folder: `/sys/fs/cgroup/${name}`, file: "memory.max" },
  ];
  for (const { folder, file } of versions) {
    try {
      mkdirSync(folder);
    } catch {
      continue;
    }
    try {
      writeFileSync(path.join(folder, file), String(2 ** 40));
    } catch {
      rmdirSync(folder); // the controller is not enabled here
      continue;
    }
    return {
      confine(pid, bytes) {
        writeFileSync(path.join(folder, file), String(bytes));
        writeFileSync(path.join(folder, "cgroup.procs"), String(pid));
      },
      remove: () => rmdirSync(folder),
    };
  }
  return undefined;
}

describe("little memory", { skip }, () => {
  let files: object;
  let reference: string;
  before(async () => {
    files = { diffusionModel: await largeShaped("f16"), clipL: await clipL(), taesd: await taesd3() };
    await using model = await loadSmall();
    reference = await drawHash(model);
  });

  /** `force`: the engine tries, instead of being kept from it by the estimate. */
  async function outcomes(doing: string, force: boolean, megabytes: number[]): Promise<string[]> {
    const { code, signal, stdout, stderr } = await runChild(script, [
      JSON.stringify({ root: packageRoot, files, force, doing, megabytes }),
    ]);
    assert.deepEqual({ code, signal }, { code: 0, signal: null }, stderr);
    const result = JSON.parse(stdout);
    assert.deepEqual(new Set(result.hashes), new Set([reference]), "it draws the same bytes without the limit");
    return result.outcomes;
  }

  for (const force of [false, true]) {
    const way = force ? "the engine fails" : "it is refused or fails";
    for (const megabytes of [24, 60, 100, 160]) {
      it(`in the first load, ${megabytes} MB: ${way}, and the process goes on`, async () => {
        assert.deepEqual(await outcomes("firstLoad", force, [megabytes]), ["ERR_INSUFFICIENT_MEMORY"]);
      });
    }
    it(`in a later load: ${way}, and the process goes on`, async () => {
      assert.deepEqual(await outcomes("load", force, [16, 32, 48]), Array(3).fill("ERR_INSUFFICIENT_MEMORY"));
    });
    it(`in a run: ${way}, and the process goes on`, async () => {
      assert.deepEqual(await outcomes("generate", force, [16, 48]), Array(2).fill("ERR_INSUFFICIENT_MEMORY"));
    });
  }

  it("isolated, in the load: it rejects, and this process goes on", async () => {
    for (const code of await outcomes("isolated", true, [16, 60, 120])) {
      assert.ok(["ERR_INSUFFICIENT_MEMORY", "ERR_ENGINE_CRASH"].includes(code), code);
    }
  });

  it("isolated, in a control group whose memory ends: the system kills it, the model is loaded again", async (t) => {
    const group = memoryGroup(`node-sd-cpp-${process.pid}`);
    if (!group) return t.skip("no control group can be made here");
    let model: Model | undefined;
    try {
      model = await loadSmall({ isolate: true, force: true });
      group.confine(latest().pid as number, 20 * 2 ** 20);
      const error = await rejection(model.generate({ ...quick, width: 256, height: 256, force: true }));
      assert.ok(error instanceof EngineCrashError, String(error));
      assert.deepEqual([error.signal, /memory ran out/.test(error.message)], ["SIGKILL", true]);
      assert.equal(await drawHash(model), reference);
    } finally {
      await model?.dispose();
      group.remove();
    }
  });
});
