import assert from "node:assert/strict";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { describe, it } from "node:test";
import { catalogModels, replaceCatalog } from "../../../lib/catalog/catalog.js";
import { listModels } from "../../../lib/catalog/models.js";
import { openPreset } from "../../../lib/catalog/presets.js";
import { requireSpace } from "../../../lib/catalog/space.js";
import { DownloadError, InvalidOptionError, LicenseError } from "../../../lib/errors.js";
import { pull } from "../../../lib/models.js";
import { contents, filesBelow, shortStall, smallCatalog } from "../../helpers/catalog.js";
import { sha256 } from "../../helpers/hub.js";
import { model, Pulls } from "../../helpers/pulls.js";

const pulls = new Pulls();

describe("pull", () => {
  it("brings the whole bundle, with records, license and notices", async () => {
    const { id, files, bytes, received, license, licenseFile } = await pulls.run({}, { id: "sd3.5-medium" });
    await pulls.assertComplete();
    assert.deepEqual(files, {
      diffusionModel: pulls.at(model),
      clipL: pulls.at("text_encoders/clip_l.safetensors", "one/encoders"),
      vae: pulls.at("vae.safetensors", "two/vaes"),
    });
    assert.deepEqual([id, license, licenseFile], ["sd3.5-medium:q4_0", "Stability AI Community License", pulls.at("LICENSE.md")]);
    assert.deepEqual([bytes, received], [640_000, 640_000 + contents["LICENSE.md"].length]);
    const record = JSON.parse(await readFile(pulls.at(`${model}.pulled.json`), "utf8"));
    assert.deepEqual([record.bytes, record.sha256, record.commit], [400_000, sha256(contents[model]), "0123456789abcdef"]);
    assert.equal(record.url, `${pulls.hub.url}/three/medium-gguf/resolve/main/${model}`);
    const notice = await readFile(pulls.at("NOTICE"), "utf8");
    assert.match(notice, /^This Stability AI Model is licensed under the Stability AI Community License, Copyright © Stability AI Ltd\./);
    assert.match(await readFile(pulls.at("NOTICE", "one/encoders"), "utf8"), /clip_l\.safetensors: MIT License/);
  });

  it("asks no server for what is there, and shares parts between models", async () => {
    await pulls.run();
    const before = pulls.hub.requests.length;
    assert.equal((await pulls.run()).received, 0);
    assert.equal(pulls.hub.requests.length, before);
    const second = await pulls.run({}, { id: "sd3.5-medium:q8_0" });
    assert.deepEqual([pulls.hub.requests.length - before, second.received], [1, 700_000]);
    assert.equal(JSON.parse(await readFile(pulls.at("model-Q8_0.gguf.pulled.json"), "utf8")).sha256, sha256(contents["model-Q8_0.gguf"]));
  });

  it("tells how it gets on", async () => {
    pulls.hub.always.set(model, { throttle: 8192 });
    const { events, statuses } = await pulls.watch();
    assert.deepEqual(statuses(model), ["start", "done"]);
    const progress = events.filter((event) => event.type === "progress");
    assert.ok(progress.length > 0);
    for (const { bytes, size, totalBytes, totalSize, bytesPerSecond, eta } of progress) {
      assert.ok(bytes <= size && totalBytes <= totalSize && bytesPerSecond > 0 && eta >= 0);
    }
    const done = events.filter((event) => event.type === "file" && event.status === "done");
    assert.deepEqual(done.map((event) => event.type === "file" && event.bytes).sort(), [150_000, 2160, 400_000, 90_000].sort());
    const again = await pulls.watch();
    assert.deepEqual(again.statuses(""), ["present", "present", "present", "present"]);
  });

  it("outlives a listener that throws", async () => {
    const onProgress = () => {
      throw new Error("listener");
    };
    await pulls.run({ onProgress });
    await pulls.assertComplete();
  });

  it("takes a file that somebody has put there, if it is the right one", async () => {
    await mkdir(pulls.at(""), { recursive: true });
    await writeFile(pulls.at(model), contents[model]);
    const { statuses } = await pulls.watch();
    assert.deepEqual(statuses(model), ["present"]);
    assert.equal(pulls.hub.requestsOf(model).length, 0);
    await pulls.assertComplete();
  });

  it("replaces a file that is not the right one", async () => {
    await pulls.run();
    for (const wrong of [contents[model].subarray(0, 1000), Buffer.alloc(400_001)]) {
      await writeFile(pulls.at(model), wrong);
      await pulls.run();
      await pulls.assertComplete();
    }
    await writeFile(pulls.at(model), Buffer.alloc(400_000));
    await rm(pulls.at(`${model}.pulled.json`));
    await pulls.run();
    await pulls.assertComplete();
  });

  it("rejects wrong names and options", async () => {
    const invalid = (where: string, text: RegExp) => (error: unknown) =>
      error instanceof InvalidOptionError && error.path === where && text.test(error.detail);
    await assert.rejects(pull("sd3.5-medium:q4-0"), invalid("id", /did you mean sd3\.5-medium:q4_0\?/));
    await assert.rejects(pull(undefined as never), invalid("id", /received undefined/));
    await assert.rejects(pull("demo"), invalid("id", /part of the package/));
    await assert.rejects(pull("sd3.5-medium", { acceptLicence: true } as never), invalid("acceptLicence", /did you mean acceptLicense/));
    await assert.rejects(pulls.run({ connections: 0 }), invalid("connections", /from 1 to 16/));
    process.env.HF_ENDPOINT = "http://192.0.2.1/";
    await assert.rejects(pulls.run(), invalid("HF_ENDPOINT", /https address/));
    Object.assign(process.env, { HF_ENDPOINT: pulls.hub.url, HF_TOKEN: "two words" });
    await assert.rejects(pulls.run(), (error) => invalid("HF_TOKEN", /without spaces/)(error) && !/two words/.test(String(error)));
    assert.deepEqual(await filesBelow(pulls.home), []);
  });

  it("has the stack of who called it", async () => {
    await assert.rejects(
      pull("sd3.5-medium"),
      (error: Error) => error instanceof LicenseError && error.stack?.includes("pull.test") === true,
    );
  });
});

describe("the license", () => {
  it("has to be accepted once for each version", async () => {
    await assert.rejects(pulls.run({ acceptLicense: false }), (error) => {
      assert.ok(error instanceof LicenseError);
      assert.equal(error.license?.name, "Stability AI Community License");
      for (const part of [
        "USD 1,000,000",
        "registered",
        "Acceptable Use Policy",
        "https://stability.ai/community-license",
        "--accept-license",
      ])
        assert.ok(error.message.includes(part), part);
      return true;
    });
    assert.deepEqual([pulls.hub.requests.length, await filesBelow(pulls.home)], [0, []]);
    await pulls.run();
    await pulls.run({ acceptLicense: false }, { id: "sd3.5-medium:q8_0" });
    const file = path.join(pulls.home, "licenses", "stability-ai-community-2024-07-05.accepted.json");
    await writeFile(file, (await readFile(file, "utf8")).replaceAll("2024-07-05", "2023-01-01"));
    await assert.rejects(pulls.run({ acceptLicense: false }), LicenseError);
  });

  it("comes before the weights", async () => {
    pulls.hub.files.delete("LICENSE.md");
    await assert.rejects(
      pulls.run(),
      (error) => error instanceof DownloadError && /LICENSE\.md.*HTTP 404.*no longer there/.test(error.message),
    );
    assert.equal(pulls.hub.requests.length, 1);
  });
});

describe("the disk", () => {
  it("is asked for room before anything is downloaded, less what is there", async () => {
    const file = { state: "absent", path: "x", bytes: 2 ** 60, bytesOnDisk: 0 } as const;
    const full = (error: unknown) =>
      error instanceof DownloadError && /Not enough room.*still needed.*free.*SDCPP_HOME/.test(error.message);
    await assert.rejects(requireSpace(path.join(pulls.home, "not", "yet"), [file]), full);
    await requireSpace(pulls.home, [{ ...file, state: "complete", bytesOnDisk: 2 ** 60 }]);
    await requireSpace(pulls.home, [{ ...file, state: "partial", bytesOnDisk: 2 ** 60 - 10 }]);
    const big = smallCatalog();
    for (const { file } of big.models) file.bytes = 2 ** 60;
    replaceCatalog(big);
    try {
      await assert.rejects(pulls.run(), full);
      assert.equal(pulls.hub.requests.length, 0);
    } finally {
      replaceCatalog(smallCatalog());
    }
  });

  it("that cannot be written is a DownloadError with advice", async () => {
    await writeFile(path.join(pulls.home, "models"), "a file where a folder should be");
    await assert.rejects(pulls.run(), (error) => error instanceof DownloadError && /SDCPP_HOME/.test(error.message));
  });
});

describe("listModels", () => {
  const states = async () => Object.fromEntries((await listModels()).map(({ id, state, bytesOnDisk }) => [id, [state, bytesOnDisk]]));

  it("shows what is on disk", async () => {
    assert.deepEqual(Object.keys(await states()), ["demo", ...catalogModels().map(({ id }) => id)]);
    assert.deepEqual((await states())["sd3.5-medium:q4_0"], ["absent", 0]);
    pulls.hub.always.set(model, { silentAfter: 1000, ignoresRange: true });
    await assert.rejects(pulls.run({}, { ...shortStall, retries: 0 }), DownloadError);
    const [state, bytes] = (await states())["sd3.5-medium:q4_0"] as [string, number];
    assert.ok(state === "partial" && bytes >= 1000, `${state} ${bytes}`);
    pulls.hub.always.delete(model);
    await pulls.run();
    assert.deepEqual((await states())["sd3.5-medium:q4_0"], ["complete", 640_000]);
    assert.deepEqual((await states())["sd3.5-medium:q8_0"], ["partial", 240_000]);
    const [demo, medium] = await listModels();
    assert.deepEqual([demo?.state, medium?.aliases, medium?.defaults.steps], ["included", ["sd3.5-medium"], 40]);
    assert.deepEqual(
      medium?.files.map(({ role, state }) => [role, state]),
      [
        ["diffusionModel", "complete"],
        ["clipL", "complete"],
        ["vae", "complete"],
      ],
    );
  });

  it("gets a folder of diffusers, which model takes", async () => {
    const { files, bytes } = await pulls.run({}, { id: "sd3.5-medium:diffusers" });
    const folder = path.join(pulls.home, "models", "four", "folder");
    assert.deepEqual(files, { model: folder });
    const names = ["model_index.json", "transformer/diffusion_pytorch_model.safetensors"] as const;
    for (const name of names)
      assert.ok((await readFile(path.join(folder, name))).equals(contents[path.basename(name) as keyof typeof contents]));
    assert.equal(bytes, contents["model_index.json"].length + contents["diffusion_pytorch_model.safetensors"].length);
    assert.deepEqual((await openPreset("sd3.5-medium:diffusers", {}, {})).files, { model: folder });
    const listed = (await listModels()).find(({ id }) => id === "sd3.5-medium:diffusers");
    assert.deepEqual([listed?.state, listed?.files.map(({ role }) => role)], ["complete", ["model", "model"]]);
    assert.equal((await pulls.run({}, { id: "sd3.5-medium:diffusers" })).received, 0);
  });
});
