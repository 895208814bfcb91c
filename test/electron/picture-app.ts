import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { _electron, type ElectronApplication, type Page } from "playwright-core";
import sharp from "sharp";
import { packageRoot } from "../../lib/engine/binding.js";
import type { Pixels } from "../helpers/pixels.js";

/** Progress, or the size of a preview. */
export interface Seen {
  phase?: string;
  step?: number;
  width?: number;
  height?: number;
}

const longest = 300_000; // ms, on a busy machine
const screenshots = path.join(packageRoot, ".cache", "screenshots");

/** examples/electron in work, driven from outside as a person would: nothing of the tests is in the app. */
export class PictureApp {
  private constructor(
    readonly electron: ElectronApplication,
    readonly page: Page,
  ) {}

  /** @param home where the app keeps its settings and unpacks the demo model */
  static async launch(program: string, home: string): Promise<PictureApp> {
    const env = { ...(process.env as Record<string, string>), SDCPP_THREADS: "1", SDCPP_HOME: home, XDG_CONFIG_HOME: home };
    // Chromium's sandbox does not work for root, as in a container. Without it, preload scripts are still cut off from Node.
    const electron = await _electron.launch({ executablePath: program, args: ["--no-sandbox"], env, timeout: longest });
    const page = await electron.firstWindow();
    page.setDefaultTimeout(longest);
    return new PictureApp(electron, page);
  }

  async generate(steps: number, seed: number): Promise<void> {
    await this.page.fill("[name=steps]", String(steps));
    await this.page.fill("[name=seed]", String(seed));
    await this.page.click("[name=generate]");
  }

  /** Waits until the page says something like that; returns it whole. */
  async says(what: RegExp): Promise<string> {
    const status = this.page.getByRole("status").filter({ hasText: what });
    await status.waitFor();
    return (await status.textContent()) ?? "";
  }

  /** What the canvas shows, without the fourth channel. */
  async picture(): Promise<Pixels> {
    const script = `(() => {
      const canvas = document.querySelector("canvas");
      const { width, height } = canvas;
      return { width, height, rgba: [...canvas.getContext("2d").getImageData(0, 0, width, height).data] };
    })()`;
    const { width, height, rgba } = await this.page.evaluate<{ width: number; height: number; rgba: number[] }>(script);
    return { width, height, channels: 3, data: Uint8Array.from(rgba.filter((_, at) => at % 4 !== 3)) };
  }

  /** What comes to the page from now on, beside what the page itself does with it. */
  async listen(): Promise<() => Promise<Seen[]>> {
    await this.page.evaluate(`
      window.seen = [];
      pictures.onProgress((progress) => seen.push(progress));
      pictures.onPreview(({ width, height }) => seen.push({ width, height }));
    `);
    return () => this.page.evaluate<Seen[]>("seen");
  }

  /** Takes a picture of the window with Electron's own means, and keeps it for a person to look at. Returns the canvas' part of it. */
  async screenshot(name: string): Promise<Pixels> {
    const encoded = await this.electron.evaluate(async ({ BrowserWindow }) => {
      const image = await BrowserWindow.getAllWindows()[0]?.webContents.capturePage();
      return image?.toPNG().toString("base64") ?? "";
    });
    const png = Buffer.from(encoded, "base64");
    await mkdir(screenshots, { recursive: true });
    await writeFile(path.join(screenshots, `${name}.png`), png);
    const { x, y, width, height } = (await this.page.locator("canvas").boundingBox()) as {
      x: number;
      y: number;
      width: number;
      height: number;
    };
    const part = { left: Math.round(x), top: Math.round(y), width: Math.round(width), height: Math.round(height) };
    const { data, info } = await sharp(png).extract(part).removeAlpha().raw().toBuffer({ resolveWithObject: true });
    return { ...info, data };
  }

  /** The utility process that the engine is in. */
  async enginePid(): Promise<number | undefined> {
    const metrics = await this.electron.evaluate(({ app }) => app.getAppMetrics());
    return metrics.find(({ name }: { name?: string }) => name === "node-sd-cpp engine")?.pid;
  }

  /** A person who chooses this file in every dialog. */
  async answerDialogs(filePath: string): Promise<void> {
    await this.electron.evaluate(({ dialog }, chosen) => {
      dialog.showSaveDialog = () => Promise.resolve({ canceled: false, filePath: chosen });
    }, filePath);
  }
}
