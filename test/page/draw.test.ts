import assert from "node:assert/strict";
import net from "node:net";
import { draw, quick, text, until } from "../helpers/browser.js";
import { assertCircle } from "../helpers/server.js";
import { useBrowser, walk } from "../helpers/walk.js";

useBrowser();

const jobsOf = async (url: string) =>
  (
    (await (await fetch(`${url}/v1/jobs`)).json()) as {
      jobs: { id: string; status: string; request: { prompt: string }; progress: { step?: number } }[];
    }
  ).jobs;

walk("whoever comes first draws a picture with one click, and sees it come", {}, async ({ page, server }) => {
  await page.waitForSelector("#empty:not([hidden])");
  assert.match(await text(page, "#empty"), /No pictures yet/);
  assert.match(await text(page, "footer"), /Powered by Stability AI/);
  await page.click("#first");
  await until(page, 'document.getElementById("stage-picture").src.startsWith("data:image/jpeg")');
  assert.match(await text(page, "#progress-text"), /round \d of 8|Finishing/i);
  await page.waitForSelector("#pictures li");
  assert.equal(await text(page, "#progress-text"), "Done");
  assert.ok(await page.locator("#empty").isHidden());
  assert.match(await text(page, "#live"), /finished/);
  const [job] = await jobsOf(server.url);
  await assertCircle(new Uint8Array(await (await fetch(`${server.url}/v1/jobs/${job?.id}/images/0.png`)).arrayBuffer()));
  const shown = await page.evaluate('((image) => [image.naturalWidth, image.alt])(document.getElementById("stage-picture"))');
  assert.deepEqual(shown, [128, "The finished picture"]);
});

walk("a picture is stopped at once, and what waits is moved, taken out and cleared", {}, async ({ page, server }) => {
  await draw(page, "the long one", { ...quick, width: "128", height: "128", steps: "150" });
  await until(page, '/round \\d+ of 150 · about .* left/i.test(document.getElementById("progress-text").textContent)');
  for (const prompt of ["first", "second", "third"]) await draw(page, prompt, quick);
  await until(page, 'document.querySelectorAll("#queue-list li").length === 3');
  const waiting = () => page.locator("#queue-list span").allInnerTexts();
  assert.deepEqual(await waiting(), ["first", "second", "third"]);
  await page.click('[aria-label="Earlier: third"]');
  await until(page, 'document.querySelectorAll("#queue-list span")[1].textContent === "third"');
  assert.match(await page.evaluate("document.activeElement.ariaLabel"), /: third$/, "the focus stays with what was moved");
  await page.click('[aria-label="Take out: second"]');
  await until(page, 'document.querySelectorAll("#queue-list li").length === 2');
  assert.deepEqual(await waiting(), ["first", "third"]);
  await page.click("#queue-clear");
  await page.waitForSelector("#queue", { state: "hidden" });
  await page.click("#stop");
  await until(page, 'document.getElementById("progress-text").textContent === "Stopped."');
  const jobs = await jobsOf(server.url);
  assert.deepEqual(
    jobs.map(({ status }) => status),
    ["canceled", "canceled", "canceled", "canceled"],
  );
  assert.ok((jobs.at(-1)?.progress.step ?? 0) < 150);
});

walk("a reload finds the picture in work and the line again, and what was typed", {}, async ({ page }) => {
  await draw(page, "the long one", { ...quick, width: "128", height: "128", steps: "150" });
  await until(page, '/round/i.test(document.getElementById("progress-text").textContent)');
  await draw(page, "the next one", quick);
  await page.waitForSelector("#queue-list li");
  await page.fill("#f-prompt", "half a thou");
  await page.reload();
  await until(page, '/round \\d+ of 150/i.test(document.getElementById("progress-text").textContent)');
  assert.equal(await text(page, "#stage-caption"), "the long one");
  assert.deepEqual(await page.locator("#queue-list span").allInnerTexts(), ["the next one"]);
  assert.equal(await page.inputValue("#f-prompt"), "half a thou");
  assert.equal(await page.inputValue("#f-steps"), "1");
  await page.click("#stop");
  await page.waitForSelector("#pictures li");
  assert.equal(await text(page, "#stage-caption"), "the next one", "the next one follows by itself");
});

walk("a second tab sees the same line", {}, async ({ page, server }) => {
  const other = await page.context().newPage();
  await other.goto(server.url);
  await draw(page, "the long one", { ...quick, width: "128", height: "128", steps: "150" });
  await until(other, '/round/i.test(document.getElementById("progress-text").textContent)');
  await other.click("#stop");
  await until(page, 'document.getElementById("progress-text").textContent === "Stopped."');
});

/** Between browser and server, so that the line can be cut. */
let relay: { sockets: Set<net.Socket>; requests: string[]; isCut: boolean };
walk(
  "a lost connection is shown, and goes on behind the last event when it is back",
  {
    console: /ERR_CONNECTION_|ERR_EMPTY_RESPONSE|ERR_INCOMPLETE_CHUNKED_ENCODING|net::ERR/,
    address: async (server) => {
      relay = { sockets: new Set(), requests: [], isCut: false };
      const between = net.createServer((socket) => {
        if (relay.isCut) return void socket.destroy();
        const onward = net.connect(server.port, "127.0.0.1");
        relay.sockets.add(socket);
        socket
          .on("data", (data) => relay.requests.push(data.toString("latin1")))
          .pipe(onward)
          .pipe(socket);
        for (const one of [socket, onward])
          one.on("error", () => {}).on("close", () => [socket, onward].forEach((end) => void end.destroy()));
      });
      await new Promise<void>((resolve) => between.listen(0, "127.0.0.1", resolve));
      between.unref();
      return `http://127.0.0.1:${(between.address() as net.AddressInfo).port}`;
    },
  },
  async ({ page }) => {
    await draw(page, "the long one", { ...quick, width: "128", height: "128", steps: "150" });
    await until(page, '/round/i.test(document.getElementById("progress-text").textContent)');
    relay.isCut = true;
    for (const socket of relay.sockets) socket.destroy();
    await until(page, '/connection to the server is lost/.test(document.getElementById("connection").textContent)');
    const before = await text(page, "#progress-text");
    relay.isCut = false;
    await until(page, 'document.getElementById("connection").textContent === ""');
    await until(page, `document.getElementById("progress-text").textContent !== ${JSON.stringify(before)}`);
    const again = relay.requests.filter((request) => /\/events HTTP/.test(request) && /last-event-id: \d+/i.test(request));
    assert.ok(again.length > 0, "asked for what came after the last event");
    await page.click("#stop");
    await until(page, 'document.getElementById("progress-text").textContent === "Stopped."');
  },
);

walk("what is wrong is said in a sentence at the field that caused it", { console: /status of 400/ }, async ({ page }) => {
  await page.click("#generate");
  assert.equal(await text(page, "#error-prompt"), "Say what the picture should show.");
  assert.equal(await page.evaluate("document.activeElement.id"), "f-prompt");
  await draw(page, "a tree", { steps: "4000" });
  await page.waitForSelector("#error-steps:not(:empty)");
  assert.match(await text(page, "#error-steps"), /^Expected an integer from 1 to 1000, received 4000\.$/);
  assert.equal(await page.getAttribute("#f-steps", "aria-invalid"), "true");
  assert.match((await page.getAttribute("#f-steps", "aria-describedby")) ?? "", /error-steps/);
  assert.equal(await page.evaluate("document.activeElement.id"), "f-steps");
  await page.fill("#f-steps", "8");
  assert.equal(await text(page, "#error-steps"), "", "it goes when the field is changed");
  await draw(page, "a tree", { width: "100" });
  await page.waitForSelector("#error-width:not(:empty)");
  assert.match(await text(page, "#error-width"), /multiple of 16/);
});

walk(
  "the page asks for the key, and keeps it for the tab alone",
  { server: { apiKeys: ["secret"] }, console: /status of 401/ },
  async ({ page, server }) => {
    await page.waitForSelector("#ask[open]");
    await page.fill("#ask-key", "wrong");
    await page.click("#ask-yes");
    await until(page, '/not one of the server/.test(document.getElementById("ask-text").textContent)');
    await page.waitForSelector("#ask[open]");
    await page.fill("#ask-key", "secret");
    await page.keyboard.press("Enter");
    await page.waitForSelector("#empty:not([hidden])");
    await draw(page, "a red circle", quick);
    await until(page, 'document.querySelector("#pictures img")?.naturalWidth > 0');
    assert.match(await page.evaluate<string>('document.querySelector("#pictures img").src'), /^blob:/);
    await page.reload();
    await page.waitForSelector("#pictures li");
    assert.ok(await page.locator("#ask").isHidden());
    const stored = await page.evaluate("[Object.values(localStorage).join(), document.cookie]");
    assert.deepEqual(stored, ["", ""]);
    assert.equal((await fetch(`${server.url}/v1/jobs`)).status, 401);
  },
);
