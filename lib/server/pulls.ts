import { randomUUID } from "node:crypto";
import { findModel, pull } from "../models.js";
import type { PullEvent } from "../types/index.js";
import { HttpError } from "./errors.js";
import type { CheckedHandlerOptions } from "./options.js";

/** A download of a model's files. It is no job: drawing goes on beside it. */
export interface Pull {
  readonly id: string;
  /** Id of the model. */
  readonly model: string;
  /** Whose it is; all may see it, since the files are everybody's. */
  readonly owner: string;
  status: "running" | "done" | "failed" | "canceled";
  /** Milliseconds since 1970. */
  readonly created: number;
  phase?: "check" | "download";
  /** Of all files. */
  bytes?: number;
  size?: number;
  bytesPerSecond?: number;
  /** Seconds to the end; undefined while nothing comes. */
  eta?: number;
  /** Why it waits, when a server did not answer. */
  retry?: string;
  error?: unknown;
}

const remembered = 20;

export class Pulls {
  readonly #options: CheckedHandlerOptions;
  readonly #pulls = new Map<string, { pull: Pull; controller: AbortController; work: Promise<void> }>();

  constructor(options: CheckedHandlerOptions) {
    this.#options = options;
  }

  get allowed(): boolean {
    return this.#options.allowPull;
  }

  /**
   * One that is already on its way is not begun again.
   * @throws HttpError 403 unless the server allows it, 404; what else goes wrong is in the pull's `error`, a license that is not accepted too
   */
  start(name: string, { owner, acceptLicense }: { owner: string; acceptLicense: boolean }): Pull {
    if (!this.allowed)
      throw new HttpError(403, "pull_forbidden", "This server does not allow models to be downloaded (allowPull, --allow-pull).");
    const model = findModel(name);
    if (!model) throw new HttpError(404, "model_not_found", "There is no such model in the catalog.", "model");
    const running = [...this.#pulls.values()].find(({ pull }) => pull.model === model.id && pull.status === "running");
    if (running) return running.pull;
    const controller = new AbortController();
    const one: Pull = { id: randomUUID(), model: model.id, owner, status: "running", created: Date.now() };
    this.#pulls.set(one.id, { pull: one, controller, work: this.#run(one, controller.signal, acceptLicense) });
    for (const [id, { pull }] of this.#pulls) if (this.#pulls.size > remembered && pull.status !== "running") this.#pulls.delete(id);
    return one;
  }

  /** Newest first. */
  list(): Pull[] {
    return [...this.#pulls.values()].map(({ pull }) => pull).reverse();
  }

  /** @throws HttpError 404 */
  get(id: string): Pull {
    return this.#entry(id).pull;
  }

  /** What has come stays on the disk, and the next pull goes on from there. */
  async cancel(id: string, owner: string): Promise<Pull> {
    const { pull, controller, work } = this.#entry(id);
    if (pull.owner !== owner) throw new HttpError(403, "not_yours", "The download was begun by somebody else.");
    controller.abort();
    await work;
    return pull;
  }

  async close(): Promise<void> {
    for (const { controller } of this.#pulls.values()) controller.abort();
    await Promise.all([...this.#pulls.values()].map(({ work }) => work));
  }

  #entry(id: string) {
    const entry = this.#pulls.get(id);
    if (!entry) throw new HttpError(404, "not_found", "There is no such download, or it ended too long ago.");
    return entry;
  }

  async #run(one: Pull, signal: AbortSignal, acceptLicense: boolean): Promise<void> {
    const onProgress = (event: PullEvent) => {
      if (event.type === "retry") one.retry = event.reason;
      if (event.type !== "progress") return;
      const { phase, totalBytes: bytes, totalSize: size, bytesPerSecond, eta } = event;
      Object.assign(one, { phase, bytes, size, bytesPerSecond, eta: Number.isFinite(eta) ? eta : undefined, retry: undefined });
    };
    try {
      await pull(one.model, { acceptLicense, signal, onProgress });
      one.status = "done";
      this.#options.onLog?.(`pulled ${one.model}`);
    } catch (error) {
      one.status = signal.aborted ? "canceled" : "failed";
      if (one.status === "failed") one.error = error;
    }
  }
}
