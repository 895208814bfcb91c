import { randomUUID } from "node:crypto";
import { readFileSync, readlinkSync } from "node:fs";
import { mkdir, open, readFile, rm, utimes } from "node:fs/promises";
import { hostname } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { inStore } from "./store.js";

export interface LockOptions {
  signal: AbortSignal;
  /** Called once when another holds the lock, with its process. */
  onWait?: (pid: number | undefined) => void;
  /** Milliseconds that a lock has to be watched without a sign of life before it is taken over. */
  patience?: number;
}

interface Holder {
  pid: number;
  /** Where `pid` means something. */
  place: string;
  id: string;
}

const heartbeat = 10_000;
const poll = 250;

/** Process numbers are compared within one boot and one namespace only: containers that share a folder have their own. */
const place = [hostname(), readLinux(() => readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim()), readLinux(namespace)].join(" ");

function namespace(): string {
  return readlinkSync("/proc/self/ns/pid");
}

function readLinux(read: () => string): string {
  try {
    return read();
  } catch {
    return "-";
  }
}

/**
 * Does the work while no other process, and no other call in this one, does it for the same `file`; waits until its turn comes. The lock of a
 * process that has ended is taken over at once, one that shows no sign of life (written every 10 s) after 60 s of watching.
 */
export async function withLock<T>(file: string, options: LockOptions, work: () => Promise<T>): Promise<T> {
  const lock = `${file}.lock`;
  const holder: Holder = { pid: process.pid, place, id: randomUUID() };
  const text = JSON.stringify(holder);
  await inStore(lock, mkdir(path.dirname(lock), { recursive: true }));
  await acquire(lock, text, options);
  const beat = setInterval(() => void utimes(lock, new Date(), new Date()).catch(() => undefined), heartbeat).unref();
  try {
    return await work();
  } finally {
    clearInterval(beat);
    if ((await readFile(lock, "utf8").catch(() => "")) === text) await rm(lock, { force: true }).catch(() => undefined);
  }
}

async function acquire(lock: string, text: string, { signal, onWait, patience = 60_000 }: LockOptions): Promise<void> {
  let watched: { sign: string; since: number } | undefined;
  let told = false;
  for (;;) {
    signal.throwIfAborted();
    if (await create(lock, text)) return;
    const found = await look(lock);
    if (!found) continue; // let go in this moment
    if (watched?.sign !== found.sign) watched = { sign: found.sign, since: performance.now() };
    const holder = parse(found.text);
    if ((holder && isDead(holder)) || performance.now() - watched.since >= patience) {
      await takeAway(lock, found.text);
      continue;
    }
    if (!told) onWait?.(holder?.pid);
    told = true;
    await sleep(poll, undefined, { signal }).catch(() => signal.throwIfAborted());
  }
}

/** Takes away the lock that a process left when it was killed just after its work was done. */
export async function dropDeadLock(file: string): Promise<void> {
  const lock = `${file}.lock`;
  const found = await look(lock);
  const holder = found && parse(found.text);
  if (holder && isDead(holder)) await takeAway(lock, found.text);
}

async function create(lock: string, text: string): Promise<boolean> {
  const handle = await open(lock, "wx").catch((error: NodeJS.ErrnoException) => {
    // Windows answers EPERM while a file is being deleted.
    if (error.code === "EEXIST" || (error.code === "EPERM" && process.platform === "win32")) return undefined;
    return inStore(lock, Promise.reject(error));
  });
  if (!handle) return false;
  try {
    await inStore(lock, handle.writeFile(text));
  } finally {
    await handle.close();
  }
  return true;
}

/** A lock's content, and what changes with each sign of life. Only changes count, so that clocks need not agree. */
async function look(lock: string): Promise<{ text: string; sign: string } | undefined> {
  const handle = await open(lock).catch(() => undefined);
  if (!handle) return undefined;
  try {
    const text = await handle.readFile("utf8");
    return { text, sign: `${text} ${(await handle.stat()).mtimeMs}` };
  } finally {
    await handle.close();
  }
}

function parse(text: string): Holder | undefined {
  try {
    return JSON.parse(text) as Holder;
  } catch {
    return undefined; // being written
  }
}

function isDead(holder: Holder): boolean {
  if (holder.place !== place) return false;
  try {
    process.kill(holder.pid, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ESRCH";
  }
}

/**
 * Takes a dead lock away, if it still is that one. Many may have found it: a second lock, held for this moment alone, lets one of them at it, so
 * that none takes away what another has made anew meanwhile. A process that was killed in that very moment leaves the second lock, which goes
 * then as the first.
 */
async function takeAway(lock: string, dead: string): Promise<void> {
  const second = `${lock}.taking`;
  if (!(await create(second, JSON.stringify({ pid: process.pid, place, id: randomUUID() })))) {
    const found = await look(second);
    const holder = found && parse(found.text);
    if (holder && isDead(holder)) await rm(second, { force: true }).catch(() => undefined);
    return;
  }
  try {
    if ((await look(lock))?.text === dead) await rm(lock, { force: true }).catch(() => undefined);
  } finally {
    await rm(second, { force: true }).catch(() => undefined);
  }
}
