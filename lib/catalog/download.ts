import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { ChecksumError, DownloadError } from "../errors.js";
import { type CatalogFile, isText } from "./entries.js";
import { type Answer, type Hub, networkError } from "./hub.js";
import { dropDeadLock, withLock } from "./lock.js";
import { hashFile, Part, type Reading } from "./part.js";
import { type PullSettings, pauseAfter, retryAfter, TransientError } from "./retry.js";
import { hasPart, type PartRecord, removePart, sizeOf, storedFile, storedPath, writePulledRecord } from "./store.js";
import type { Tracker } from "./tracker.js";

export interface DownloadContext {
  hub: Hub;
  settings: PullSettings;
  tracker: Tracker;
  signal: AbortSignal;
}

/** Licenses and descriptions are no larger. */
const maxTextBytes = 1 << 20;

/**
 * Gets a file of the catalog to its place, unless it is there. An interrupted one goes on where it was left, whatever interrupted it. It gets
 * its name when its checksum is right.
 * @returns bytes that were received
 * @throws DownloadError, ChecksumError, or the signal's reason
 */
export async function downloadFile(file: CatalogFile, context: DownloadContext): Promise<number> {
  const { tracker, signal, settings } = context;
  const target = storedPath(file);
  const isPresent = async () => {
    const { state, bytes } = await storedFile(file);
    if (state !== "complete") return false;
    tracker.set(file, { bytes, size: bytes });
    tracker.file(file, "present");
    return true;
  };
  // Without a lock, so that a folder that cannot be written will do.
  if (!(await hasPart(target)) && (await isPresent())) {
    await dropDeadLock(target);
    return 0;
  }
  const onWait = () => tracker.file(file, "waiting");
  return withLock(target, { signal, onWait, patience: settings.lockPatience }, async () => {
    if (!(await isPresent())) return new Download(file, context).run();
    await removePart(target); // left by a process that was killed after the last step but one
    return 0;
  });
}

class Download {
  readonly #file: CatalogFile;
  readonly #context: DownloadContext;
  readonly #target: string;
  readonly #reading: Reading;
  readonly #part: Part;
  #received = 0;
  /** Some of the bytes came from another answer than the others. */
  #mixed = false;

  constructor(file: CatalogFile, context: DownloadContext) {
    this.#file = file;
    this.#context = context;
    this.#target = storedPath(file);
    this.#part = new Part(this.#target);
    this.#reading = { signal: context.signal, onProgress: (bytes) => context.tracker.progress(file, "check", bytes) };
  }

  async run(): Promise<number> {
    if (await this.#adopt()) return 0;
    try {
      await this.#readPart();
      await this.#fetchAll();
      if (this.#mixed && !this.#isRight()) {
        await this.#restart(); // the pieces did not fit together: once more from the first byte
        await this.#fetchAll();
      }
      if (!this.#isRight()) throw await this.#wrongBytes();
      await this.#finish();
    } finally {
      await this.#part.close();
    }
    this.#context.tracker.file(this.#file, "done");
    return this.#received;
  }

  get #sha256(): string | undefined {
    return this.#file.sha256 ?? this.#part.record.sha256;
  }

  get #bytes(): number | undefined {
    return this.#file.bytes ?? this.#part.record.bytes;
  }

  get #url(): string {
    return this.#context.hub.url(this.#file);
  }

  /** A complete file without its record, as when somebody has put it there. */
  async #adopt(): Promise<boolean> {
    const { sha256, bytes } = this.#file;
    const size = await sizeOf(this.#target);
    if (!sha256 || !size || (bytes !== null && size !== bytes)) return false;
    const hash = createHash("sha256");
    await hashFile(this.#target, hash, size, this.#reading);
    if (hash.digest("hex") !== sha256) return false;
    await this.#writeRecord(size, sha256);
    this.#context.tracker.set(this.#file, { bytes: size, size });
    this.#context.tracker.file(this.#file, "present");
    return true;
  }

  async #readPart(): Promise<void> {
    const { tracker } = this.#context;
    const { sha256, bytes, about = 0 } = this.#file;
    const isUsable = (size: number, record: PartRecord | undefined) => {
      const same = !sha256 || !record?.sha256 || record.sha256 === sha256;
      const known = sha256 ?? record?.sha256 ?? record?.etag; // else nothing could tell it from another version
      return same && known !== undefined && size <= (bytes ?? record?.bytes ?? Infinity);
    };
    await this.#part.read(isUsable, this.#reading);
    const { position } = this.#part;
    this.#mixed = position > 0;
    tracker.set(this.#file, { bytes: position, size: this.#bytes ?? about });
    if (position > 0) tracker.file(this.#file, "resume");
  }

  /** Until all bytes are there; gives up after some failures in a row that brought no byte further. */
  async #fetchAll(): Promise<void> {
    const { settings, tracker, signal } = this.#context;
    let furthest = this.#part.position;
    for (let failures = 0; !this.#isWhole(); ) {
      try {
        await this.#fetch();
      } catch (error) {
        signal.throwIfAborted();
        if (!(error instanceof TransientError)) throw error;
        if (this.#part.position > furthest) failures = 0;
        furthest = Math.max(furthest, this.#part.position);
        failures++;
        const asked = error.retryAfter ?? 0;
        if (failures > settings.retries || asked > settings.maxRetryAfter) throw this.#givesUp(error, failures);
        const pause = pauseAfter(failures, asked, settings);
        tracker.retry(this.#file, { reason: error.message, failures, retries: settings.retries, delay: pause / 1000 });
        await sleep(pause, undefined, { signal }).catch(() => signal.throwIfAborted());
      }
    }
  }

  #isWhole(): boolean {
    return this.#part.position === this.#bytes && (this.#sha256 !== undefined || isText(this.#file));
  }

  #givesUp(error: TransientError, failures: number): DownloadError {
    const { retryAfter = 0 } = error;
    const advice =
      retryAfter > this.#context.settings.maxRetryAfter
        ? `The server asks to wait ${Math.ceil(retryAfter / 60_000)} minutes.`
        : `Gave up after ${failures} failures in a row.`;
    return new DownloadError(`${this.#file.path}: ${error.message}. ${advice} What was received is kept: pull again to go on.`, {
      cause: error,
    });
  }

  /** One request, and the bytes that it brings. */
  async #fetch(): Promise<void> {
    const { hub, signal } = this.#context;
    const { etag, sha256 } = this.#part.record;
    const from = this.#part.position;
    const answer = await hub.get(this.#file, from > 0 ? { from, etag, sha256 } : undefined, signal);
    try {
      if (answer.status === 206 && from > 0) await this.#goOn(answer);
      else if (answer.status === 200) await this.#begin(answer);
      else await this.#refused(answer);
      await this.#save(answer);
    } finally {
      answer.end();
    }
    if (this.#bytes === undefined) this.#part.record.bytes = this.#part.position;
    else if (this.#part.position < this.#bytes)
      throw new TransientError(`the connection ended at byte ${this.#part.position} of ${this.#bytes}`);
  }

  /** The rest of the file: makes sure that it is the same file, and begins where the part ends. */
  async #goOn({ headers, etag, sha256 }: Answer): Promise<void> {
    const { record, position } = this.#part;
    const [, from, total] = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(headers["content-range"] ?? "") ?? [];
    const right = Number(from) === position && (total === "*" || Number(total) === this.#bytes);
    const confirmed = sha256 !== undefined && sha256 === record.sha256;
    this.#mixed = true;
    if (right && (confirmed || !etag || !record.etag || etag === record.etag)) return requirePlain(headers, this.#url);
    await this.#restart();
    throw new TransientError(`the server went on with another file or place (${headers["content-range"] ?? "no Content-Range"})`);
  }

  /** The whole file, because it was asked for or because the server has another one now. */
  async #begin({ headers, etag, bytes, sha256, commit }: Answer): Promise<void> {
    requirePlain(headers, this.#url);
    if (this.#part.position > 0) await this.#restart();
    else this.#context.tracker.file(this.#file, "start");
    const declared = headers["content-length"] === undefined ? undefined : Number(headers["content-length"]);
    const expected = this.#file.bytes ?? bytes;
    if (expected !== undefined && declared !== undefined && declared !== expected)
      throw new DownloadError(`${this.#url} has the wrong size: the server declares ${declared} bytes, expected ${expected}.`);
    if (!isText(this.#file) && !this.#file.sha256 && !sha256)
      throw new DownloadError(
        `${this.#url}: neither the catalog nor the server (by x-linked-etag) knows the checksum, so the file could not be checked. Use another HF_ENDPOINT, or another quantization.`,
      );
    await this.#part.begin({ etag, bytes: expected ?? declared, sha256: this.#file.sha256 ?? sha256, commit });
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

  async #save({ chunks }: Answer): Promise<void> {
    const { tracker, signal } = this.#context;
    const most = this.#bytes ?? (isText(this.#file) ? maxTextBytes : Infinity);
    for (;;) {
      const { done, value } = await chunks.next().catch((error: unknown) => {
        signal.throwIfAborted();
        throw networkError(this.#url, error);
      });
      if (done) return;
      if (this.#part.position + value.length > most) {
        await this.#part.remove(); // whatever this is, its beginning is no more right than its end
        throw new DownloadError(`${this.#url} is longer than ${most} bytes, its expected size.`);
      }
      await this.#part.append(value);
      this.#received += value.length;
      tracker.progress(this.#file, "download", this.#part.position, value.length);
    }
  }

  async #restart(): Promise<void> {
    await this.#part.clear();
    this.#mixed = false;
    this.#context.tracker.set(this.#file, { bytes: 0 });
    this.#context.tracker.file(this.#file, "restart");
  }

  #isRight(): boolean {
    return this.#sha256 === undefined || this.#part.sha256() === this.#sha256;
  }

  async #wrongBytes(): Promise<ChecksumError> {
    await this.#part.remove();
    return new ChecksumError(
      `${this.#url} is not the expected file: its sha256 is ${this.#part.sha256()}, expected ${this.#sha256}. It was removed. Pull again; if that does not help, the server or something on the way changes the file.`,
    );
  }

  async #finish(): Promise<void> {
    await this.#part.sync();
    this.#context.signal.throwIfAborted();
    await this.#writeRecord(this.#part.position, this.#part.sha256());
    await this.#part.rename();
  }

  #writeRecord(bytes: number, sha256: string): Promise<void> {
    const pulled = new Date().toISOString();
    return writePulledRecord(this.#target, { bytes, sha256, url: this.#url, commit: this.#part.record.commit, pulled });
  }
}

/** An encoding would count other bytes than those of the file. */
function requirePlain(headers: Answer["headers"], url: string): void {
  const encoding = headers["content-encoding"];
  if (encoding && encoding !== "identity") throw new DownloadError(`${url} came encoded as ${encoding}, though it was asked for as it is.`);
}
