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

/** What a person sees of an element. */
export const text = async (page: Page, selector: string) => (await page.locator(selector).innerText()).trim();

/** Says in words what is to be drawn, with settings behind the fold if any, and presses the button. */
export async function draw(page: Page, prompt: string, settings: Record<string, string> = {}): Promise<void> {
  await page.fill("#f-prompt", prompt);
  if (Object.keys(settings).length > 0) await unfold(page);
  for (const [name, value] of Object.entries(settings)) await page.fill(`#f-${name}`, value);
  await page.click("#generate");
}

export async function unfold(page: Page): Promise<void> {
  if (
    !(await page
      .locator("#more")
      .getAttribute("open")
      .then((open) => open !== null))
  )
    await page.click("#more summary");
}

/** Small pictures of one step, which a slow machine has at once. */
export const quick = { width: "64", height: "64", steps: "1" };

/** Waits until an expression is true in the page. (Playwright's own way needs `unsafe-eval`, which the page's policy refuses.) */
export async function until(page: Page, expression: string): Promise<void> {
  for (const end = Date.now() + 60_000; !(await page.evaluate(`Boolean(${expression})`)); ) {
    if (Date.now() > end) throw new Error(`It did not come to be that ${expression}`);
    await page.waitForTimeout(30);
  }
}
