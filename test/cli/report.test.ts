import assert from "node:assert/strict";
import { copyFile, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import nodeGypBuild from "node-gyp-build";
import { packageRoot } from "../../lib/engine/binding.js";
import type { SystemReport } from "../../lib/index.js";
import { sdcpp } from "../helpers/cli.js";

/** `sdcpp devices --report` of somebody whose addon and cache are in the home folder, with a GPU library that is broken. */
const user = "zaphod.beeblebrox";
let work: string;
let home: string;
let env: NodeJS.ProcessEnv;

before(async () => {
  work = await mkdtemp(path.join(tmpdir(), "sdcpp-report-"));
  home = path.join(work, user);
  const release = path.join(home, "project", "build", "Release");
  await mkdir(release, { recursive: true });
  await copyFile(nodeGypBuild.path(packageRoot), path.join(release, "node-sd-cpp.node"));
  await writeFile(path.join(release, process.platform === "win32" ? "sdcpp-ggml-vulkan.dll" : "libsdcpp-ggml-vulkan.so"), "no library");
  await writeFile(path.join(release, "libsdcpp-ggml-cpu-haswell.so"), ""); // as a prebuild has them
  await mkdir(path.join(home, "cache", "models"), { recursive: true });
  await writeFile(path.join(home, "cache", "models", "some.gguf"), Buffer.alloc(1500));
  env = {
    HOME: home,
    USERPROFILE: home,
    USER: user,
    LOGNAME: user,
    SDCPP_HOME: path.join(home, "cache"),
    NODE_SD_CPP_PREBUILD: path.join(home, "project"),
    NODE_PATH: [path.join(home, "modules"), `/opt/${user}/modules`].join(path.delimiter),
    HF_TOKEN: "hf_verysecret",
    npm_config_cache: path.join(home, ".npm"),
  };
});
after(() => rm(work, { recursive: true, force: true }));

function checkPrivate(text: string): void {
  assert.doesNotMatch(text, new RegExp(user.replace(".", "\\."), "i"));
  assert.ok(!text.includes(work), "no path of the home folder");
  assert.doesNotMatch(text, /verysecret/);
}

describe("devices --report", () => {
  test("as JSON: what there is, why a backend is left out, and nobody's name", async () => {
    const { code, stdout, stderr } = await sdcpp(["devices", "--report", "--json"], { env });
    assert.deepEqual([code, stderr], [0, ""], "no warning with a path, which would be pasted along");
    const report: SystemReport = JSON.parse(stdout);
    assert.deepEqual([report.system.platform, report.runtime.node], [process.platform, process.versions.node]);
    assert.deepEqual([report.engine.build, report.engine.problem], ["source", undefined]);
    assert.deepEqual(report.engine.variants, ["haswell"]);
    assert.match(report.engine.commit ?? "", /^[0-9a-f]{7,40}$/);
    assert.ok(report.engine.features.length > 0 && report.processor.threads > 0);
    assert.match(report.engine.file ?? "", /^~[\\/]project/);
    assert.ok(report.devices.some(({ id }) => id === "cpu"));
    const [vulkan, ...others] = report.backends;
    assert.deepEqual([vulkan?.kind, vulkan?.used, others], ["vulkan", false, []]);
    assert.match(vulkan?.problem ?? "", /\S/);
    assert.ok(report.memory.available > 0 && report.memory.total >= report.memory.available);
    assert.deepEqual(report.cache, { folder: path.join("~", "cache"), bytes: 1500, models: [] });
    assert.deepEqual([report.environment.HF_TOKEN, report.environment.SDCPP_HOME], ["(set)", path.join("~", "cache")]);
    assert.match(report.environment.NODE_PATH ?? "", /^~[\\/]modules[:;]\/opt\/<user>\/modules$/);
    checkPrivate(stdout);
  });

  test("as text: a name and what there is on each line", async () => {
    const { code, stdout } = await sdcpp(["devices", "--report"], { env });
    assert.equal(code, 0);
    for (const line of stdout.trimEnd().split("\n")) assert.match(line, /^(?:\S.{11}| {12}) \S/);
    assert.match(stdout, /^node-sd-cpp {2}\d+\.\d+\.\d+$/m);
    assert.match(stdout, /^engine {7}stable-diffusion\.cpp [0-9a-f]{7,}/m);
    assert.match(stdout, /^GPU backends vulkan: left out \(~.*sdcpp-ggml-vulkan.*\): \S/m);
    assert.match(stdout, /^ {13}HF_TOKEN=\(set\)$|^environment {2}HF_TOKEN=\(set\)$/m);
    assert.match(stdout, /^memory {7}.* GB, of which .* is /m);
    checkPrivate(stdout);
  });

  test("without an addon it is said, and all the rest is there", async () => {
    const nowhere = path.join(home, "nowhere");
    const { code, stdout } = await sdcpp(["devices", "--report", "--json"], { env: { ...env, NODE_SD_CPP_PREBUILD: nowhere } });
    const report: SystemReport = JSON.parse(stdout);
    assert.deepEqual([code, report.engine.build, report.devices], [0, "none", []]);
    assert.match(report.engine.problem ?? "", /No native build was found[\s\S]*~/);
    assert.ok(report.memory.total > 0);
    checkPrivate(stdout);
    const text = (await sdcpp(["devices", "--report"], { env: { ...env, NODE_SD_CPP_PREBUILD: nowhere } })).stdout;
    for (const line of text.trimEnd().split("\n")) assert.match(line, /^(?:\S.{11}| {12}) \S/);
    assert.match(text, /no addon was found\n {13}No native build was found/);
  });

  test("a cache folder that cannot be used is a problem among others", async () => {
    const { code, stdout } = await sdcpp(["devices", "--report"], { env: { ...env, SDCPP_HOME: "relative" } });
    assert.equal(code, 0);
    assert.match(stdout, /^cache {8}SDCPP_HOME: must be an absolute path/m);
  });
});
