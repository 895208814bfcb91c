import assert from "node:assert/strict";
import { type ChildProcess, fork } from "node:child_process";
import { EventEmitter } from "node:events";
import Module from "node:module";
import { constants } from "node:os";
import path from "node:path";
import { PassThrough } from "node:stream";
import { after, before, test } from "node:test";
import type { Program } from "../../lib/engine/isolation/watcher.js";
import { EngineCrashError, type Generation, InvalidOptionError } from "../../lib/index.js";
import { pictureHash } from "../helpers/pixels.js";
import { alive, gone, latest, rejection } from "../helpers/processes.js";
import { drawHash, loadSmall, quick } from "../helpers/runs.js";

/** Electron's main process, played: `require("electron")` gives a module whose utility processes are Node's. */

const forks: (Omit<Program, "file"> & { stdio: string; serviceName: string })[] = [];

let ready = true;
const app = Object.assign(new EventEmitter(), { isReady: () => ready });

class FakeUtilityProcess extends EventEmitter {
  readonly #child: ChildProcess;
  pid: number | undefined;
  readonly stdout = new PassThrough();
  readonly stderr = new PassThrough();

  constructor(file: string, options: (typeof forks)[number]) {
    super();
    const shim = path.join(__dirname, "..", "fixtures", "parent-port.cjs");
    const execArgv = [...options.execArgv, "--require", shim];
    this.#child = fork(file, [], { ...options, execArgv, serialization: "advanced", stdio: ["ignore", "pipe", "pipe", "ipc"] });
    setImmediate(() => {
      this.pid = this.#child.pid; // as Electron, which knows it later
    });
    this.#child.stdout?.pipe(this.stdout);
    this.#child.stderr?.pipe(this.stderr, { end: false });
    this.#child.on("message", (message) => this.emit("message", message));
    this.#child.on("exit", (code, signal) => this.#end(code, signal));
  }

  /** As Electron 22: a number for whatever it was, streams without listeners, what is left in them, and then the cause. */
  #end(code: number | null, signal: NodeJS.Signals | null): void {
    const exitCode = code ?? constants.signals[signal as NodeJS.Signals];
    this.emit("exit", signal === "SIGKILL" ? 0 : exitCode);
    for (const stream of [this.stdout, this.stderr]) stream.removeAllListeners();
    this.#child.stdout?.pipe(this.stdout);
    setImmediate(() => {
      this.stderr.end("FATAL ERROR: late words\n");
      const other = { type: "Utility", reason: "crashed", exitCode: 4, name: "another's" };
      app.emit("child-process-gone", {}, other);
      if (signal) app.emit("child-process-gone", {}, { ...other, exitCode, name: forks[0]?.serviceName });
    });
  }

  postMessage(message: object): void {
    this.#child.send(message, () => {});
  }
  kill(): boolean {
    return this.#child.kill();
  }
}

const electron = {
  app,
  utilityProcess: {
    fork(file: string, _args: string[], options: (typeof forks)[number]) {
      forks.push(options);
      return new FakeUtilityProcess(file, options);
    },
  },
};

const loader = Module as unknown as { _load(request: string, ...rest: unknown[]): unknown };
const load = loader._load;
const playing = process as { type?: string };

before(() => {
  loader._load = (request, ...rest) => (request === "electron" ? electron : load(request, ...rest));
  playing.type = "browser";
});
after(() => {
  loader._load = load;
  delete playing.type;
});

async function crash(run: Generation, signal: NodeJS.Signals): Promise<void> {
  for await (const event of run) if (event.type === "phase" && event.phase === "sample") process.kill(latest().pid as number, signal);
}

test("before the app is ready: an error that says so", async () => {
  ready = false;
  const error = await rejection(loadSmall({ isolate: true }));
  ready = true;
  assert.ok(error instanceof InvalidOptionError);
  assert.equal(error.path, "isolate");
  assert.match(error.message, /whenReady/);
  assert.match(error.stack ?? "", /helpers\/runs/);
  assert.equal(forks.length, 0);
});

test("a utility process draws the same bytes, is started again after a crash, and ends with dispose", async () => {
  await using here = await loadSmall();
  const reference = await drawHash(here);
  const model = await loadSmall({ isolate: true });
  const { stdio, serviceName, execArgv } = forks[0] as (typeof forks)[number];
  assert.deepEqual({ stdio, serviceName }, { stdio: "pipe", serviceName: "node-sd-cpp engine" });
  assert.ok(!execArgv.some((flag) => /inspect/.test(flag)));
  assert.equal(await drawHash(model), reference);
  assert.deepEqual(await model.countTokens("a red circle"), await here.countTokens("a red circle"));

  for (const signal of ["SIGSEGV", "SIGKILL"] as const) {
    const run = model.generate({ ...quick, steps: 500 });
    const next = model.generate(quick);
    const error = await rejection(crash(run, signal));
    assert.ok(error instanceof EngineCrashError);
    assert.deepEqual({ signal: error.signal, exitCode: error.exitCode }, { signal, exitCode: undefined });
    assert.match(error.message, new RegExp(`ended with ${signal} in phase "sample"`));
    assert.equal(error.log?.at(-1), "FATAL ERROR: late words");
    assert.equal(pictureHash((await next).images[0] as never), reference);
  }
  assert.equal(forks.length, 3);

  const pid = latest().pid as number;
  await model.dispose();
  assert.ok(!alive(pid));
});

test("an exit code of its own", async () => {
  await using model = await loadSmall({ isolate: true });
  const crashed = crash(model.generate({ ...quick, steps: 500 }), "SIGUSR2"); // for parent-port.cjs: process.exit(3)
  await assert.rejects(crashed, { code: "ERR_ENGINE_CRASH", signal: undefined, exitCode: 3 });
});

test("a load that is canceled ends its utility process", async () => {
  const controller = new AbortController();
  const loading = loadSmall({ isolate: true, signal: controller.signal, onProgress: () => controller.abort("stop") });
  await assert.rejects(loading, (reason) => reason === "stop");
  await gone(latest().pid as number);
});
