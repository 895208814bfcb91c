import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { detectFamily, families, familyDefaults, maxSide, modelName } from "../../../lib/catalog/families.js";
import { deviceId } from "../../../lib/engine/backends/names.js";

describe("families", () => {
  it("are detected by the tensors, and what is distilled by its name", () => {
    const large = { depth: 38, dualAttentionBlocks: 0 };
    assert.equal(detectFamily(large, "/models/sd3.5_large-Q4_0.gguf"), "sd3.5-large");
    assert.equal(detectFamily(large, "/models/SD3.5_Large_Turbo.gguf"), "sd3.5-large-turbo");
    assert.equal(detectFamily(large, "/turbo/sd3.5_large.gguf"), "sd3.5-large");
    for (const name of ["SD3.5L_TurboX.safetensors", "sd3.5-large-turbo-x-Q8_0.gguf"])
      assert.equal(detectFamily(large, name), "sd3.5-large-turbox");
    assert.equal(detectFamily(large, "sd3.5_large_turbo-xl.gguf"), "sd3.5-large-turbo");
    const medium = { depth: 24, dualAttentionBlocks: 13 };
    assert.equal(detectFamily(medium, "sd3.5_medium.safetensors"), "sd3.5-medium");
    assert.equal(detectFamily(medium, "sd3.5m_turbo-Q8_0.gguf"), "sd3.5-medium-turbo");
    assert.equal(detectFamily(medium, "model.safetensors", "Stable Diffusion 3.5 Medium Turbo"), "sd3.5-medium-turbo");
    for (const name of ["sd3.5-flash-Q8_0.gguf", "SD3.5_Flash.safetensors"]) assert.equal(detectFamily(medium, name), "sd3.5-flash");
    for (const name of ["sd3.5_medium-flash_attention.gguf", "sd3.5_medium-flashy.gguf"])
      assert.equal(detectFamily(medium, name), "sd3.5-medium");
    assert.equal(detectFamily({ depth: 24, dualAttentionBlocks: 0 }, "x.gguf"), "sd3-medium");
  });

  it("have the recommended defaults", () => {
    const numbers = Object.entries(families).map(
      ([
        name,
        {
          defaults: { width, height, steps, cfgScale },
        },
      ]) => [name, width, height, steps, cfgScale],
    );
    assert.deepEqual(numbers, [
      ["sd3.5-large", 1024, 1024, 28, 4.5],
      ["sd3.5-large-turbo", 1024, 1024, 4, 1],
      ["sd3.5-large-turbox", 1024, 1024, 8, 1.5],
      ["sd3.5-medium", 1024, 1024, 40, 4.5],
      ["sd3.5-medium-turbo", 1024, 1024, 8, 1.5],
      ["sd3.5-flash", 1024, 1024, 4, 1],
      ["sd3-medium", 1024, 1024, 28, 5],
      ["demo", 128, 128, 8, 1],
    ]);
    for (const { defaults } of Object.values(families)) {
      assert.deepEqual([defaults.sampler, defaults.scheduler, defaults.flowShift], ["euler", "normal", 3]);
      assert.ok(!("skipLayerGuidance" in defaults));
    }
    assert.equal(families.demo.license, "MIT");
    assert.equal(families["sd3.5-medium"].license, "Stability AI Community License");
  });

  it("draw no larger than the model can", () => {
    assert.equal(maxSide(384 * 384), 6144);
    assert.equal(maxSide(192 * 192), 3072);
    const { width, height, steps } = familyDefaults("sd3.5-large", 256);
    assert.deepEqual([width, height, steps], [256, 256, 28]);
    assert.equal(familyDefaults("sd3.5-large", 3072).width, 1024);
    assert.equal(families["sd3.5-large"].defaults.width, 1024);
  });

  it("name a model by its file", () => {
    assert.equal(modelName("/a/b/sd3.5_medium-Q4_K_M.gguf"), "sd3.5_medium-Q4_K_M");
    assert.equal(modelName("sd3.5_large.safetensors"), "sd3.5_large");
    assert.equal(modelName("sd3.5_large"), "sd3.5_large");
    assert.equal(modelName(".gguf"), ".gguf");
  });
});

describe("device ids", () => {
  it("are what `backend` takes", () => {
    const ids = { CPU: "cpu", CUDA0: "cuda:0", Vulkan1: "vulkan:1", CUDA12: "cuda:12", Metal: "metal", MTL0: "metal" };
    for (const [name, id] of Object.entries(ids)) assert.equal(deviceId(name), id);
  });
});
