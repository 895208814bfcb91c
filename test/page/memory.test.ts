import assert from "node:assert/strict";
import { draw, quick, until } from "../helpers/browser.js";
import { useBrowser, walk } from "../helpers/walk.js";

useBrowser();

walk("two hundred pictures in one tab leave its memory flat", { timeout: 900_000 }, async ({ page, server }) => {
  const session = await page.context().newCDPSession(page);
  await session.send("HeapProfiler.enable");
  const look = async () => {
    for (let time = 0; time < 3; time++) await session.send("HeapProfiler.collectGarbage");
    const { usedSize } = await session.send("Runtime.getHeapUsage");
    const { nodes, jsEventListeners } = await session.send("Memory.getDOMCounters");
    return { megabytes: usedSize / 2 ** 20, nodes, jsEventListeners };
  };
  const drawn = async () => ((await (await fetch(`${server.url}/v1/gallery?limit=1`)).json()) as { total: number }).total;
  await page.click('#counts label:has-text("4")');
  const seen: Awaited<ReturnType<typeof look>>[] = [];
  for (let pictures = 4; pictures <= 200; pictures += 4) {
    await draw(page, `a red circle, number ${pictures}`, pictures === 4 ? quick : {});
    await until(page, `document.getElementById("gallery-note").textContent.startsWith("${pictures} pictures")`);
    if (pictures >= 80 && pictures % 40 === 0) seen.push(await look()); // the first page of the gallery is full with 60
  }
  assert.equal(await drawn(), 200);
  const [first, last] = [seen[0], seen.at(-1)];
  assert.ok(first && last);
  const told = JSON.stringify(seen);
  console.log(told);
  assert.ok(last.megabytes < first.megabytes + 2, told);
  assert.ok(last.nodes < first.nodes * 1.2, told);
  assert.ok(last.jsEventListeners < first.jsEventListeners * 1.2, told);
  assert.ok(
    (await page.evaluate<number>('document.querySelectorAll("#pictures li").length')) <= 120,
    "pages that nobody looks at are let go",
  );
});
