import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { copyFile, mkdir, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { replaceCatalog } from "../../lib/catalog/catalog.js";
import type { Catalog, CatalogFile } from "../../lib/catalog/entries.js";
import { storedPath } from "../../lib/catalog/store.js";
import { loadModel, MissingComponentError, type ModelOptions, type PresetName } from "../../lib/index.js";
import { pullModel } from "../../lib/models.js";
import { fast } from "../helpers/catalog.js";
import { clipL, largeShaped, taesd3 } from "../helpers/checkpoints.js";
import { sha256, TestHub } from "../helpers/hub.js";

const run = promisify(execFile);
const id = "sd3.5-large-turbo:f16" as PresetName; // names of this test's own catalog
const alias = "turbo" as PresetName;
const { SDCPP_HOME, HF_ENDPOINT } = process.env;
let hub: TestHub;
let home: string;
let catalog: Catalog;

before(async () => {
  hub = await TestHub.start();
  home = await mkdtemp(path.join(tmpdir(), "sdcpp-presets-"));
  Object.assign(process.env, { SDCPP_HOME: home, HF_ENDPOINT: hub.url, no_proxy: "127.0.0.1" });
  const file = async (role: CatalogFile["role"], from: string): Promise<CatalogFile> => {
    const data = await readFile(from);
    const name = `${role}.gguf`; // nothing in the name says Turbo
    hub.files.set(name, data);
    return { role, repo: "some/model", path: name, bytes: data.length, sha256: sha256(data), license: "mit" };
  };
  const parts = { clip: await file("clipL", await clipL()), tae: await file("taesd", await taesd3()) };
  const main = await file("diffusionModel", await largeShaped("f16"));
  catalog = {
    aliases: { turbo: id },
    parts,
    models: [{ id, family: "sd3.5-large-turbo", gated: false, file: main, with: ["clip", "tae"] }],
  };
  hub.files.set("LICENSE.md", Buffer.from("a license"));
  hub.always.set("LICENSE.md", { linked: null });
  replaceCatalog(catalog);
});
after(async () => {
  for (const [name, value] of Object.entries({ SDCPP_HOME, HF_ENDPOINT })) {
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  }
  await hub.close();
  await rm(home, { recursive: true, force: true });
});

const load = (options: ModelOptions) => loadModel({ threads: 1, ...options });
const quick = { prompt: "a red circle", width: 64, height: 64, seed: 7 };

test("a preset that was not pulled says how to get it, and asks no server", async () => {
  const expected = (error: unknown) =>
    error instanceof MissingComponentError &&
    error.message.includes("`npx node-sd-cpp pull sd3.5-large-turbo:f16`") &&
    ["diffusionModel.gguf (", "clipL.gguf (", "taesd.gguf ("].every((part) => error.message.includes(part));
  await assert.rejects(load({ preset: id }), expected);
  await assert.rejects(load({ preset: alias }), expected);
  assert.equal(hub.requests.length, 0);
});

test("files beside a preset take the place of its own, which need not be there", async () => {
  const [model, clip, tae] = [await largeShaped("f16"), await clipL(), await taesd3()];
  const place = storedPath(catalog.models[0]?.file as CatalogFile);
  await mkdir(path.dirname(place), { recursive: true });
  await copyFile(model, place);
  const { size: bytes } = await stat(place);
  await writeFile(`${place}.pulled.json`, JSON.stringify({ bytes, sha256: catalog.models[0]?.file.sha256 }));
  {
    await using loaded = await load({ preset: id, clipL: clip, taesd: tae });
    assert.deepEqual(loaded.info.files, { diffusionModel: place, clipL: clip, taesd: tae });
    assert.deepEqual([loaded.info.name, loaded.info.family, loaded.info.defaults.steps], [id, "sd3.5-large-turbo", 4]);
  }
  await assert.rejects(load({ preset: id, clipL: clip }), (error: Error) => /missing: taesd\.gguf/.test(error.message));
  await rm(path.join(home, "models"), { recursive: true });
  await using other = await load({ preset: id, diffusionModel: model, clipL: clip, taesd: tae });
  const { name, family } = other.info;
  assert.deepEqual([family, name], ["sd3-medium", path.parse(model).name], "the preset's family is not that of another file");
});

test("pulled files load by the preset's name, with the family's defaults, which explicit options override", async () => {
  await pullModel(id, {}, fast, "");
  await using model = await load({ preset: alias });
  const { name, family, defaults } = model.info;
  assert.deepEqual([name, family, defaults.steps, defaults.cfgScale], [id, "sd3.5-large-turbo", 4, 1]);
  const { parameters } = await model.generate(quick);
  assert.deepEqual([parameters.steps, parameters.cfgScale], [4, 1]);
  const explicit = await model.generate({ ...quick, steps: 2, cfgScale: 3, sampler: "heun", flowShift: 2 });
  const { steps, cfgScale, sampler, flowShift } = explicit.parameters;
  assert.deepEqual([steps, cfgScale, sampler, flowShift], [2, 3, "heun", 2]);
  await using medium = await load({ preset: id, family: "sd3.5-medium" });
  assert.deepEqual([medium.info.family, medium.info.defaults.steps], ["sd3.5-medium", 40]);
});

test("sdcpp generate --model draws with pulled files, and reproduce finds them by the name in the picture", async () => {
  await pullModel(id, {}, fast, "");
  const list = path.join(home, "catalog.json");
  await writeFile(list, JSON.stringify(catalog));
  const script = path.join(__dirname, "../helpers/small-sdcpp.ts");
  const sdcpp = (...args: string[]) =>
    run(process.execPath, ["--import", "tsx", script, ...args], { env: { ...process.env, TEST_CATALOG: list } });
  const picture = path.join(home, "x.png");
  const options = ["--width", "64", "--height", "64", "--seed", "7", "--threads", "1", "--json", "-o", picture];
  const { stdout } = await sdcpp("generate", "a red circle", "--model", id, ...options);
  const { model, parameters } = JSON.parse(stdout.trim().split("\n").at(-1) as string);
  assert.deepEqual([model, parameters.steps, parameters.cfgScale], [id, 4, 1]);
  assert.match((await sdcpp("reproduce", picture, "--threads", "1")).stdout, /^identical/);
  await rm(path.join(home, "models"), { recursive: true });
  await assert.rejects(sdcpp("generate", "x", "--model", "turbo"), ({ stderr }) =>
    /npx node-sd-cpp pull sd3\.5-large-turbo:f16.*ERR_MISSING/.test(stderr),
  );
  await assert.rejects(
    sdcpp("generate", "x", "--model", "sd3.5-large-turbo:q9"),
    ({ code, stderr }) => code === 2 && /preset: expected one of "demo", "turbo"/.test(stderr),
  );
});
