import { createHash, type Hash } from "node:crypto";
import { constants, createReadStream } from "node:fs";
import { type FileHandle, open, rename } from "node:fs/promises";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { ChecksumError, DownloadError } from "../errors.js";
import type { CatalogFile } from "./catalog.js";
import { type Answer, type Hub, networkError } from "./hub.js";
import { withLock } from "./lock.js";
import { type PullSettings, pauseAfter, retryAfter, TransientError } from "./retry.js";
import {
  inStore,
  type PartRecord,
  partPath,
  readPartRecord,
  removePart,
  sizeOf,
  storedFile,
  storedPath,
  syncFolder,
  writePartRecord,
  writePulledRecord,
} from "./store.js";
import type { Tracker } from "./tracker.js";

export interface DownloadContext {
  hub: Hub;
  settings: PullSettings;
  tracker: Tracker;
  signal: AbortSignal;
}

/** A license is no larger. */
const maxTextBytes = 1 << 20;

/**
 * Gets a file of the catalog to its place, unless it is there. An interrupted one goes on where it was left, whatever interrupted it: bytes are
 * only ever appended to `<file>.part`, `<file>.part.json` says beforehand which file they belong to, and the file gets its name when its
 * checksum is right.
 * @returns bytes that were received
 * @throws DownloadError, ChecksumError, or the signal's reason
 */
export async function downloadFile(file: CatalogFile, context: DownloadContext): Promise<number> {
  const { tracker, signal, settings } = context;
  const onWait = () => tracker.file(file, "waiting");
  return withLock(storedPath(file), { signal, onWait, patience: settings.lockPatience }, async () => {
    const { state, bytes } = await storedFile(file);
    if (state !== "complete") return new Download(file, context).run();
    tracker.set(file, { bytes, size: bytes });
    tracker.file(file, "present");
    return 0;
  });
}

class Download {
  readonly #file: CatalogFile;
  readonly #context: DownloadContext;
  readonly #target: string;
  #part: FileHandle | undefined;
  #position = 0;
  #hash: Hash = createHash("sha256");
  #record: PartRecord = {};
  #received = 0;
  /** Some of the bytes came from another answer than the others. */
  #mixed = false;

  constructor(file: CatalogFile, context: DownloadContext) {
    this.#file = file;
    this.#context = context;
    this.#target = storedPath(file);
  }

  async run(): Promise<number> {
    const { tracker } = this.#context;
    try {
      if (await this.#adopt()) return 0;
      await this.#readPart();
      await this.#fetchAll();
      if (!(await this.#isRight())) {
        if (!this.#mixed) throw await this.#wrongBytes();
        await this.#restart(); // the parts did not fit together: once more, all of one piece
        await this.#fetchAll();
        if (!(await this.#isRight())) throw await this.#wrongBytes();
      }
      await this.#finish();
    } finally {
      await this.#part?.close();
    }
    tracker.file(this.#file, "done");
    return this.#received;
  }

  get #sha256(): string | undefined {
    return this.#file.sha256 ?? this.#record.sha256;
  }

  get #bytes(): number | undefined {
    return this.#file.bytes ?? this.#record.bytes;
  }

  /** A complete file without its record, as when somebody has put it there. */
  async #adopt(): Promise<boolean> {
    const { sha256, bytes } = this.#file;
    const size = await sizeOf(this.#target);
    if (!sha256 || size === undefined || (bytes !== null && size !== bytes)) return false;
    const hash = createHash("sha256");
    await this.#hashFile(this.#target, hash);
    if (hash.digest("hex") !== sha256) return false;
    await this.#writeRecord(size, sha256);
    this.#context.tracker.set(this.#file, { bytes: size, size });
    this.#context.tracker.file(this.#file, "present");
    return true;
  }

  /** What an earlier pull has left, if it can be told what it is a part of. */
  async #readPart(): Promise<void> {
    const size = (await sizeOf(partPath(this.#target))) ?? 0;
    const record = await readPartRecord(this.#target);
    this.#record = record ?? {};
    const { sha256, bytes } = this.#file;
    const same = !sha256 || !record?.sha256 || record.sha256 === sha256;
    const known = sha256 ?? record?.sha256 ?? record?.etag;
    if (size > 0 && same && known && size <= (this.#bytes ?? Infinity)) {
      await this.#hashFile(partPath(this.#target), this.#hash, size);
      this.#position = size;
      this.#mixed = true;
    } else {
      this.#record = {};
      if (size > 0) await removePart(this.#target);
    }
    this.#context.tracker.set(this.#file, { bytes: this.#position, size: bytes ?? this.#record.bytes ?? this.#file.about ?? 0 });
    if (this.#position > 0) this.#context.tracker.file(this.#file, "resume");
  }

  async #hashFile(file: string, hash: Hash, end = Infinity): Promise<void> {
    const { signal, tracker } = this.#context;
    let bytes = 0;
    try {
      for await (const chunk of createReadStream(file, { end: end - 1, highWaterMark: 1 << 20, signal })) {
        hash.update(chunk);
        bytes += chunk.length;
        tracker.progress(this.#file, "check", bytes);
      }
    } catch (error) {
      signal.throwIfAborted();
      throw new DownloadError(`Cannot read ${file}: ${(error as Error).message}`, { cause: error });
    }
    if (end !== Infinity && bytes !== end) throw new DownloadError(`${file} has become shorter while it was read. Pull again.`);
  }

  /** Until all bytes are there; gives up after some failures in a row that brought no byte further. */
  async #fetchAll(): Promise<void> {
    const { settings, tracker, signal } = this.#context;
    let furthest = this.#position;
    for (let failures = 0; !(await this.#isWhole()); ) {
      try {
        await this.#fetch();
      } catch (error) {
        signal.throwIfAborted();
        if (!(error instanceof TransientError)) throw error;
        if (this.#position > furthest) failures = 0;
        furthest = Math.max(furthest, this.#position);
        if (++failures > settings.retries) throw this.#givesUp(error, failures);
        if ((error.retryAfter ?? 0) > settings.maxRetryAfter) throw this.#givesUp(error, failures);
        const pause = pauseAfter(failures, error.retryAfter, settings);
        tracker.retry(this.#file, { reason: error.message, failures, retries: settings.retries, delay: pause / 1000 });
        await sleep(pause, undefined, { signal }).catch(() => signal.throwIfAborted());
      }
    }
  }

  async #isWhole(): Promise<boolean> {
    return this.#bytes !== undefined && this.#position === this.#bytes && (this.#sha256 !== undefined || this.#file.role === "license");
  }

  #givesUp(error: TransientError, failures: number): DownloadError {
    const wait = error.retryAfter && error.retryAfter > this.#context.settings.maxRetryAfter;
    const advice = wait
      ? `The server asks to wait ${Math.ceil((error.retryAfter ?? 0) / 60_000)} minutes.`
      : `Gave up after ${failures} failures in a row.`;
    return new DownloadError(`${this.#file.path}: ${error.message}. ${advice} What was received is kept: pull again to go on.`, {
      cause: error,
    });
  }

  /** One request, and the bytes that it brings. */
  async #fetch(): Promise<void> {
    const { hub, signal } = this.#context;
    const resume = this.#position > 0 ? { from: this.#position, etag: this.#record.etag, sha256: this.#record.sha256 } : undefined;
    const answer = await hub.get(this.#file, resume, signal);
    try {
      await this.#open(answer);
      await this.#save(answer);
    } finally {
      answer.body.destroy();
    }
    if (this.#bytes === undefined) this.#record.bytes = this.#position;
    else if (this.#position < this.#bytes) throw new TransientError(`the connection ended at byte ${this.#position} of ${this.#bytes}`);
  }

  /** Makes sure that the answer's body goes on where the part ends. */
  async #open(answer: Answer): Promise<void> {
    const { status, headers, etag } = answer;
    if (status !== 200 && status !== 206) await this.#refused(answer);
    if (headers["content-encoding"] && headers["content-encoding"] !== "identity")
      throw new DownloadError(`${this.#url} came encoded as ${headers["content-encoding"]}, though it was asked for as it is.`);
    if (status === 206) {
      const [, from, total] = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(headers["content-range"] ?? "") ?? [];
      const right = Number(from) === this.#position && (total === "*" || Number(total) === this.#bytes);
      const confirmed = answer.sha256 !== undefined && answer.sha256 === this.#record.sha256;
      if (!right || (!confirmed && etag && this.#record.etag && etag !== this.#record.etag)) {
        await this.#restart();
        throw new TransientError(`the server went on with another file or place (${headers["content-range"] ?? "no Content-Range"})`);
      }
      this.#mixed = true;
      return;
    }
    if (this.#position > 0) await this.#restart();
    else this.#context.tracker.file(this.#file, "start");
    await this.#begin(answer);
  }

  /** Notes which file the first byte belongs to, before it is written. */
  async #begin({ headers, etag, bytes, sha256, commit }: Answer): Promise<void> {
    const declared = headers["content-length"] === undefined ? undefined : Number(headers["content-length"]);
    const expected = this.#file.bytes ?? bytes;
    if (expected !== undefined && declared !== undefined && declared !== expected)
      throw new DownloadError(`${this.#url} has the wrong size: the server declares ${declared} bytes, expected ${expected}.`);
    if (this.#file.role !== "license" && !this.#file.sha256 && !sha256)
      throw new DownloadError(
        `${this.#url}: neither the catalog nor the server (by x-linked-etag) knows the checksum, so the file could not be checked. Use another HF_ENDPOINT, or another quantization.`,
      );
    this.#record = { etag, bytes: expected ?? declared, sha256: this.#file.sha256 ?? sha256, commit };
    await writePartRecord(this.#target, this.#record);
    this.#context.tracker.set(this.#file, { bytes: 0, size: this.#bytes ?? this.#file.about ?? 0 });
  }

  async #refused(answer: Answer): Promise<never> {
    const { status, headers } = answer;
    const reason = `the server answered HTTP ${status}`;
    if (status === 416) {
      await this.#restart(); // it knows no such place: what lies here is of another file
      throw new TransientError(reason);
    }
    if (status >= 500 || [408, 425, 429].includes(status))
      throw new TransientError(reason, { retryAfter: retryAfter(headers["retry-after"]) });
    throw this.#context.hub.explain(this.#file, answer);
  }

  async #save({ body }: Answer): Promise<void> {
    const { tracker, signal } = this.#context;
    const chunks = body[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
    const part = await this.#openPart();
    for (;;) {
      const { done, value } = await chunks.next().catch((error: unknown) => {
        signal.throwIfAborted();
        throw networkError(this.#url, error);
      });
      if (done) return;
      await this.#append(part, value);
      tracker.progress(this.#file, "download", this.#position, value.length);
    }
  }

  async #append(part: FileHandle, chunk: Buffer): Promise<void> {
    const most = this.#bytes ?? (this.#file.role === "license" ? maxTextBytes : Infinity);
    if (this.#position + chunk.length > most) throw new DownloadError(`${this.#url} is longer than ${most} bytes, its expected size.`);
    for (let at = 0; at < chunk.length; ) {
      const { bytesWritten } = await inStore(this.#target, part.write(chunk, at, chunk.length - at, this.#position + at));
      at += bytesWritten;
    }
    this.#hash.update(chunk);
    this.#position += chunk.length;
    this.#received += chunk.length;
  }

  async #openPart(): Promise<FileHandle> {
    this.#part ??= await inStore(this.#target, open(partPath(this.#target), constants.O_RDWR | constants.O_CREAT));
    return this.#part;
  }

  /** Forgets all bytes. */
  async #restart(): Promise<void> {
    await inStore(this.#target, (await this.#openPart()).truncate(0)); // before the record changes
    this.#position = 0;
    this.#hash = createHash("sha256");
    this.#record = {};
    this.#mixed = false;
    this.#context.tracker.set(this.#file, { bytes: 0 });
    this.#context.tracker.file(this.#file, "restart");
  }

  async #isRight(): Promise<boolean> {
    return this.#sha256 === undefined || this.#hash.copy().digest("hex") === this.#sha256;
  }

  async #wrongBytes(): Promise<ChecksumError> {
    const actual = this.#hash.copy().digest("hex");
    await this.#part?.close();
    this.#part = undefined;
    await removePart(this.#target);
    return new ChecksumError(
      `${this.#url} is not the expected file: its sha256 is ${actual}, expected ${this.#sha256}. It was removed. Pull again; if that does not help, the server or something on the way changes the file.`,
    );
  }

  async #finish(): Promise<void> {
    const part = await this.#openPart();
    await inStore(this.#target, part.sync());
    await part.close(); // Windows renames no open file
    this.#part = undefined;
    this.#context.signal.throwIfAborted();
    await this.#writeRecord(this.#position, this.#hash.copy().digest("hex"));
    await inStore(this.#target, rename(partPath(this.#target), this.#target));
    await syncFolder(path.dirname(this.#target));
    await removePart(this.#target);
  }

  #writeRecord(bytes: number, sha256: string): Promise<void> {
    const pulled = new Date().toISOString();
    return writePulledRecord(this.#target, { bytes, sha256, url: this.#url, commit: this.#record.commit, pulled });
  }

  get #url(): string {
    return this.#context.hub.url(this.#file);
  }
}
