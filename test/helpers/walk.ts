import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import type { RunningServer, ServeOptions } from "../../lib/server/index.js";
import { launch, noBrowser, openPage } from "./browser.js";
import { startServer } from "./server.js";

interface Walk {
  page: Page;
  server: RunningServer;
  browser: Browser;
  /** The output folder. */
  folder: string;
}

interface WalkOptions {
  server?: ServeOptions;
  /** Without an output folder. */
  inMemory?: boolean;
  context?: BrowserContextOptions;
  /** What may stand in the console: Chromium writes each refused request there. */
  console?: RegExp;
  /** Milliseconds. Default: five minutes. */
  timeout?: number;
  /** Where the browser goes. Default: the server's address. */
  address?: (server: RunningServer) => string | Promise<string>;
}

let browser: Browser;

/** Call once in a file. */
export function useBrowser(): void {
  before(async () => {
    if (!noBrowser) browser = await launch();
  });
  after(async () => {
    await browser?.close();
  });
}

/** A way through the page as a person would take it; the console stays empty on it, and no request leaves the origin. */
export function walk(name: string, options: WalkOptions, way: (walk: Walk) => Promise<void>): void {
  test(name, { skip: noBrowser, timeout: options.timeout ?? 300_000 }, async () => {
    const folder = mkdtempSync(path.join(os.tmpdir(), "sdcpp-page-"));
    const server = await startServer({ ...(options.inMemory ? {} : { outputDir: folder }), ...options.server });
    try {
      const address = (await options.address?.(server)) ?? server.url;
      const { page, complaints, strangers } = await openPage(browser, address, options.context);
      page.setDefaultTimeout(60_000);
      await way({ page, server, browser, folder });
      await page.context().close();
      assert.deepEqual(
        complaints.filter((line) => !options.console?.test(line)),
        [],
      );
      assert.deepEqual(strangers, []);
    } finally {
      await server.close();
      rmSync(folder, { recursive: true, force: true });
    }
  });
}
