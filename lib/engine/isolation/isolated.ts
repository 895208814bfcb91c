import type { Timings } from "../../types/index.js";
import { type Approved, approve, overridden } from "../backends/choice.js";
import type { EngineBinding, EngineModel, NativeEvent, NativeJob, NativeUpscaler } from "../binding.js";
import { cancelable, run } from "../jobs.js";
import { Host, type Loading } from "./host.js";

/** What `native()` is for a model in this process, for one model or upscaler in a process of its own. */
export function isolated(): EngineBinding {
  const binding = {
    engine: { commit: "", system: "", cpuVariant: "" }, // until something is loaded

    load: (params: Params, emit: (event: NativeEvent) => void) => load({ method: "load", params }, emit, modelOf),

    loadUpscaler: (params: Params, emit: (event: NativeEvent) => void) => load({ method: "loadUpscaler", params }, emit, upscalerOf),
  };
  return binding;

  function load<T extends object>(
    loading: Loading & { params: Params },
    emit: (event: NativeEvent) => void,
    make: (host: Host, info: unknown) => T,
  ): NativeJob<T> {
    const host = new Host(loading, emit); // here, as it takes note of the working directory
    return cancelable(async (signal) => {
      const { files: modules } = await approve(overridden() ?? loading.params.backend);
      loading.params = { ...loading.params, modules };
      const { info, engine } = await run(() => host.load(), signal);
      binding.engine = engine;
      return make(host, info);
    });
  }
}

interface Params {
  backend?: string;
  modules?: Approved;
}

function modelOf(host: Host, info: unknown): EngineModel {
  return {
    info: info as EngineModel["info"],
    generate: (params, emit) => {
      const { initImage: _, mask: __, ...check } = params; // their sizes are right, and they are large
      const work = { method: "generate" as const, args: [params], priority: params.priority, check: [check] };
      const { promise, cancel } = host.run<Timings>(work, emit);
      return { promise: promise.then(({ value, waited }) => ({ ...value, queued: value.queued + waited })), cancel };
    },
    countTokens: (prompt, t5Prompt) => host.ask("countTokens", [prompt, t5Prompt]),
    dispose: () => host.end(),
  };
}

function upscalerOf(host: Host, info: unknown): NativeUpscaler {
  return {
    info: info as NativeUpscaler["info"],
    upscale: (picture, emit) => {
      const { promise, cancel } = host.run<Awaited<ReturnType<NativeUpscaler["upscale"]>["promise"]>>(
        { method: "upscale", args: [picture] },
        emit,
      );
      return { promise: promise.then(({ value }) => value), cancel };
    },
    dispose: () => host.end(),
  };
}
