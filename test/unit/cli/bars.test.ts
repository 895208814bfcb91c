import assert from "node:assert/strict";
import { test } from "node:test";
import { Terminal } from "@xterm/headless";
import { bar, LiveLines } from "../../../lib/cli/bars.js";

/** A terminal of 20 columns, and what it shows. */
function screen() {
  const terminal = new Terminal({ cols: 20, rows: 8, allowProposedApi: true, convertEol: true });
  let text = "";
  const stream = {
    columns: 20,
    write: (data: string | Uint8Array) => {
      text += data;
      terminal.write(data);
      return true;
    },
  };
  const shown = async () => {
    await new Promise<void>((resolve) => terminal.write("", resolve));
    const rows = Array.from({ length: terminal.rows }, (_, y) => terminal.buffer.active.getLine(y)?.translateToString(true) ?? "");
    return rows.join("\n").trimEnd().split("\n");
  };
  return {
    stream: stream as unknown as NodeJS.WriteStream,
    shown,
    cursorShown: () => text.lastIndexOf("\x1b[?25h") > text.lastIndexOf("\x1b[?25l"),
  };
}

test("a bar is as full as the work is done, and never longer or shorter than its size", () => {
  assert.equal(bar(0, 4, 4), "░░░░");
  assert.equal(bar(1, 2, 4), "██░░");
  assert.equal(bar(9, 4, 4), "████");
  assert.equal(bar(0, 0, 4), "░░░░");
});

test("lines are drawn in their places, cut to the terminal, and what is printed stands above them", async () => {
  const { stream, shown } = screen();
  const lines = new LiveLines(true, stream);
  lines.print("before");
  lines.set(0, "first");
  lines.set(1, "a second line that is longer than the terminal");
  lines.print("a message that takes two rows");
  assert.deepEqual(await shown(), ["before", "a message that takes", " two rows", "first", "a second line that i"]);
  lines.set(0, "1st");
  lines.stop();
  lines.set(0, "too late");
  assert.deepEqual(await shown(), ["before", "a message that takes", " two rows", "1st", "a second line that i"]);
});

test("lines that are not kept leave nothing, and the cursor is shown again", async () => {
  const { stream, shown, cursorShown } = screen();
  const listeners = process.listenerCount("SIGINT");
  const lines = new LiveLines(false, stream);
  lines.set(0, "one");
  lines.set(1, "two");
  assert.ok(!cursorShown());
  assert.equal(process.listenerCount("SIGINT"), listeners + 1);
  lines.stop();
  lines.stop();
  assert.ok(cursorShown());
  assert.equal(process.listenerCount("SIGINT"), listeners);
  assert.deepEqual(await shown(), [""]);
});

test("a change is drawn by itself, soon", async () => {
  const { stream, shown } = screen();
  const lines = new LiveLines(true, stream);
  lines.set(0, "old");
  lines.set(0, "new");
  const keepAlive = setInterval(() => {}, 10); // the lines alone keep no process alive
  while ((await shown())[0] !== "new") await new Promise((resolve) => setTimeout(resolve, 10));
  clearInterval(keepAlive);
  lines.stop();
});
