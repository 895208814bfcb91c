import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import path from "node:path";
import { test } from "node:test";
import { packageRoot } from "../../lib/engine/binding.js";

test("the addon exports its registration and nothing of the engine", { skip: process.platform !== "linux" && "nm -D is Linux's" }, () => {
  const file = path.join(packageRoot, "build", "Release", "node-sd-cpp.node");
  const { status, stdout, stderr } = spawnSync("nm", ["-D", "--defined-only", file], { encoding: "utf8" });
  assert.equal(status, 0, stderr);
  const names = stdout
    .trim()
    .split("\n")
    .map((line) => line.split(" ").at(-1));
  assert.deepEqual(names.sort(), ["napi_register_module_v1", "node_api_module_get_api_version_v1"]);
});
