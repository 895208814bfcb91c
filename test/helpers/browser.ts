import { existsSync } from "node:fs";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";

/** Debian's, or the one that CHROMIUM names. */
const program = [process.env.CHROMIUM, "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find(
  (file) => file !== undefined && existsSync(file),
);

/** Why browser tests cannot run here; undefined when they can. */
export const noBrowser = program === undefined ? "there is no chromium here (apt-get install chromium, or CHROMIUM=/path)" : undefined;

export function launch(): Promise<Browser> {
  return chromium.launch({ executablePath: program, args: ["--no-sandbox", "--disable-gpu"] });
}

export interface Watched {
  page: Page;
  /** What stood in the console, violations of the content policy among it, and errors that nobody caught. */
  complaints: string[];
  /** Requests that left the origin. */
  strangers: string[];
}

/** A page whose console and requests are watched from its first to its last moment. */
export async function openPage(browser: Browser, url: string, options: BrowserContextOptions = {}): Promise<Watched> {
  const context = await browser.newContext({ viewport: { width: 1200, height: 900 }, acceptDownloads: true, ...options });
  const page = await context.newPage();
  const complaints: string[] = [];
  const strangers: string[] = [];
  page.on("console", (message) => complaints.push(`${message.type()}: ${message.text()} ${message.location().url}`));
  page.on("pageerror", (error) => complaints.push(String(error.stack ?? error)));
  await page.addInitScript(
    'addEventListener("securitypolicyviolation", (e) => console.error("policy", e.violatedDirective, e.blockedURI))',
  );
  const { origin } = new URL(url);
  page.on("request", (request) => {
    if (!/^(blob|data):/.test(request.url()) && new URL(request.url()).origin !== origin) strangers.push(request.url());
  });
  await page.goto(url);
  return { page, complaints, strangers };
}
