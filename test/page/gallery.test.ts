import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, utimesSync, writeFileSync } from "node:fs";
import path from "node:path";
import sharp from "sharp";
import { addPngText } from "../../lib/picture/metadata.js";
import { text, until } from "../helpers/browser.js";
import { useBrowser, walk } from "../helpers/walk.js";

useBrowser();

/** So many pictures in the folder, the first the newest. */
async function fill(folder: string, count: number): Promise<void> {
  const pngs = await Promise.all(
    ["#c22", "#2c2"].map((background) =>
      sharp({ create: { width: 96, height: 64, channels: 3, background } })
        .png()
        .toBuffer(),
    ),
  );
  mkdirSync(path.join(folder, "day"), { recursive: true });
  for (let at = 0; at < count; at++) {
    const file = path.join(folder, "day", `picture-${at}.png`);
    const prompt = at === 5 ? "a lighthouse in a storm" : `a tree, number ${at}`;
    const line = `Steps: 3, Sampler: heun, Schedule type: karras, CFG scale: 2, Seed: ${at}, Size: 96x64, Model: demo`;
    writeFileSync(file, addPngText(pngs[at % 2] as Buffer, `${prompt}\nNegative prompt: fog\n${line}`));
    const time = Date.now() / 1000 - at;
    utimesSync(file, time, time);
  }
}
const shown = 'document.querySelectorAll("#pictures li").length';
const settings: { server: { allowDelete: boolean } } = { server: { allowDelete: true } };

walk("pictures of the folder are seen large with what made them, and their settings are used again", settings, async ({ page, folder }) => {
  await fill(folder, 12);
  await page.reload();
  await until(page, `${shown} === 12`);
  await page.fill("#search", "LIGHTHOUSE");
  await until(page, `${shown} === 1`);
  await page.click("#pictures button");
  await until(page, 'document.getElementById("viewer-picture").naturalWidth === 96');
  await until(page, 'document.getElementById("viewer-parameters").textContent.includes("karras")');
  assert.match(await text(page, "#viewer-parameters"), /a lighthouse in a storm[\s\S]*fog[\s\S]*heun/);
  await page.click("#use-settings");
  await page.waitForSelector("#viewer", { state: "hidden" });
  const values = await Promise.all(
    ["prompt", "negativePrompt", "steps", "cfgScale", "sampler", "scheduler", "seed", "width", "height"].map((name) =>
      page.inputValue(`#f-${name}`),
    ),
  );
  assert.deepEqual(values, ["a lighthouse in a storm", "fog", "3", "2", "heun", "karras", "5", "96", "64"]);
  await page.fill("#search", "zeppelin");
  await until(page, `${shown} === 0`);
  assert.match(await text(page, "#gallery-note"), /Nothing was found/);
});

walk("one goes through the pictures by keys, compares two, takes one as input, makes it larger", settings, async ({ page, folder }) => {
  await fill(folder, 3);
  await page.reload();
  await until(page, `${shown} === 3`);
  await page.click("#pictures li:nth-child(1) button");
  await page.keyboard.press("ArrowRight");
  await until(page, 'document.getElementById("viewer-picture").alt === "a tree, number 1"');
  await page.keyboard.press("ArrowLeft");
  await until(page, 'document.getElementById("viewer-picture").alt === "a tree, number 0"');
  await page.click("#compare-with");
  await page.click("#pictures li:nth-child(2) button");
  await page.click("#compare-with");
  await page.waitForSelector("#compare[open]");
  await page.fill("#compare-slider", "30");
  const cut = '["a", "b"].map((name) => document.getElementById("compare-" + name).style.clipPath)';
  assert.deepEqual(await page.evaluate(cut), ["inset(0px 70% 0px 0px)", "inset(0px 0px 0px 30%)"]);
  const middle = await sharp(await page.locator("#compare-pictures").screenshot())
    .raw()
    .toBuffer({ resolveWithObject: true });
  const at = (x: number) => {
    const first = (Math.floor(middle.info.height / 2) * middle.info.width + Math.floor(x * middle.info.width)) * middle.info.channels;
    return (middle.data[first] ?? 0) > (middle.data[first + 1] ?? 0) ? "red" : "green";
  };
  assert.deepEqual([at(0.2), at(0.6)], ["red", "green"], "left of the slider the first, right of it the second");
  await page.keyboard.press("Escape");
  await page.click("#use-input");
  await page.waitForSelector("#source-shown:not([hidden])");
  assert.match(await text(page, "#source-name"), /picture-1\.png, 96 × 64/);
  await page.click("#pictures li:nth-child(3) button");
  await page.click("#upscale");
  await until(page, `${shown} === 4`);
  await page.click("#pictures li:nth-child(1) button");
  await until(page, 'document.getElementById("viewer-picture").naturalWidth === 192');
});

walk("a picture is downloaded as it is, and deleted when that is confirmed", settings, async ({ page, folder }) => {
  await fill(folder, 2);
  await page.reload();
  await page.click("#pictures li:nth-child(1) button");
  const [download] = await Promise.all([page.waitForEvent("download"), page.click("#download")]);
  assert.equal(download.suggestedFilename(), "picture-0.png");
  const file = path.join(folder, "day", "picture-0.png");
  assert.deepEqual(readFileSync(await download.path()), readFileSync(file));
  await page.click("#delete");
  await page.click("#ask-no");
  assert.ok(existsSync(file));
  await page.click("#delete");
  await page.click("#ask-yes");
  await until(page, `${shown} === 1`);
  assert.ok(!existsSync(file));
});

walk("without leave nothing can be deleted", {}, async ({ page, folder }) => {
  await fill(folder, 1);
  await page.reload();
  await page.click("#pictures button");
  assert.ok(await page.locator("#delete").isHidden());
});

walk("ten thousand pictures come page by page", {}, async ({ page, folder }) => {
  await fill(folder, 10_000);
  await page.reload();
  await until(page, `${shown} >= 60`);
  assert.match(await text(page, "#gallery-note"), /10000 pictures/);
  const first = await page.evaluate<number>(shown);
  assert.ok(first <= 240, `${first} at once`);
  for (let time = 0; time < 4; time++) {
    const before = await page.evaluate<number>(shown);
    await page.evaluate("scrollTo(0, document.body.scrollHeight)");
    await until(page, `${shown} > ${before}`);
  }
  const names = await page.evaluate<string[]>('[...document.querySelectorAll("#pictures img")].map((image) => image.alt)');
  assert.equal(new Set(names).size, names.length, "each once");
  await page.fill("#search", "lighthouse");
  await until(page, `${shown} === 1`);
});

walk("without a folder the pictures of the jobs are the gallery", { inMemory: true }, async ({ page }) => {
  await page.click("#first");
  await until(page, `${shown} === 1`);
  assert.match(await text(page, "#gallery-note"), /for a while only/);
  await page.click("#stage-picture");
  await until(page, 'document.getElementById("viewer-picture").naturalWidth === 128');
  await page.click("#delete");
  await page.click("#ask-yes");
  await until(page, `${shown} === 0`);
});
