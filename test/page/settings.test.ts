import assert from "node:assert/strict";
import { mkdtempSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { draw, quick, text, unfold, until } from "../helpers/browser.js";
import { useBrowser, walk } from "../helpers/walk.js";

useBrowser();

const last = async (url: string) => {
  const { jobs } = (await (await fetch(`${url}/v1/jobs`)).json()) as {
    jobs: { status: string; request: Record<string, unknown>; images: { seed: string }[] }[];
  };
  return jobs[0];
};

walk("shape, number of pictures and seed are chosen with a press of a button", {}, async ({ page, server }) => {
  await page.click("#more summary");
  assert.deepEqual([await page.inputValue("#f-width"), await page.inputValue("#f-height")], ["128", "128"], "the model's own");
  await page.click('#ratios label:has-text("16:9")');
  const [width, height] = [Number(await page.inputValue("#f-width")), Number(await page.inputValue("#f-height"))];
  assert.deepEqual([width % 16, height % 16], [0, 0]);
  assert.ok(Math.abs(width / height - 16 / 9) < 0.3 && Math.abs(width * height - 128 ** 2) < 4000, `${width}x${height}`);
  assert.ok(await page.locator('label:has-text("As the picture")').isHidden(), "there is no picture to start from");
  await page.click('#counts label:has-text("2")');
  await page.click("#dice");
  const seed = await page.inputValue("#f-seed");
  assert.match(seed, /^\d+$/);
  assert.equal(await page.getAttribute("#lock", "aria-pressed"), "true");
  await draw(page, "a red circle", quick);
  await until(page, 'document.querySelectorAll("#pictures li").length === 2');
  const job = await last(server.url);
  assert.deepEqual(
    job?.images.map((image) => image.seed),
    [seed, String(Number(seed) + 1)],
  );
  await page.click("#lock");
  assert.equal(await page.inputValue("#f-seed"), "");
  assert.match(await text(page, "#seed-last"), /Last: \d+/);
  await page.click("#lock");
  assert.equal(await page.inputValue("#f-seed"), String(Number(seed) + 1), "keeps the last picture's");
});

walk("everything behind the fold reaches the server, and goes back to the model's own", {}, async ({ page, server }) => {
  await unfold(page);
  await page.fill("#f-negativePrompt", "blue");
  await page.fill("#f-cfgScale", "2.5");
  await page.selectOption("#f-sampler", "heun");
  await page.selectOption("#f-scheduler", "karras");
  await page.check("#f-skipLayerGuidance");
  await draw(page, "a red circle", { ...quick, steps: "2" });
  await until(page, '!document.getElementById("error-skipLayerGuidance").matches(":empty") || document.querySelector("#pictures li")');
  const job = await last(server.url);
  const { preview, ...request } = job?.request ?? {};
  const wanted = { prompt: "a red circle", negativePrompt: "blue", cfgScale: 2.5, sampler: "heun", scheduler: "karras", steps: 2 };
  assert.deepEqual(request, { ...wanted, width: 64, height: 64, batchCount: 1, skipLayerGuidance: true });
  await page.click("#reset");
  assert.equal(await page.inputValue("#f-sampler"), "euler");
  assert.equal(await page.inputValue("#f-steps"), "8");
});

walk("words stand where jargon would, and the term is in the tip", {}, async ({ page }) => {
  await unfold(page);
  for (const [name, term] of [
    ["Variation number", "seed"],
    ["What to avoid", "negative prompt"],
    ["Rounds", "steps"],
    ["Faithfulness", "CFG scale"],
    ["Method", "sampler"],
    ["Pace", "scheduler"],
    ["Steadier shapes", "Skip-layer guidance"],
    ["Styles", "LoRAs"],
  ] as const) {
    await page.getByRole("button", { name: `About: ${name}` }).click();
    assert.equal(await page.locator("[popover]:popover-open b").innerText(), term);
    await page.keyboard.press("Escape");
  }
});

const loraDir = mkdtempSync(path.join(os.tmpdir(), "sdcpp-loras-"));
writeFileSync(path.join(loraDir, "ink.safetensors"), "no LoRA");
writeFileSync(path.join(loraDir, "oil.safetensors"), "no LoRA");
walk(
  "styles of the server's folder are added with their weights; one that cannot be used is told",
  { server: { loraDir } },
  async ({ page, server }) => {
    await unfold(page);
    await page.click("#lora-add");
    assert.deepEqual(await page.locator("#lora-rows select option").allInnerTexts(), ["ink", "oil"]);
    await page.selectOption("#lora-rows select", "oil");
    await page.fill('[aria-label="Weight of the style"]', "0.6");
    await draw(page, "a red circle", quick);
    await page.waitForSelector("#stage-error:not(:empty)");
    assert.match(await text(page, "#stage-error"), /oil\.safetensors/);
    assert.deepEqual((await last(server.url))?.request.loras, [{ name: "oil", weight: 0.6 }]);
    await page.click('[aria-label="Remove the style"]');
    await page.click("#generate");
    await page.waitForSelector("#pictures li");
  },
);
