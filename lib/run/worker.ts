/** The program of the engine's process: does what the host (host.ts) asks for, and ends when the host is gone. */
import { loadModule } from "../engine/backends/modules.js";
import {
  type NativeEvent,
  type NativeGenerateParams,
  type NativeImage,
  type NativeJob,
  type NativeModelParams,
  type NativeUpscaler,
  type NativeUpscalerParams,
  native,
} from "../engine/binding.js";
import { type Method, plainError, type Reply, type Request } from "../engine/isolation/protocol.js";
import { type GuardedModel, guarded } from "../memory/guarded.js";
import { PreviewGate } from "./previews.js";

/** Electron's channel to the process that started a utility process. */
interface ParentPort {
  on(event: "message", listener: (message: { data: Request }) => void): void;
  postMessage(message: Reply): void;
}

type Emit = (event: NativeEvent) => void;

let model: GuardedModel | undefined;
let upscaler: NativeUpscaler | undefined;
const jobs = new Map<number, NativeJob<unknown>>();

const { parentPort } = process as { parentPort?: ParentPort };
const gate = new PreviewGate((reply) => {
  if (parentPort) parentPort.postMessage(reply);
  else process.send?.(reply, undefined, undefined, () => {}); // a host that is gone: 'disconnect' follows
});

function loaded<T>(thing: T | undefined): T {
  if (!thing) throw new Error("Nothing of the kind is loaded in this process.");
  return thing;
}

const methods: Record<Method, (emit: Emit, ...args: never[]) => unknown> = {
  load: (emit, params: NativeModelParams) => {
    const { promise, cancel } = guarded().load(params, emit);
    const done = promise.then((result) => {
      model = result;
      return { info: result.info, engine: native().engine };
    });
    return { promise: done, cancel };
  },
  loadUpscaler: (emit, params: NativeUpscalerParams) => {
    const { promise, cancel } = guarded().loadUpscaler(params, emit);
    const done = promise.then((result) => {
      upscaler = result;
      return { info: result.info, engine: native().engine };
    });
    return { promise: done, cancel };
  },
  generate: (emit, params: NativeGenerateParams) => loaded(model).generate(params, emit),
  check: (_emit, params: NativeGenerateParams) => loaded(model).check(params),
  countTokens: (_emit, prompt: string, t5Prompt?: string) => loaded(model).countTokens(prompt, t5Prompt),
  upscale: (emit, picture: NativeImage) => loaded(upscaler).upscale(picture, emit),
  tryBackend: (_emit, file: string) => tryBackend(file),
};

/** Rejects when the backend or one of its devices does not work. */
async function tryBackend(file: string): Promise<void> {
  const names = async () => (await native().devices().promise).map(({ name }) => name);
  const before = await names();
  await loadModule(file);
  const added = (await names()).filter((name) => !before.includes(name));
  if (added.length === 0) throw new Error("there is no backend that works here");
  for (const name of added) await native().tryDevice(name).promise;
}

function isJob(value: unknown): value is NativeJob<unknown> {
  return typeof (value as NativeJob<unknown> | undefined)?.cancel === "function";
}

async function call({ id, method, args }: Extract<Request, { type: "call" }>): Promise<void> {
  gate.send({ type: "started", id });
  try {
    const outcome = methods[method]((event) => gate.send({ type: "event", id, event }), ...(args as never[]));
    if (isJob(outcome)) jobs.set(id, outcome);
    gate.send({ type: "result", id, value: await (isJob(outcome) ? outcome.promise : outcome) });
  } catch (error) {
    gate.send({ type: "error", id, error: plainError(error) });
  } finally {
    jobs.delete(id);
  }
}

/** Some drivers (Metal's) do not bear an exit before their memory is free. */
async function end(): Promise<void> {
  for (const job of jobs.values()) job.cancel();
  await Promise.allSettled([model?.dispose(), upscaler?.dispose()]);
  process.exit(0);
}

function receive(request: Request): void {
  if (request.type === "call") call(request);
  else if (request.type === "cancel") jobs.get(request.id)?.cancel();
  else if (request.type === "seen") gate.seen();
  else end();
}

/** At once, whatever the engine is doing: there is nothing to save, and an orderly exit would wait for it. */
function die(): void {
  process.kill(process.pid, "SIGKILL");
}

if (parentPort) {
  parentPort.on("message", ({ data }) => receive(data)); // Electron ends the process with its app
} else {
  process.on("message", receive);
  process.on("disconnect", die);
  if (!process.connected) die();
  // Ctrl-C reaches all processes of a terminal, and a service manager's SIGTERM all of a service. What to do then is the host's to say.
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => {});
}
