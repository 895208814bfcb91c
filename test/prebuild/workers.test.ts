import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { packageRoot } from "../../lib/engine/binding.js";
import { install, type Project, pack } from "../helpers/packed.js";

/** The prebuild in worker threads: its libraries stay in memory when a worker that has loaded them ends, as an exit handler leads into them. */

const run = promisify(execFile);
let work: string;
let project: Project;

before(async () => {
  work = await mkdtemp(path.join(tmpdir(), "sdcpp-workers-"));
  project = await install(await pack(packageRoot, work), path.join(work, "project"));
});
after(() => rm(work, { recursive: true, force: true }));

/** What a program prints that has `main` in its main thread and `worker` in workers; it has to end by itself, with 0. */
async function printed(name: string, main: string, worker: string): Promise<string> {
  const file = path.join(project.folder, `${name}.cjs`);
  const code = `
    const { Worker, isMainThread, parentPort, workerData } = require("node:worker_threads");
    const { once } = require("node:events");
    const ended = async (worker) => (await once(worker, "exit"))[0];
    const draw = async (name = "node-sd-cpp", told = () => {}) => {
      const model = await require(name).loadModel({ preset: "demo", threads: 1 });
      told("loaded");
      const run = model.generate({ prompt: "a red circle", width: 64, height: 64, steps: 2, seed: 1 });
      const { images } = await run;
      await model.dispose();
      return require("node:crypto").createHash("sha256").update(images[0].data).digest("hex");
    };
    (async () => { if (isMainThread) { ${main} } else { ${worker} } })();`;
  await writeFile(file, code);
  const { stdout, stderr } = await run(process.execPath, [file], { cwd: project.folder, env: { ...project.env, NODE_ENV: "production" } });
  assert.equal(stderr, "");
  return stdout;
}

const started = "new Worker(__filename)";
const told = 'worker.on("message", (text) => console.log(text));';

test("one worker alone loads it", async () => {
  assert.equal(await printed("one", started, 'console.log((await require("node-sd-cpp").listDevices())[0].id);'), "cpu\n");
});

test("several, at once and one after the other, that end by themselves", async () => {
  const main = `
    const codes = await Promise.all([1, 2, 3].map(() => ended(${started})));
    for (let i = 0; i < 3; i++) codes.push(await ended(${started}));
    console.log(codes.join());`;
  const lines = await printed("several", main, 'console.log((await require("node-sd-cpp").listDevices())[0].id);');
  assert.deepEqual(lines.trim().split("\n").sort(), ["0,0,0,0,0,0", ...Array(6).fill("cpu")]);
});

test("load, draw and dispose in workers alone: the bytes of the main thread", async () => {
  const main = `
    const hashes = [];
    const one = async () => { const worker = ${started}; worker.on("message", (hash) => hashes.push(hash)); await ended(worker); };
    await Promise.all([one(), one()]);
    await one();
    console.log(hashes.join());`;
  const hashes = (await printed("draw", main, "parentPort.postMessage(await draw());")).trim().split(",");
  const reference = (await printed("reference", "console.log(await draw());", "")).trim();
  assert.match(reference, /^[0-9a-f]{64}$/);
  assert.deepEqual(hashes, [reference, reference, reference]);
});

describe("terminated", () => {
  const forever = "setInterval(() => {}, 1000);";
  const states: Record<string, string> = {
    "with nothing but the addon loaded": `await require("node-sd-cpp").listDevices(); parentPort.postMessage("there"); ${forever}`,
    "while it lists devices":
      'require("node-sd-cpp").listDevices().then(() => parentPort.postMessage("late")); parentPort.postMessage("there");',
    "while it loads": 'draw(); parentPort.postMessage("there");',
    "with a model that is not disposed of": `
      const model = await require("node-sd-cpp").loadModel({ preset: "demo", threads: 1 });
      parentPort.postMessage("there"); setInterval(() => model, 1000);`,
    "while it draws": `
      const model = await require("node-sd-cpp").loadModel({ preset: "demo", threads: 1 });
      const run = model.generate({ prompt: "a red circle", steps: 1000, seed: 1 });
      run.catch(() => {});
      for await (const { type } of run) if (type === "progress") parentPort.postMessage("there");`,
  };
  for (const [state, worker] of Object.entries(states)) {
    test(state, async () => {
      const main = `
        for (let i = 0; i < 2; i++) {
          const worker = ${started};
          const [text] = await once(worker, "message");
          console.log(text, await worker.terminate());
        }`;
      assert.equal(await printed(state.replace(/\W/g, "-"), main, worker), "there 1\nthere 1\n");
    });
  }

  test("and the process goes on to draw, in another worker", async () => {
    const main = `
      const first = new Worker(__filename, { workerData: "first" });
      await once(first, "message");
      await first.terminate();
      const worker = new Worker(__filename);
      ${told}
      console.log(await ended(worker));`;
    const lines = await printed(
      "goes-on",
      main,
      `const hash = draw("node-sd-cpp", () => workerData && parentPort.postMessage("there")); parentPort.postMessage(await hash);`,
    );
    assert.match(lines, /^[0-9a-f]{64}\n0\n$/);
  });
});

test("process.exit() in a worker ends the worker, in the main thread the process", async () => {
  const worker = 'await require("node-sd-cpp").listDevices(); parentPort.postMessage("there"); setTimeout(() => process.exit(3), 10);';
  assert.equal(await printed("exit-worker", `console.log(await ended(${started}));`, worker), "3\n");
  const main = `const worker = ${started}; await once(worker, "message"); process.exit(0);`;
  assert.equal(await printed("exit-main", main, `${worker.split(" setTimeout")[0]} setInterval(() => {}, 1000);`), "");
});

test("two packages' copies in one process, in workers alone and beside the main thread", async () => {
  const modules = path.join(project.folder, "node_modules");
  const other = path.join(modules, "other", "node_modules", "node-sd-cpp");
  await mkdir(path.dirname(other), { recursive: true });
  await writeFile(path.join(modules, "other", "index.js"), 'module.exports = require("node-sd-cpp");');
  await cp(path.join(modules, "node-sd-cpp"), other, { recursive: true });
  const names = ["node-sd-cpp", "other"];
  const alone = `
    const hashes = [];
    const one = async (workerData) => {
      const worker = new Worker(__filename, { workerData });
      worker.on("message", (hash) => hashes.push(hash));
      hashes.push(await ended(worker));
    };
    await Promise.all(${JSON.stringify(names)}.map(one));
    await one("other");
    console.log(new Set(hashes).size, hashes.filter((code) => code === 0).length);`;
  assert.equal(await printed("copies", alone, "parentPort.postMessage(await draw(workerData));"), "2 3\n");
  const beside = `
    const worker = new Worker(__filename);
    const theirs = once(worker, "message");
    const ours = await draw();
    console.log((await theirs)[0] === ours, await ended(worker), require("other").loadModel !== require("node-sd-cpp").loadModel);`;
  assert.equal(await printed("beside", beside, 'parentPort.postMessage(await draw("other"));'), "true 0 true\n");
});

test("vitest --pool threads", async () => {
  await run("npm", ["install", "--no-save", "--prefer-offline", "vitest@3.2.4"], { cwd: project.folder });
  const folder = path.join(project.folder, "vitest");
  await mkdir(folder);
  for (const name of ["first", "second"]) {
    const code = `
      import { createRequire } from "node:module";
      import { expect, test } from "vitest";
      import { loadModel } from "node-sd-cpp";
      test("${name}", async () => {
        const model = await loadModel({ preset: "demo", threads: 1 });
        const { images } = await model.generate({ prompt: "a red circle", width: 64, height: 64, steps: 1, seed: 1 });
        expect(images[0].width).toBe(64);
        await model.dispose();
      }, 120_000);`;
    await writeFile(path.join(folder, `${name}.test.mjs`), code);
  }
  await writeFile(path.join(project.folder, "vitest.config.mjs"), "export default {};");
  const command = [path.join(project.folder, "node_modules", "vitest", "vitest.mjs"), "run", "--pool", "threads", "--dir", folder];
  const { stdout } = await run(process.execPath, command, { cwd: project.folder, env: { ...project.env, CI: "1", NO_COLOR: "1" } });
  assert.match(stdout, /Tests {2}2 passed/);
});
