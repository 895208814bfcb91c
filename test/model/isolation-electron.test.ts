import assert from "node:assert/strict";
import { type ChildProcess, fork } from "node:child_process";
import { EventEmitter } from "node:events";
import Module from "node:module";
import path from "node:path";
import { after, before, test } from "node:test";
import { InvalidOptionError } from "../../lib/index.js";
import type { Program } from "../../lib/isolation/watcher.js";
import { pictureHash } from "../helpers/pixels.js";
import { alive, gone, latest, rejection } from "../helpers/processes.js";
import { drawHash, loadSmall, quick } from "../helpers/runs.js";

/** Electron's main process, played: `require("electron")` gives a module whose utility processes are Node's. */

const forks: (Omit<Program, "file"> & { stdio: string; serviceName: string })[] = [];

class FakeUtilityProcess extends EventEmitter {
  readonly #child: ChildProcess;
  pid: number | undefined;

  constructor(file: string, options: Omit<Program, "file">) {
    super();
    const shim = path.join(__dirname, "..", "fixtures", "parent-port.cjs");
    const execArgv = [...options.execArgv, "--require", shim];
    this.#child = fork(file, [], { ...options, execArgv, serialization: "advanced", stdio: ["ignore", "pipe", "pipe", "ipc"] });
    setImmediate(() => {
      this.pid = this.#child.pid; // as Electron, which knows it later
    });
    this.#child.on("message", (message) => this.emit("message", message));
    this.#child.on("exit", (code, signal) => this.emit("exit", code ?? { SIGKILL: 9, SIGSEGV: 11 }[signal as string] ?? 1));
  }

  get stdout() {
    return this.#child.stdout;
  }
  get stderr() {
    return this.#child.stderr;
  }
  postMessage(message: object): void {
    this.#child.send(message, () => {});
  }
  kill(): boolean {
    return this.#child.kill();
  }
}

let ready = true;
const electron = {
  app: { isReady: () => ready },
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

  const run = model.generate({ ...quick, steps: 500 });
  const next = model.generate(quick);
  const crashed = (async () => {
    for await (const event of run) if (event.type === "phase" && event.phase === "sample") process.kill(latest().pid as number, "SIGSEGV");
  })();
  await assert.rejects(crashed, { code: "ERR_ENGINE_CRASH", exitCode: 11, signal: undefined, message: /exit code 11 in phase "sample"/ });
  assert.equal(pictureHash((await next).images[0] as never), reference);
  assert.equal(forks.length, 2);

  const pid = latest().pid as number;
  await model.dispose();
  assert.ok(!alive(pid));
});

test("a load that is canceled ends its utility process", async () => {
  const controller = new AbortController();
  const loading = loadSmall({ isolate: true, signal: controller.signal, onProgress: () => controller.abort("stop") });
  await assert.rejects(loading, (reason) => reason === "stop");
  await gone(latest().pid as number);
});
