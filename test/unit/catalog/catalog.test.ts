import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { aliasesOf, catalogModels, catalogNames, findModel, licenseFile, modelFiles } from "../../../lib/catalog/catalog.js";
import { families } from "../../../lib/catalog/families.js";
import { licenses } from "../../../lib/catalog/license.js";
import { pauseAfter, retryAfter } from "../../../lib/catalog/retry.js";
import { fileOptions } from "../../../lib/options/index.js";
import { catalogIds } from "../../../lib/types/names.js";
import { fast } from "../../helpers/catalog.js";

describe("the catalog", () => {
  it("has the names that editors complete", () => {
    const typed = Object.entries(catalogIds).flatMap(([alias, types]) => [alias, ...types.map((type) => `${alias}:${type}`)]);
    assert.deepEqual(typed.sort(), catalogNames().sort());
  });

  it("has files that can be fetched, checked and loaded together", () => {
    for (const model of catalogModels()) {
      const files = modelFiles(model);
      for (const { role, repo, path, bytes, about, sha256, license, comment } of files) {
        const at = `${model.id}: ${path}`;
        assert.ok(role in fileOptions || role === "folder", at);
        assert.match(repo, /^[\w.-]+\/[\w.-]+$/, at);
        assert.match(path, /^([\w.-]+\/)*[\w.-]+\.(gguf|safetensors|json)$/, at);
        assert.ok(!path.includes(".."), at);
        assert.ok(bytes === null ? Number.isSafeInteger(about) : Number.isSafeInteger(bytes) && about === undefined, at);
        assert.ok(sha256 === null || /^[0-9a-f]{64}$/.test(sha256), at);
        assert.ok(license in licenses, at);
        assert.match(comment ?? "", /size: .*sha256: /, `${at}: where each fact is from`);
      }
      const roles = files.map(({ role }) => role).filter((role) => role !== "folder");
      assert.equal(new Set(roles).size, roles.length, model.id);
      const isWhole = model.folder !== undefined || /:fp8_scaled$/.test(model.id);
      assert.ok(isWhole || (roles.includes("clipL") && roles.includes("clipG") && roles.includes("t5xxl")), model.id);
      assert.ok(
        model.folder ? roles.length === 0 : roles.includes("diffusionModel") ? roles.includes("vae") : roles.includes("model"),
        model.id,
      );
      for (const file of model.folder ?? []) assert.ok(file.repo === model.file.repo && file.role === "folder", model.id);
      assert.ok(model.id.startsWith(`${model.family}:`) && model.family in families, model.id);
      assert.equal(licenses[model.file.license].name, families[model.family].license);
      assert.equal(licenseFile(model).repo, model.file.repo);
    }
  });

  it("has one name for each model, and a known checksum behind each alias", () => {
    assert.equal(new Set(catalogNames()).size, catalogNames().length);
    assert.equal(
      new Set(catalogModels().map(({ file, with: names }) => `${file.repo}/${file.path} ${names}`)).size,
      catalogModels().length,
    );
    for (const alias of ["sd3.5-medium", "sd3.5-large", "sd3.5-large-turbo"]) {
      const model = findModel(alias);
      assert.ok(model && modelFiles(model).every(({ sha256 }) => sha256), alias);
      assert.deepEqual(aliasesOf(model.id), [alias]);
    }
    assert.equal(findModel("toString"), undefined);
    assert.equal(findModel("sd3.5-medium:q4_k_m")?.file.path, "sd3.5_medium-Q4_K_M.gguf");
  });

  it("knows one file by one checksum and size", () => {
    const seen = new Map<string, string>();
    for (const { repo, path, bytes, sha256 } of catalogModels().flatMap(modelFiles)) {
      const facts = `${bytes} ${sha256}`;
      assert.equal(seen.get(`${repo}/${path}`) ?? facts, facts);
      seen.set(`${repo}/${path}`, facts);
    }
  });
});

describe("pauses", () => {
  it("double up to a limit, at random, and are never shorter than the server asks", () => {
    const settings = { ...fast, pause: 1000, maxPause: 10_000 };
    assert.deepEqual(
      [1, 2, 3, 9].map((failures) => pauseAfter(failures, undefined, settings, 1)),
      [1000, 2000, 4000, 10_000],
    );
    assert.equal(pauseAfter(1, undefined, settings, 0), 500);
    assert.equal(pauseAfter(1, 7000, settings, 0), 7000);
    assert.equal(pauseAfter(9, 7000, settings, 1), 10_000);
  });

  it("read Retry-After as seconds or a date", () => {
    const now = Date.parse("2026-01-01T00:00:00Z");
    const cases: [string | undefined, number | undefined][] = [
      ["120", 120_000],
      ["0", 0],
      ["Thu, 01 Jan 2026 00:00:30 GMT", 30_000],
      ["Thu, 01 Jan 2020 00:00:00 GMT", 0],
      ["soon", undefined],
      ["-5", undefined],
      ["", undefined],
      [undefined, undefined],
    ];
    for (const [header, expected] of cases) assert.equal(retryAfter(header, now), expected, header);
  });
});
