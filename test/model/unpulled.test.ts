import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, afterEach, before, beforeEach, describe, test } from "node:test";
import { replaceCatalog } from "../../lib/catalog/catalog.js";
import type { Catalog, CatalogFile } from "../../lib/catalog/entries.js";
import { type EstimateOptions, estimateMemory, inspectModel, loadModel, type MemoryEstimate, pull } from "../../lib/index.js";
import { notPulled } from "../../lib/models.js";
import { clipL, largeShaped, mediumShaped, vae } from "../helpers/checkpoints.js";
import { toFp8 } from "../helpers/fp8.js";
import { sha256, TestHub } from "../helpers/hub.js";
import { asDiffusers, storedOf, writeShards, writeStored } from "../helpers/stored.js";

/** Models by name before they are pulled: what `estimateMemory` and `inspectModel` read of the hub, and that it is the same as afterwards. */

const id = "sd3.5-medium:q4_0";
const scaled = "sd3.5-medium:fp8_scaled";
const folderId = "sd3.5-large:diffusers";
const size = { width: 64, height: 64 };

const contents = new Map<string, Buffer>();
let work: string;
let home: string;
let hub: TestHub;
let given: NodeJS.ProcessEnv;

const variables = ["TMPDIR", "TEMP", "TMP", "SDCPP_HOME", "HF_ENDPOINT", "HF_TOKEN", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"];

/** Scales between the weights, and so large that the products are no half floats: with other scales the estimate is another. */
async function scaledMedium(): Promise<string> {
  const tensors = (await storedOf(await mediumShaped())).flatMap((tensor) => {
    if (!/x_block\.mlp\.fc\d\.weight$/.test(tensor.name)) return [tensor];
    const { weight, scale } = toFp8(tensor, "e4m3", "tensor", 1000);
    return [weight, scale];
  });
  return writeStored(path.join(work, "sd3.5_medium_scaled.safetensors"), tensors);
}

async function diffusersFolder(): Promise<string[]> {
  const at = path.join(work, "folder");
  const texts: Record<string, object> = {
    "model_index.json": {
      _class_name: "StableDiffusion3Pipeline",
      transformer: ["diffusers", "SD3Transformer2DModel"],
      vae: ["diffusers", "AutoencoderKL"],
    },
    "scheduler/scheduler_config.json": { _class_name: "FlowMatchEulerDiscreteScheduler", shift: 3 },
    "transformer/config.json": { _class_name: "SD3Transformer2DModel", num_layers: 24, num_attention_heads: 24 },
  };
  for (const [name, value] of Object.entries(texts)) {
    await mkdir(path.dirname(path.join(at, name)), { recursive: true });
    await writeFile(path.join(at, name), JSON.stringify(value));
  }
  await mkdir(path.join(at, "vae"));
  await writeShards(path.join(at, "transformer"), "diffusion_pytorch_model", asDiffusers(await storedOf(await largeShaped())), 2);
  await writeStored(path.join(at, "vae", "diffusion_pytorch_model.safetensors"), await storedOf(await vae()));
  const entries = await readdir(at, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => path.relative(at, path.join(entry.parentPath, entry.name)));
}

before(async () => {
  work = await mkdtemp(path.join(tmpdir(), "sdcpp-unpulled-"));
  const entry = async (role: CatalogFile["role"], repo: string, name: string, from: string, known = true): Promise<CatalogFile> => {
    const data = await readFile(from);
    contents.set(`/${name}`, data);
    const [bytes, sum] = known ? [data.length, sha256(data)] : [null, null];
    return { role, repo, path: name, bytes, ...(!known && { about: data.length }), sha256: sum, license: "mit" };
  };
  const medium = await entry("diffusionModel", "one/medium", "sd3.5_medium-Q4_0.gguf", await mediumShaped("q4_0"), false);
  const fp8 = await entry("diffusionModel", "one/medium", "sd3.5_medium_scaled.safetensors", await scaledMedium(), false);
  const parts = {
    clip_l: await entry("clipL", "two/parts", "text_encoders/clip_l.gguf", await clipL()),
    vae: await entry("vae", "three/vaes", "vae.gguf", await vae()),
  };
  const names = (await diffusersFolder()).map((name) => name.split(path.sep).join("/")).sort();
  const folder = await Promise.all(names.map((name) => entry("folder", "four/large", name, path.join(work, "folder", name), false)));
  const index = folder.find(({ path: name }) => name === "model_index.json") as CatalogFile;
  const bundle = { gated: false, family: "sd3.5-medium" } as const;
  const catalog: Catalog = {
    aliases: { "sd3.5-medium": id },
    parts,
    models: [
      { ...bundle, id, file: medium, with: ["clip_l", "vae"] },
      { ...bundle, id: scaled, file: fp8, with: ["clip_l", "vae"] },
      { ...bundle, id: folderId, family: "sd3.5-large", file: index, folder: folder.filter((file) => file !== index), with: [] },
    ],
  };
  contents.set("/LICENSE.md", Buffer.from("a license"));
  replaceCatalog(catalog);
  await writeFile(path.join(work, "catalog.json"), JSON.stringify(catalog));
  Object.assign(process.env, { TMPDIR: work, TEMP: work, TMP: work }); // other tests of this time have files there too
  given = Object.fromEntries(variables.map((name) => [name, process.env[name]]));
});

beforeEach(async () => {
  home = await mkdtemp(path.join(work, "home-"));
  hub = await TestHub.start();
  for (const [name, data] of contents) {
    hub.files.set(name, data);
    hub.files.set(path.posix.basename(name), data);
  }
  for (const [repo, name] of [...contents.keys()].map((name) => ["/four/large", name]))
    hub.files.set(`${repo}${name}`, contents.get(name ?? "") as Buffer);
  for (const name of variables.slice(3)) delete process.env[name];
  Object.assign(process.env, { SDCPP_HOME: home, HF_ENDPOINT: hub.url });
});
afterEach(async () => {
  await hub.close();
  await rm(home, { recursive: true, force: true });
});
after(async () => {
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  }
  await rm(work, { recursive: true, force: true });
});

/** All but what is free at the moment. */
function lasting({ devices, ...estimate }: MemoryEstimate): object {
  return { ...estimate, devices: Object.entries(devices).map(([name, { available: _, ...device }]) => [name, device]) };
}

const leftovers = async () => (await readdir(tmpdir())).filter((name) => name.startsWith("sdcpp-headers-"));

describe("an estimate by name", () => {
  const cases: [string, EstimateOptions][] = [
    [id, {}],
    [id, { mmap: true }],
    [id, { offload: { params: "disk" }, batchCount: 2 }],
    [scaled, {}],
    [folderId, { clipL: "own" }],
    [folderId, { clipL: "own", mmap: true }],
  ];
  for (const [preset, options] of cases) {
    test(`before the pull is that after it: ${preset} ${JSON.stringify(options)}`, async () => {
      const all = { preset, ...size, ...options, ...(options.clipL && { clipL: await clipL() }) } as EstimateOptions;
      const old = await leftovers();
      const before = await estimateMemory(all);
      const whole = [...contents.values()].reduce((sum, { length }) => sum + length, 0);
      assert.ok(hub.sent < 6e6 && hub.sent < whole / 20, `${hub.sent} bytes of ${whole}`);
      assert.deepEqual(await readdir(home), [], "nothing is pulled");
      assert.deepEqual(await leftovers(), old, "nothing is left over");
      await pull(preset);
      const { length } = hub.requests;
      assert.deepEqual(lasting(before), lasting(await estimateMemory(all)));
      assert.equal(hub.requests.length, length, "what was pulled is read here");
    });
  }

  test("of files that are there none is asked for, and those that are given take the place of the model's", async () => {
    await pull(id);
    hub.requests.length = 0;
    const before = await estimateMemory({ preset: scaled as "sd3.5-medium", ...size });
    assert.deepEqual([...new Set(hub.requests.map(({ path: name }) => path.posix.basename(name)))], ["sd3.5_medium_scaled.safetensors"]);
    assert.ok(before.parts.clipL);
    hub.requests.length = 0;
    await estimateMemory({ preset: scaled as "sd3.5-medium", diffusionModel: path.join(work, "sd3.5_medium_scaled.safetensors"), ...size });
    assert.deepEqual(hub.requests, []);
  });

  test("loadModel downloads nothing", async () => {
    await assert.rejects(loadModel({ preset: id }), { code: "ERR_MISSING_COMPONENT" });
    assert.deepEqual(hub.requests, []);
  });
});

describe("an inspection by name", () => {
  for (const name of [scaled, folderId]) {
    test(`before the pull is that after it, with addresses instead of paths: ${name}`, async () => {
      const before = await inspectModel(name);
      assert.equal(before.loadable, name === scaled, before.problem); // the folder has no text encoder
      assert.ok(hub.sent < 6e6, `${hub.sent} bytes`);
      const repositories = new RegExp(`^${hub.url}/(one|two|three|four)/\\w+/resolve/main/\\S+$`);
      for (const { file, files } of before.files)
        for (const at of [file, ...files.map((part) => part.path)]) assert.match(at, repositories);
      assert.ok(!JSON.stringify(before).includes("sdcpp-headers-"), "no file that is gone");
      await pull(name);
      const after = JSON.stringify(await inspectModel(name), undefined, 1);
      const atHome = JSON.stringify(path.join(home, "models")).slice(1, -1);
      assert.equal(JSON.stringify(before, undefined, 1).replaceAll(hub.url, atHome).replaceAll("/resolve/main/", "/"), after);
    });
  }

  test("a file or folder of that name goes before; the demo is unpacked; a near miss is named", async () => {
    const near = { code: "ERR_MODEL_FILE", message: "sd3.5-medum is neither a file nor a model's name; did you mean sd3.5-medium?" };
    await assert.rejects(inspectModel("sd3.5-medum"), near);
    await assert.rejects(inspectModel("nowhere.gguf"), { message: "nowhere.gguf does not exist" });
    assert.deepEqual(hub.requests, []);
    const here = process.cwd();
    process.chdir(work); // the checkout has a folder demo
    try {
      const { family, options } = await inspectModel("demo");
      assert.deepEqual([family, Object.keys(options).sort()], ["demo", ["clipL", "diffusionModel", "taesd"]]);
      await copyFile(await vae(), "sd3.5-medium");
      assert.equal((await inspectModel("sd3.5-medium")).files[0]?.kind, "VAE");
    } finally {
      process.chdir(here);
    }
    assert.deepEqual(hub.requests, []);
  });

  test("no checksums, which need the whole files", async () => {
    await assert.rejects(inspectModel(id, { sha256: true }), { code: "ERR_INVALID_OPTION", path: "sha256" });
  });

  test("the token is the hub's", async () => {
    process.env.HF_TOKEN = "hf_environment";
    await inspectModel(id);
    assert.deepEqual([...new Set(hub.requests.map(({ authorization }) => authorization))], ["Bearer hf_environment"]);
    hub.requests.length = 0;
    await inspectModel(id, { token: "hf_option" });
    assert.deepEqual([...new Set(hub.requests.map(({ authorization }) => authorization))], ["Bearer hf_option"]);
  });
});

describe("what can go wrong", () => {
  const rejects = (error: object) => assert.rejects(estimateMemory({ preset: id, ...size }), error);

  test("offline: the reason after one try", async () => {
    await hub.close();
    const message =
      /^sd3\.5-medium:q4_0 has not been pulled, and \S+ could not be read from the hub: 127\.0\.0\.1:\d+: .*ECONNREFUSED.*HF_ENDPOINT.*HTTPS_PROXY.*pull sd3\.5-medium:q4_0/;
    await rejects({ code: "ERR_DOWNLOAD", message });
    hub = await TestHub.start();
  });

  test("a server with troubles is asked once a file", async () => {
    hub.always.set("clip_l.gguf", { status: 503 });
    await rejects({ code: "ERR_DOWNLOAD", message: /clip_l\.gguf was refused \(HTTP 503\)/ });
    assert.equal(hub.requestsOf("clip_l.gguf").length, 1);
  });

  test("gated: what to do", async () => {
    hub.always.set("sd3.5_medium-Q4_0.gguf", { status: 401, headers: { "x-error-code": "GatedRepo" } });
    await rejects({ code: "ERR_DOWNLOAD", message: /HTTP 401\): one\/medium is gated.*open http\S+\/one\/medium in a browser.*HF_TOKEN/ });
    process.env.HF_TOKEN = "hf_x";
    await rejects({ code: "ERR_DOWNLOAD", message: /the account of HF_TOKEN has no access to one\/medium/ });
  });

  test("a file that is not the catalog's", async () => {
    hub.always.set("clip_l.gguf", { linked: null, body: Buffer.alloc(3000) });
    await rejects({ code: "ERR_DOWNLOAD", message: /clip_l\.gguf has the wrong size: the server has 3000 bytes, expected \d+\.$/ });
    hub.always.set("clip_l.gguf", { linked: { sha256: "0".repeat(64) } });
    await rejects({ code: "ERR_CHECKSUM", message: /clip_l\.gguf on the hub is not the file that the catalog knows/ });
  });

  test("a server without ranges sends the beginning of each file; a cut connection and a malformed file are errors that name the address", async () => {
    for (const name of ["clip_l.gguf", "vae.gguf"]) hub.always.set(name, { ignoresRange: true, throttle: 65_536 });
    assert.ok((await estimateMemory({ preset: id, ...size })).parts.clipL);
    hub.always.set("clip_l.gguf", { dropAfter: 1000 });
    await rejects({ code: "ERR_DOWNLOAD", message: /could not be read from the hub/ });
    hub.always.delete("clip_l.gguf");
    hub.always.set("sd3.5_medium-Q4_0.gguf", { body: Buffer.from("GGUF".padEnd(5000, "x")) });
    const address = `${hub.url}/one/medium/resolve/main/sd3.5_medium-Q4_0.gguf`;
    await rejects({ code: "ERR_MODEL_FILE", file: address, message: new RegExp(`^diffusionModel: ${address} `) });
    await assert.rejects(inspectModel(id), (error: Error) => !error.stack?.includes("sdcpp-headers-") && error.message.startsWith(address));
    assert.deepEqual(await leftovers(), []);
  });

  test("a folder of another model is told by its address", async () => {
    hub.always.set("model_index.json", {
      linked: null,
      body: Buffer.from('{"_class_name": "FluxPipeline", "transformer": ["diffusers", "X"]}'),
    });
    const message = new RegExp(`^${hub.url}/four/large/resolve/main/model_index.json describes "FluxPipeline"`);
    await assert.rejects(inspectModel(folderId), { code: "ERR_UNSUPPORTED_MODEL", message });
    hub.always.set("model_index.json", { linked: null, body: Buffer.from("{}") });
    await assert.rejects(inspectModel(folderId), (error: Error) => !error.message.includes("sdcpp-headers-"));
  });

  test("a signal stops it while the server is silent", async () => {
    hub.always.set("vae.gguf", { silentAfter: 100 });
    for (const call of [
      (signal: AbortSignal) => estimateMemory({ preset: id, signal }),
      (signal: AbortSignal) => inspectModel(id, { signal }),
    ]) {
      const controller = new AbortController();
      const running = call(controller.signal);
      hub.requests.length = 0;
      while (hub.requestsOf("vae.gguf").length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
      controller.abort(new Error("enough"));
      await assert.rejects(running, { message: "enough" });
    }
    assert.deepEqual(await leftovers(), []);
  });
});

describe("the command", () => {
  const script = path.join(__dirname, "../helpers/small-sdcpp.ts");
  const sdcpp = (...args: string[]) =>
    new Promise<{ code: number | null; stdout: string; stderr: string }>((resolve) => {
      const env = { ...process.env, TEST_CATALOG: path.join(work, "catalog.json") };
      const command = ["--import", "tsx", script, ...args];
      const child = execFile(process.execPath, command, { env }, (_error, stdout, stderr) =>
        resolve({ code: child.exitCode, stdout, stderr }),
      );
    });
  const notice = () => `${id} has not been pulled: its headers are read from ${new URL(hub.url).host}\n`;

  test("estimate says on stderr where the headers come from, whichever way the model is named", async () => {
    const picture = ["--width", "64", "--height", "64"];
    for (const named of [["sd3.5-medium"], ["--model", id]]) {
      const { code, stdout, stderr } = await sdcpp("estimate", ...named, ...picture);
      assert.deepEqual([code, stderr], [0, notice()]);
      assert.match(stdout, /^a picture of 64x64\n[\s\S]*^diffusion .* MB .*\n[\s\S]*: fits$/m);
    }
    await pull(id);
    assert.equal((await sdcpp("estimate", id, ...picture)).stderr, "");
  });

  test("inspect: the same, and nothing with --quiet; a near miss is named", async () => {
    const { code, stdout, stderr } = await sdcpp("inspect", id, "--json");
    assert.deepEqual([code, stderr, JSON.parse(stdout).family], [0, notice(), "sd3.5-medium"]);
    const quiet = await sdcpp("inspect", id, "--quiet");
    assert.deepEqual([quiet.code, quiet.stderr], [0, ""]);
    assert.match(quiet.stdout, /^ {2}--diffusion-model http:\S+\/sd3\.5_medium-Q4_0\.gguf$/m);
    const near = await sdcpp("inspect", "sd3.5-medium:q4_1");
    assert.equal(near.code, 1);
    assert.match(near.stderr, /^sd3\.5-medium:q4_1 is neither a file nor a model's name; did you mean sd3\.5-medium:q4_0\?/);
  });

  test("offline: the reason, and exit code 1", async () => {
    process.env.HF_ENDPOINT = "http://127.0.0.1:1";
    const { code, stdout, stderr } = await sdcpp("estimate", id);
    assert.deepEqual([code, stdout], [1, ""]);
    assert.match(
      stderr,
      /^sd3\.5-medium:q4_0 has not been pulled, and \S+ could not be read from the hub: 127\.0\.0\.1:1: .*\(ERR_DOWNLOAD\)$/m,
    );
  });
});

test("notPulled names the model and the server, until it is pulled", async () => {
  assert.deepEqual(await notPulled("sd3.5-medium"), { id, server: new URL(hub.url).host });
  assert.deepEqual([await notPulled("demo"), await notPulled("some.gguf")], [undefined, undefined]);
  await pull(id);
  assert.equal(await notPulled("sd3.5-medium"), undefined);
  assert.ok(await notPulled(scaled));
  assert.equal(await notPulled(scaled, { diffusionModel: "own.gguf" }), undefined);
});
