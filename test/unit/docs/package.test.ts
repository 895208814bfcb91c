import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { packageRoot } from "../../../lib/engine/binding.js";

const manifest = JSON.parse(readFileSync(path.join(packageRoot, "package.json"), "utf8"));

test("package.json names the repository in one place, and homepage and bugs follow it", () => {
  const [, page] = /^git\+(https:\/\/github\.com\/[\w-]+\/[\w.-]+)\.git$/.exec(manifest.repository.url) ?? [];
  assert.ok(page, manifest.repository.url);
  assert.equal(manifest.homepage, `${page}#readme`);
  assert.equal(manifest.bugs.url, `${page}/issues`);
});

test("no script runs where the package is installed, and what only builds it is no dependency of an app", () => {
  for (const name of ["preinstall", "install", "postinstall", "prepare"]) assert.ok(!(name in manifest.scripts), name); // npm 11 asks about prepare too
  for (const name of ["cmake-js", "node-addon-api"]) {
    assert.ok(!(name in manifest.dependencies), name);
    assert.match(manifest.devDependencies[name], /^\d+\.\d+\.\d+$/, "pinned, as `npx node-sd-cpp build` fetches it");
  }
});
