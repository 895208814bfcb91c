import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { dropDeadLock, withLock } from "../../../lib/catalog/lock.js";

let folder: string;
let file: string;
const { signal } = new AbortController();
const pause = (time: number) => new Promise((resolve) => setTimeout(resolve, time));

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "sdcpp-lock-"));
  file = path.join(folder, "model.gguf");
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** A lock as a holder in this process would write it, with another process number. */
async function leaveLock(pid: number, place?: string): Promise<void> {
  await withLock(file, { signal }, async () => {
    const holder = JSON.parse(await readFile(`${file}.lock`, "utf8"));
    await writeFile(`${file}.lock`, JSON.stringify({ ...holder, pid, place: place ?? holder.place, id: "other" }));
  });
}

function deadProcess(): number {
  return spawnSync(process.execPath, ["-e", ""]).pid;
}

describe("withLock", () => {
  it("lets one in at a time, and leaves nothing", async () => {
    let inside = 0;
    const order: number[] = [];
    const work = (index: number) =>
      withLock(file, { signal }, async () => {
        assert.equal(++inside, 1);
        order.push(index);
        await pause(5);
        inside--;
        return index;
      });
    assert.deepEqual(await Promise.all([1, 2, 3, 4].map(work)), [1, 2, 3, 4]);
    assert.deepEqual(order.sort(), [1, 2, 3, 4]);
    assert.deepEqual(await readdir(folder), []);
  });

  it("lets go when the work fails", async () => {
    const error = new Error("work");
    await assert.rejects(
      withLock(file, { signal }, () => Promise.reject(error)),
      (found) => found === error,
    );
    assert.deepEqual(await readdir(folder), []);
  });

  it("the lock that a killed process left beside a finished file goes, one of a living process stays", async () => {
    await leaveLock(deadProcess());
    await dropDeadLock(file);
    assert.deepEqual(await readdir(folder), []);
    await leaveLock(process.ppid);
    await dropDeadLock(file);
    assert.deepEqual(await readdir(folder), ["model.gguf.lock"]);
    await rm(`${file}.lock`);
    await dropDeadLock(file); // without one
  });

  it("takes the lock of a dead process at once", async () => {
    await leaveLock(deadProcess());
    const waits: unknown[] = [];
    assert.equal(await withLock(file, { signal, onWait: (pid) => waits.push(pid) }, async () => "done"), "done");
    assert.deepEqual([waits, await readdir(folder)], [[], []]);
  });

  it("is taken although another was killed while it took it", async () => {
    await leaveLock(deadProcess());
    await writeFile(`${file}.lock.taking`, await readFile(`${file}.lock`));
    assert.equal(await withLock(file, { signal }, async () => "done"), "done");
    assert.deepEqual(await readdir(folder), []);
  });

  it("is taken from a dead process by one of many only", async () => {
    let inside = 0;
    const work = async () => {
      assert.equal(++inside, 1);
      await pause(2);
      inside--;
    };
    for (let round = 0; round < 20; round++) {
      await leaveLock(deadProcess());
      await Promise.all(Array.from({ length: 8 }, () => withLock(file, { signal }, work)));
      assert.deepEqual(await readdir(folder), []);
    }
  });

  it("waits for a living process, and stops waiting on a signal", async () => {
    await leaveLock(process.ppid);
    const controller = new AbortController();
    const waits: unknown[] = [];
    const onWait = (pid: number | undefined) => {
      waits.push(pid);
      setTimeout(() => controller.abort(), 20);
    };
    await assert.rejects(
      withLock(file, { signal: controller.signal, onWait }, async () => assert.fail("let in")),
      { name: "AbortError" },
    );
    assert.deepEqual(waits, [process.ppid]);
    assert.deepEqual(await readdir(folder), ["model.gguf.lock"]);
  });

  it("does not trust a process number of another machine, only its signs of life", async () => {
    await leaveLock(deadProcess(), "another machine");
    let beats = 0;
    const beat = setInterval(() => {
      beats++;
      void utimes(`${file}.lock`, new Date(beats * 1000), new Date(beats * 1000));
      if (beats === 8) clearInterval(beat);
    }, 100);
    await withLock(file, { signal, patience: 2000 }, async () => assert.equal(beats, 8, "not before they ended"));
  });

  it("takes over what was never written to its end", async () => {
    await writeFile(`${file}.lock`, "");
    assert.equal(await withLock(file, { signal, patience: 1 }, async () => "done"), "done");
  });
});
