import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { sdcpp } from "../helpers/cli.js";
import { assertCircle, circle, post } from "../helpers/server.js";

const flags = ["serve", "--port", "0", "--threads", "1"];

test("a model that is not there is told before the address, and the command ends", { timeout: 60_000 }, async () => {
  const { code, stdout, stderr } = await sdcpp([...flags, "--model", "nothing.gguf"]);
  assert.deepEqual([code, stdout], [1, ""]);
  assert.match(stderr, /nothing\.gguf does not exist \(ERR_MODEL_FILE\)/);
});

test("wrong options end it as those of other commands do", { timeout: 60_000 }, async () => {
  for (const [given, pattern] of [
    [["--host", "0.0.0.0"], /^--host: expected apiKeys \(--api-key\)/],
    [["--api-key-file", "nothing.txt"], /^--api-key-file: expected a file with a key a line/],
    [["--lora-dir", "nothing"], /^--lora-dir: expected an existing folder/],
    [["--max-queue", "-1"], /^--max-queue: expected an integer from 0/],
  ] as const) {
    const { code, stdout, stderr } = await sdcpp([...flags, ...given]);
    assert.deepEqual([code, stdout], [2, ""], stderr);
    assert.match(stderr, pattern);
  }
});

test("SIGTERM lets it draw what it has taken", { timeout: 120_000 }, async () => {
  let picture: Promise<Response> | undefined;
  const { code, stderr } = await sdcpp(flags, {
    onStart: async (child) => {
      const [line] = (await once(child.stdout as NodeJS.ReadableStream, "data")) as [Buffer];
      picture = post(`${line.toString().trim()}/v1/jobs`, circle, { accept: "image/png" });
      child.stderr?.on("data", (text) => String(text).includes("loaded demo") && child.kill("SIGTERM"));
    },
  });
  assert.equal(code, 0, stderr);
  assert.match(stderr, /Finishing 1 job/);
  await assertCircle(new Uint8Array(await ((await picture) as Response).arrayBuffer()));
});
