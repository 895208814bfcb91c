import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import type { Page } from "playwright-core";
import { text, unfold, until } from "../helpers/browser.js";
import { takePicture } from "../helpers/pictures.js";
import { useBrowser, walk } from "../helpers/walk.js";

useBrowser();

const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

/** What axe-core finds wrong with the page as it is; at what it cannot decide (contrast over pictures) people look. */
async function assertAccessible(page: Page, state: string): Promise<void> {
  await page.evaluate(`${axe}; undefined`);
  const { violations } = await page.evaluate<{
    violations: { id: string; impact: string; nodes: { html: string; failureSummary: string }[] }[];
  }>('axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] })');
  const found = violations.map(
    ({ id, impact, nodes }) => `${impact} ${id}: ${nodes.map(({ html, failureSummary }) => `${html} ${failureSummary}`).join("; ")}`,
  );
  assert.deepEqual(found, [], state);
}

/** The page in each of its states, and what is to be done there. */
async function throughAllStates(page: Page, look: (state: string) => Promise<void>): Promise<void> {
  await page.waitForSelector("#empty:not([hidden])");
  await look("empty");
  await page.click("#generate");
  await page.waitForSelector("#error-prompt:not(:empty)");
  await look("error");
  await page.click("#first");
  await until(page, 'document.getElementById("stage-picture").src.startsWith("data:")');
  for (const prompt of ["a green star", "a yellow square"]) {
    await page.fill("#f-prompt", prompt);
    await page.click("#generate");
  }
  await page.waitForSelector("#queue-list li");
  await look("drawing");
  await until(page, 'document.querySelectorAll("#pictures li").length === 3 && document.getElementById("stop").disabled');
  await look("gallery");
  await page.click("#pictures li:last-child button");
  await until(page, 'document.getElementById("viewer-parameters").textContent.includes("Made")');
  await look("viewer");
  await page.click("#use-input");
  await page.waitForSelector("#source-shown:not([hidden])");
  await unfold(page);
  await look("settings");
  await page.click("#paint");
  await page.waitForSelector("#mask[open]");
  const box = await page.locator("#mask-canvas").boundingBox();
  assert.ok(box);
  await page.mouse.move(box.x + 0.3 * box.width, box.y + 0.4 * box.height);
  await page.mouse.down();
  await page.mouse.move(box.x + 0.7 * box.width, box.y + 0.6 * box.height, { steps: 8 });
  await page.mouse.up();
  await look("mask");
  await page.keyboard.press("Escape");
  await page.click("#open-models");
  await page.waitForSelector("#models-there li");
  await look("models");
  await page.locator("#models-there li button", { hasText: "Download" }).first().click();
  await page.waitForSelector("#ask[open]");
  await look("license");
}

for (const [look, context] of [
  ["light", { colorScheme: "light" }],
  ["dark", { colorScheme: "dark" }],
  ["phone", { colorScheme: "light", viewport: { width: 360, height: 720 }, hasTouch: true, reducedMotion: "reduce" }],
] as const) {
  walk(`axe-core finds nothing wrong in any state: ${look}`, { context, server: { allowDelete: true } }, async ({ page }) => {
    await throughAllStates(page, async (state) => {
      await assertAccessible(page, `${look}, ${state}`);
      const wide = await page.evaluate<number>(
        "Math.max(document.documentElement.scrollWidth, ...[...document.querySelectorAll('dialog[open]')].map((box) => box.scrollWidth - box.clientWidth + innerWidth)) - innerWidth",
      );
      assert.ok(wide <= 0, `${state}: ${wide} pixels wider than the screen`);
      await takePicture(page, `${state}-${look}`);
    });
  });
}

walk("everything works by keyboard alone", { server: { allowDelete: true } }, async ({ page }) => {
  await page.waitForSelector("#empty:not([hidden])");
  const focused = () =>
    page.evaluate<string>("document.activeElement.id || document.activeElement.ariaLabel || document.activeElement.textContent.trim()");
  const order: string[] = [];
  for (let at = 0; at < 10; at++) {
    await page.keyboard.press("Tab");
    order.push(await focused());
  }
  assert.deepEqual(order.slice(0, 3), ["open-models", "f-prompt", "generate"], order.join(", "));
  assert.ok(order.includes("dice") && order.includes("choose"), order.join(", "));
  await page.locator("#f-prompt").focus();
  await page.keyboard.type("a red circle on a blue background");
  await page.keyboard.press("Control+Enter");
  await page.waitForSelector("#pictures li");
  await page.locator("#pictures button").focus();
  await page.keyboard.press("Enter");
  await page.waitForSelector("#viewer[open]");
  for (let at = 0; at < 20 && (await focused()) !== "delete"; at++) await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await page.waitForSelector("#ask[open]");
  for (let at = 0; at < 5 && (await focused()) !== "ask-yes"; at++) await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await until(page, 'document.querySelectorAll("#pictures li").length === 0');
  await page.locator("#open-models").focus();
  await page.keyboard.press("Enter");
  await page.waitForSelector("#models[open]");
  await page.keyboard.press("Escape");
  assert.equal(await focused(), "open-models", "the focus comes back");
});

walk("progress is told to those who do not see it, once for each phase", {}, async ({ page }) => {
  await page.waitForSelector("#empty:not([hidden])");
  await page.evaluate(
    'window.heard = []; new MutationObserver(() => window.heard.push(document.getElementById("live").textContent)).observe(document.getElementById("live"), { childList: true })',
  );
  await page.click("#first");
  await page.waitForSelector("#pictures li");
  const heard = await page.evaluate<string[]>("window.heard");
  assert.ok(heard.includes("Drawing…"), heard.join(" | "));
  assert.equal(heard.at(-1), "The picture is finished.");
  assert.ok(heard.length <= 8, `${heard.length} announcements for 8 steps: ${heard.join(" | ")}`);
  assert.equal(await page.getAttribute("#progress", "aria-label"), "Progress of the picture");
  assert.match(await text(page, "h1"), /node-sd-cpp/);
});
