import assert from "node:assert/strict";
import path from "node:path";
import { PassThrough } from "node:stream";
import { describe, it } from "node:test";
import type { NativeEvent } from "../../../lib/engine/binding.js";
import { crashError, type End } from "../../../lib/engine/isolation/crash.js";
import { Line } from "../../../lib/engine/isolation/line.js";
import { forkNode } from "../../../lib/engine/isolation/node.js";
import { RecentLines, readLines } from "../../../lib/engine/isolation/output.js";
import { environment, startProcess } from "../../../lib/engine/isolation/process.js";
import { plainError, type Reply, reviveError } from "../../../lib/engine/isolation/protocol.js";
import { PreviewGate } from "../../../lib/run/previews.js";

describe("Line", () => {
  const told: string[] = [];
  const job = (name: string, priority = 0) => ({
    name,
    priority,
    position: 0,
    emit: (event: NativeEvent) => told.push(`${name} ${event.type === "queued" && event.position}`),
  });

  it("keeps priority, then arrival, and tells each place once", () => {
    const line = new Line<ReturnType<typeof job>>();
    const [a, b, high] = [job("a"), job("b"), job("high", 1)];
    for (const one of [a, b, high]) {
      line.push(one);
      line.report();
    }
    line.report();
    assert.deepEqual(told.splice(0), ["a 1", "b 2", "high 1", "a 2", "b 3"]);
    assert.equal(line.shift(), high);
    assert.ok(line.remove(b) && !line.remove(b));
    line.report();
    assert.deepEqual(told.splice(0), ["a 1"]);
    line.putBack(high);
    assert.deepEqual(
      line.clear().map(({ name }) => name),
      ["high", "a"],
    );
    assert.equal(line.length, 0);
  });
});

describe("PreviewGate", () => {
  const event = (event: Partial<NativeEvent>) => ({ type: "event", id: 1, event }) as Reply;
  const preview = (step: number) => event({ type: "preview", step } as NativeEvent);
  const steps = (replies: Reply[]) =>
    replies.map((reply) => (reply.type === "event" && "step" in reply.event ? reply.event.step : reply.type));

  it("lets four be under way, keeps the latest of the others, and sends it when one was taken", () => {
    const sent: Reply[] = [];
    const gate = new PreviewGate((reply) => sent.push(reply));
    for (let step = 1; step <= 9; step++) gate.send(preview(step));
    assert.deepEqual(steps(sent), [1, 2, 3, 4]);
    gate.seen();
    assert.deepEqual(steps(sent), [1, 2, 3, 4, 9]);
    gate.seen();
    gate.send(preview(10));
    assert.deepEqual(steps(sent), [1, 2, 3, 4, 9, 10]);
  });

  it("holds nothing else back, and sends the last preview before the picture", () => {
    const sent: Reply[] = [];
    const gate = new PreviewGate((reply) => sent.push(reply));
    for (let step = 1; step <= 6; step++) gate.send(preview(step));
    gate.send(event({ type: "progress", step: 7 } as NativeEvent));
    assert.deepEqual(steps(sent), [1, 2, 3, 4, 7]);
    gate.send(event({ type: "image" } as NativeEvent));
    gate.send({ type: "result", id: 1, value: undefined });
    assert.deepEqual(steps(sent), [1, 2, 3, 4, 7, 6, "event", "result"]);
  });
});

describe("crashError", () => {
  const text = (end: End, lines: string[] = []) => crashError(end, "while it was idle", lines).message.replace("The engine's process ", "");

  it("says what ended the process, and why as far as it can be told", () => {
    const assertion = "ops.cpp:1: GGML_ASSERT(x) failed";
    const thrown = ["terminate called after throwing an instance of 'std::bad_alloc'", "  what():  std::bad_alloc"];
    assert.equal(text({ signal: "SIGSEGV" }), "ended with SIGSEGV while it was idle.");
    assert.match(text({ signal: "SIGKILL" }), /something else killed it, most likely the system because memory ran out\.$/);
    assert.equal(text({ signal: "SIGABRT" }, ["a", assertion, "b"]), `ended with SIGABRT while it was idle: ${assertion}.`);
    assert.match(text({ signal: "SIGABRT" }, thrown), /: what\(\): {2}std::bad_alloc \(most likely memory ran out\)\.$/);
    assert.match(
      text({ signal: "SIGTRAP" }, ["FATAL ERROR: Zone Allocation failed - process out of memory"]),
      /FATAL ERROR.*memory ran out/,
    );
    assert.match(text({ exitCode: 1 }, ["Error: Cannot find module 'x'", "    at y"]), /exit code 1 .*: Error: Cannot find module 'x'\.$/);
    assert.match(text({ exitCode: 3221225477 }), /exit code 0xC0000005 /);
    assert.equal(text({ failure: new Error("spawn ENOENT") }), "could not be started: spawn ENOENT.");
  });

  it("carries signal, exit code and the last 20 lines", () => {
    const lines = Array.from({ length: 30 }, (_, i) => `line ${i}`);
    const error = crashError({ signal: "SIGABRT" }, "x", lines, "It is started again.");
    assert.deepEqual([error.code, error.signal, error.exitCode, error.log], ["ERR_ENGINE_CRASH", "SIGABRT", undefined, lines.slice(10)]);
    assert.match(error.message, /\. It is started again\.$/);
  });
});

it("errors keep code, log and stack on their way", () => {
  const error = Object.assign(new Error("it failed"), { code: "ERR_GENERATION", log: ["a"] });
  const revived = reviveError(structuredClone(plainError(error)));
  assert.deepEqual({ ...revived }, { code: "ERR_GENERATION", log: ["a"] });
  assert.deepEqual([revived.message, revived.stack], [error.message, error.stack]);
  assert.equal(reviveError(plainError("text")).message, "text");
});

it("lines are cut to a limit, in number and length", async () => {
  const recent = new RecentLines();
  const stream = new PassThrough();
  readLines(stream, (line) => recent.push(line));
  stream.write("one\ntw");
  stream.write("o\n\n");
  stream.write(Buffer.from("é").subarray(0, 1));
  stream.write(Buffer.from("é").subarray(1));
  for (let i = 0; i < 5; i++) stream.write("x".repeat(3000));
  stream.end();
  await new Promise((resolve) => stream.once("close", resolve));
  assert.deepEqual(recent.lines.slice(0, 2), ["one", "two"]);
  assert.deepEqual([recent.lines[2]?.[0], recent.lines[2]?.length, recent.lines.length], ["é", 1000, 3]);
  for (let i = 0; i < 500; i++) recent.push(`${i}`);
  assert.deepEqual([recent.lines.length, recent.lines.at(-1)], [100, "499"]);
});

it("the engine's process gets the environment, without debugger flags", () => {
  const before = process.env.NODE_OPTIONS;
  const optionsFor = (options: string) => {
    process.env.NODE_OPTIONS = options;
    return environment().NODE_OPTIONS;
  };
  try {
    assert.equal(optionsFor("--inspect"), undefined);
    assert.equal(optionsFor("--inspect-port 9230 --max-old-space-size=100 --inspect-brk=127.0.0.1:0"), "--max-old-space-size=100");
    assert.equal(optionsFor("--require ./inspect.cjs"), "--require ./inspect.cjs");
    assert.equal(environment().PATH, process.env.PATH);
  } finally {
    if (before === undefined) delete process.env.NODE_OPTIONS;
    else process.env.NODE_OPTIONS = before;
  }
});

it("an engine's process starts no other, in runtimes where a child is the application once more", async () => {
  process.env.SDCPP_ENGINE_PROCESS = "1";
  try {
    const end = await new Promise<End>((resolve) => {
      startProcess({ message: () => assert.fail(), output: () => assert.fail(), end: resolve }, process.cwd());
    });
    assert.match(end.failure?.message ?? "", /starts the application again/);
  } finally {
    delete process.env.SDCPP_ENGINE_PROCESS;
  }
});

describe("forkNode", () => {
  const program = (name: string) => ({
    file: path.join(__dirname, "..", "..", "fixtures", name),
    execArgv: [],
    cwd: process.cwd(),
    env: process.env,
  });

  it("delivers all that a process said and printed, and then its end", async () => {
    const seen: unknown[] = [];
    await new Promise<void>((resolve) => {
      const child = forkNode(program("failing-engine.cjs"), {
        message: (reply) => seen.push(reply),
        output: (line) => seen.push(line),
        end: (end) => {
          seen.push(end.signal);
          resolve();
        },
      });
      child.send({ type: "call", id: 1, method: "load", args: [] });
    });
    assert.equal(seen.pop(), "SIGABRT");
    assert.deepEqual(
      seen.filter((item) => typeof item === "object"),
      [{ type: "started", id: 1 }],
    );
    assert.ok(seen.some((line) => /ops\.cpp:4711: GGML_ASSERT/.test(String(line))));
  });

  it("tells when there is nothing to start", async () => {
    const end = await new Promise<End>((resolve) => {
      const options = { ...program("failing-engine.cjs"), cwd: "/no/such/folder" };
      forkNode(options, { message: () => assert.fail(), output: () => assert.fail(), end: resolve });
    });
    assert.match(end.failure?.message ?? "", /ENOENT/);
  });
});
