import assert from "node:assert/strict";
import type { Page } from "playwright-core";
import sharp from "sharp";
import { addPngText } from "../../lib/picture/metadata.js";
import { text } from "../helpers/browser.js";
import { useBrowser, walk } from "../helpers/walk.js";

useBrowser();

const plain = (side = 128) =>
  sharp({ create: { width: side, height: side, channels: 3, background: "#2c2" } })
    .png()
    .toBuffer();

/** As a person who drags a file over the window, or pastes one. */
async function give(page: Page, how: "drop" | "paste", bytes: Buffer): Promise<void> {
  await page.evaluate(`(() => {
    const bytes = Uint8Array.from(atob("${bytes.toString("base64")}"), (letter) => letter.charCodeAt(0));
    const transfer = new DataTransfer();
    transfer.items.add(new File([bytes], "given.png", { type: "image/png" }));
    const event = "${how}" === "drop" ? new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true })
      : new ClipboardEvent("paste", { clipboardData: transfer, bubbles: true });
    document.body.dispatchEvent(event);
  })()`);
}

interface Job {
  status: string;
  request: Record<string, unknown>;
  images: { url: string }[];
}
const last = async (url: string) => ((await (await fetch(`${url}/v1/jobs`)).json()) as { jobs: Job[] }).jobs[0] as Job;

walk("a picture is dropped, pasted or chosen, and the drawing begins with it", {}, async ({ page, server }) => {
  for (const how of ["drop", "paste"] as const) {
    await give(page, how, await plain());
    await page.waitForSelector("#source-shown:not([hidden])");
    assert.match(await text(page, "#source-name"), /128 × 128/);
    await page.click("#source-remove");
    assert.ok(await page.locator("#source-shown").isHidden());
    assert.equal(await page.evaluate("document.activeElement.id"), "choose");
  }
  await page.setInputFiles("#file", { name: "meadow.png", mimeType: "image/png", buffer: await plain() });
  await page.waitForSelector("#source-shown:not([hidden])");
  assert.ok(await page.isChecked('input[value="As the picture"]'), "its shape is the default one");
  await page.fill("#f-strength", "0.3");
  assert.equal(await text(page, "#strength-shown"), "30 %");
  await page.fill("#f-prompt", "a red circle on a green background");
  await page.click("#generate");
  await page.waitForSelector("#pictures li");
  const { request } = await last(server.url);
  assert.equal(request.strength, 0.3);
  assert.equal(request.initImage, "(a picture)");
});

walk("what is no picture is refused in words", { console: /status of 400/ }, async ({ page }) => {
  await give(page, "drop", Buffer.from("no picture"));
  await page.waitForSelector("#error-initImage:not(:empty)");
  assert.match(await text(page, "#error-initImage"), /image/);
  assert.ok(await page.locator("#source-shown").isHidden());
});

walk("a picture of ours brings its settings", {}, async ({ page }) => {
  await give(page, "drop", await plain());
  await page.waitForSelector("#source-shown:not([hidden])");
  assert.ok(await page.locator("#source-settings").isHidden(), "this one says nothing");
  await give(page, "drop", addPngText(await plain(), "a blue star\nSteps: 5, Sampler: ipndm, CFG scale: 2, Seed: 42, Size: 64x64"));
  await page.click("#source-settings");
  assert.equal(await page.inputValue("#f-prompt"), "a blue star");
  assert.deepEqual(
    [await page.inputValue("#f-steps"), await page.inputValue("#f-sampler"), await page.inputValue("#f-seed")],
    ["5", "ipndm", "42"],
  );
});

/** Whether the mask is painted at a place, 0 to 1 of both sides. */
const painted = (page: Page, x: number, y: number) =>
  page.evaluate<boolean>(
    `(({ width, height }, context) => context.getImageData(${x} * width, ${y} * height, 1, 1).data[3] > 127)(document.getElementById("mask-canvas"), document.getElementById("mask-canvas").getContext("2d"))`,
  );

async function stroke(page: Page, from: [number, number], to: [number, number]): Promise<void> {
  const box = await page.locator("#mask-canvas").boundingBox();
  assert.ok(box);
  await page.mouse.move(box.x + from[0] * box.width, box.y + from[1] * box.height);
  await page.mouse.down();
  await page.mouse.move(box.x + to[0] * box.width, box.y + to[1] * box.height, { steps: 6 });
  await page.mouse.up();
}

walk("what is painted is drawn anew, and the rest stays to the bit", {}, async ({ page, server }) => {
  await give(page, "drop", await plain());
  await page.click("#paint");
  await page.waitForSelector("#mask[open]");
  await stroke(page, [0.1, 0.25], [0.9, 0.25]);
  assert.deepEqual([await painted(page, 0.5, 0.25), await painted(page, 0.5, 0.75)], [true, false]);
  await page.click("#erase");
  await stroke(page, [0.9, 0.25], [0.7, 0.25]);
  assert.deepEqual([await painted(page, 0.5, 0.25), await painted(page, 0.85, 0.25)], [true, false]);
  await page.click("#undo");
  assert.ok(await painted(page, 0.85, 0.25), "the erasing is taken back");
  await page.click("#invert");
  assert.deepEqual([await painted(page, 0.5, 0.25), await painted(page, 0.5, 0.75)], [false, true]);
  await page.click("#undo");
  await page.fill("#feather", "8");
  assert.match(await page.evaluate<string>('document.getElementById("mask-canvas").style.filter'), /^blur\(/);
  await page.fill("#feather", "0");
  await page.click("#mask-use");
  await page.waitForSelector("#mask:not([open])", { state: "attached" });
  assert.match(await text(page, "#paint"), /Change/);
  await page.fill("#f-prompt", "a red circle on a blue background");
  await page.fill("#f-strength", "1");
  await page.click("#generate");
  await page.waitForSelector("#pictures li");
  const { request, images } = await last(server.url);
  assert.equal(request.mask, "(a picture)");
  const drawn = await sharp(await (await fetch(server.url + images[0]?.url)).arrayBuffer())
    .removeAlpha()
    .raw()
    .toBuffer();
  const at = (x: number, y: number) => [...drawn.subarray((y * 128 + x) * 3, (y * 128 + x) * 3 + 3)];
  assert.deepEqual(at(64, 120), [0x22, 0xcc, 0x22], "kept");
  assert.notDeepEqual(at(64, 32), [0x22, 0xcc, 0x22], "drawn anew");
});

walk("the brush works by keyboard", {}, async ({ page }) => {
  await give(page, "drop", await plain());
  await page.locator("#paint").focus();
  await page.keyboard.press("Enter");
  await page.waitForSelector("#mask[open]");
  assert.equal(await page.evaluate("document.activeElement.id"), "mask-area");
  for (let time = 0; time < 4; time++) await page.keyboard.press("ArrowUp");
  await page.keyboard.press("Space");
  assert.deepEqual([await painted(page, 0.5, 0.3), await painted(page, 0.5, 0.9)], [true, false]);
  await page.keyboard.press("Control+z");
  assert.equal(await painted(page, 0.5, 0.3), false);
});

walk(
  "the brush works by finger",
  { context: { hasTouch: true, isMobile: true, viewport: { width: 390, height: 800 } } },
  async ({ page }) => {
    await give(page, "drop", await plain());
    await page.tap("#paint");
    await page.waitForSelector("#mask[open]");
    const box = await page.locator("#mask-canvas").boundingBox();
    assert.ok(box);
    const session = await page.context().newCDPSession(page);
    const touch = (type: "touchStart" | "touchMove" | "touchEnd", x = 0, y = 0) =>
      session.send("Input.dispatchTouchEvent", {
        type,
        touchPoints: type === "touchEnd" ? [] : [{ x: box.x + x * box.width, y: box.y + y * box.height }],
      });
    await touch("touchStart", 0.2, 0.5);
    for (let x = 0.3; x < 0.9; x += 0.1) await touch("touchMove", x, 0.5);
    await touch("touchEnd");
    assert.deepEqual([await painted(page, 0.5, 0.5), await painted(page, 0.5, 0.95)], [true, false]);
  },
);

walk("a picture goes on beyond its sides, and what it shows stays", { console: /status of 400/ }, async ({ page, server }) => {
  await page.setInputFiles("#file", { name: "meadow.png", mimeType: "image/png", buffer: await plain() });
  await page.waitForSelector("#source-shown:not([hidden])");
  await page.fill("#f-prompt", "a red circle on a green background");
  await page.fill("#out-left", "20000");
  await page.click("#generate");
  await page.waitForSelector("#error-outpaint:not(:empty)");
  assert.match(await text(page, "#error-outpaint"), /20000/);
  await page.fill("#out-left", "");
  await page.fill("#out-right", "64");
  await page.fill("#out-top", "16");
  await page.click("#generate");
  await page.waitForSelector("#pictures li");
  const { request, images } = await last(server.url);
  assert.deepEqual(request.outpaint, { right: 64, top: 16 });
  const bytes = Buffer.from(await (await fetch(`${server.url}${images[0]?.url}`)).arrayBuffer());
  const { data, info } = await sharp(bytes).removeAlpha().raw().toBuffer({ resolveWithObject: true });
  assert.deepEqual([info.width, info.height], [192, 144]);
  const at = (x: number, y: number) => [...data.subarray((y * info.width + x) * 3, (y * info.width + x) * 3 + 3)];
  for (const [x, y] of [
    [0, 16],
    [127, 143],
    [64, 80],
  ] as const)
    assert.deepEqual(at(x, y), [0x22, 0xcc, 0x22]);
});
