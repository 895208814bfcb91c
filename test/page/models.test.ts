import assert from "node:assert/strict";
import { describe } from "node:test";
import { text, until } from "../helpers/browser.js";
import { Pulls } from "../helpers/pulls.js";
import { useBrowser, walk } from "../helpers/walk.js";

useBrowser();

describe("models", () => {
  const pulls = new Pulls();

  walk("a model is downloaded after its license was read and accepted, with progress and a way to stop", {}, async ({ page }) => {
    await page.click("#open-models");
    const row = page.locator("#models-there li", { hasText: "sd3.5-medium:q4_0" });
    await row.waitFor();
    assert.match(await row.innerText(), /usual choice[\s\S]*Stability AI Community License/);
    assert.match(await text(page, "#models-here"), /demo[\s\S]*Tiny/);
    await row.getByRole("button", { name: "Download" }).click();
    await page.waitForSelector("#ask[open]");
    assert.match(await text(page, "#ask-text"), /Powered by Stability AI/);
    await page.click("#ask-no");
    assert.equal(pulls.hub.requests.length, 0, "nothing without a yes");
    pulls.hub.always.set("model-Q4_0.gguf", { throttle: 50 });
    await row.getByRole("button", { name: "Download" }).click();
    await page.click("#ask-yes");
    await row.locator("progress").waitFor();
    await until(page, 'document.querySelector("#models-there progress")?.value > 10000');
    await row.getByRole("button", { name: "Cancel" }).click();
    await row.getByRole("button", { name: "Continue download" }).waitFor();
    pulls.hub.always.delete("model-Q4_0.gguf");
    await row.getByRole("button", { name: "Continue download" }).click();
    assert.ok(await page.locator("#ask").isHidden(), "the license is accepted once");
    await row.waitFor({ state: "detached" });
    assert.match(await text(page, "#models-here"), /sd3\.5-medium:q4_0/);
    await pulls.assertComplete();
  });

  walk("a download that fails says why", {}, async ({ page }) => {
    for (const name of ["model-Q4_0.gguf", "LICENSE.md"]) pulls.hub.always.set(name, { status: 404 });
    await page.click("#open-models");
    const row = page.locator("#models-there li", { hasText: "sd3.5-medium:q4_0" });
    await row.getByRole("button", { name: "Download" }).click();
    await page.click("#ask-yes");
    await row.locator(".error").waitFor();
    assert.match(await row.locator(".error").innerText(), /404/);
  });

  walk("where downloads are not allowed that is said", { server: { allowPull: false } }, async ({ page }) => {
    await page.click("#open-models");
    await page.waitForSelector("#models-there li");
    assert.match(await text(page, "#models-note"), /does not allow downloads/);
    assert.equal(await page.locator('#models-there button:enabled[aria-label*="ownload"]').count(), 0);
  });
});

walk("whether a model fits is told before it is loaded", {}, async ({ page }) => {
  await page.click("#open-models");
  await page.click('[aria-label="Does it fit? demo"]');
  await until(page, '/It fits: a picture of 128 × 128 needs \\d+ MB of/.test(document.getElementById("models-here").textContent)');
  assert.match(await text(page, "#live"), /It fits/);
});
