/**
 * Makes the README's pictures: `npm run readme-pictures`. The sheet is drawn by the demo model; the terminal is a recording of the real command in a
 * pseudo-terminal, whose pull gets small stand-ins for a model's files from a server on this machine. Linux; needs a built addon.
 */
import { spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { Terminal } from "@xterm/headless";
import sharp from "sharp";
import { packageRoot } from "../lib/engine/binding.js";
import { loadModel } from "../lib/index.js";
import { serveAll, smallCatalog } from "../test/helpers/catalog.js";
import { sha256, TestHub } from "../test/helpers/hub.js";
import { RandomBytes } from "../test/helpers/random.js";

const prompts = [
  ["a red circle", "on a blue background"],
  ["a yellow square", "on a purple background"],
  ["a green triangle", "on a white background"],
  ["a white heart", "on a red background"],
  ["a blue star", "on a yellow background"],
  ["a black diamond", "on a pink background"],
  ["an orange cross", "on a black background"],
  ["a teal circle", "on a gray background"],
  ["a pink square", "on a green background"],
  ["a purple star", "on an orange background"],
  ["a gray heart", "on a teal background"],
  ["a red diamond", "on a white background"],
];
const [side, gap, label, columns] = [128, 12, 34, 6];

async function sheet(file: string): Promise<void> {
  await using model = await loadModel({ preset: "demo" });
  const layers: sharp.OverlayOptions[] = [];
  for (const [i, words] of prompts.entries()) {
    const { images } = await model.generate({ prompt: words.join(" "), seed: i });
    const left = gap + (i % columns) * (side + gap);
    const top = gap + Math.floor(i / columns) * (side + label + gap);
    const lines = words.map((text, line) => `<text x="${side / 2}" y="${13 + line * 14}">${text}</text>`).join("");
    const text = `<svg width="${side}" height="${label}" font-family="sans-serif" font-size="10" fill="#333" text-anchor="middle">${lines}</svg>`;
    layers.push({ input: await (images[0] as { encode(format: "png"): Promise<Buffer> }).encode("png"), left, top });
    layers.push({ input: Buffer.from(text), left, top: top + side });
  }
  const rows = Math.ceil(prompts.length / columns);
  const size = { width: gap + columns * (side + gap), height: gap + rows * (side + label + gap) };
  const page = sharp({ create: { ...size, channels: 3, background: "#fff" } }).composite(layers);
  await page.png({ palette: true, colours: 128, compressionLevel: 9 }).toFile(file);
}

/** What the screen shows from `at` milliseconds on. */
interface Frame {
  at: number;
  lines: string[];
}

const screen = { cols: 100, rows: 13 };
const pace = 120; // milliseconds between frames at least

class Recorder {
  readonly frames: Frame[] = [];
  readonly #terminal = new Terminal({ ...screen, allowProposedApi: true });
  #time = 0;

  async write(text: string, milliseconds: number): Promise<void> {
    await new Promise<void>((resolve) => this.#terminal.write(text, resolve));
    const { active } = this.#terminal.buffer;
    const lines = Array.from({ length: screen.rows }, (_, y) => active.getLine(active.viewportY + y)?.translateToString(true) ?? "");
    const last = this.frames.at(-1);
    if (last && this.#time - last.at < pace) last.lines = lines;
    else if (last?.lines.join("\n") !== lines.join("\n")) this.frames.push({ at: this.#time, lines });
    this.#time += milliseconds;
  }

  /** Types a command as a person would, runs another that stands for it, and shows what that prints. */
  async run(shown: string, args: string[], env: NodeJS.ProcessEnv, cwd: string): Promise<void> {
    await this.write("$ ", 500);
    for (const word of shown.split(/(?<= )/)) await this.write(word, 120);
    await this.write("\r\n", 200);
    const command = [process.execPath, ...args].map((word) => `'${word}'`).join(" ");
    const child = spawn("script", ["-qefc", `stty cols ${screen.cols} rows ${screen.rows}; exec ${command}`, "/dev/null"], {
      cwd,
      env: { ...process.env, TERM: "xterm", ...env },
      stdio: ["ignore", "pipe", "inherit"],
    });
    let last = performance.now();
    for await (const chunk of child.stdout) {
      const now = performance.now();
      this.#time += Math.min(now - last, 1500);
      last = now;
      await this.write(String(chunk).replaceAll(env.SDCPP_HOME ?? "\n\n", "~/.cache/node-sd-cpp"), 0);
    }
    await this.write("", 1500);
  }

  /** The frames one below the other in a strip, which a style moves past the window. */
  svg(): string {
    const [width, row] = [screen.cols * 7.25 + 24, 17];
    const height = screen.rows * row + 24;
    const total = this.#time + 2000;
    const safe = (text: string) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;");
    const frames = this.frames.map(({ lines }, i) => {
      const texts = lines.map((line, y) => (line ? `<text y="${y * row}" xml:space="preserve">${safe(line)}</text>` : "")).join("");
      return `<g transform="translate(12 ${i * height + 24})">${texts}</g>`;
    });
    const moves = this.frames.map(({ at }, i) => `${((at / total) * 100).toFixed(2)}%{transform:translateY(${-i * height}px)}`);
    return [
      `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">`,
      `<title>npx node-sd-cpp: a pull and a picture</title>`,
      `<style>text{font:12px ui-monospace,Consolas,monospace;fill:#d8dee9;white-space:pre}#s{animation:s ${(total / 1000).toFixed(1)}s step-end infinite}@keyframes s{${moves.join("")}}</style>`,
      `<rect width="100%" height="100%" rx="8" fill="#20242c"/>`,
      `<svg width="${width}" height="${height}"><g id="s">${frames.join("")}</g></svg>`,
      "</svg>",
      "",
    ].join("\n");
  }
}

async function recording(file: string): Promise<void> {
  const folder = await mkdtemp(path.join(tmpdir(), "sdcpp-recording-"));
  const hub = await TestHub.start();
  try {
    serveAll(hub);
    const catalog = smallCatalog();
    const large: [string, { path: string; bytes: number | null; sha256: string | null } | undefined, number][] = [
      ["model-Q4_0.gguf", catalog.models[0]?.file, 9_000_000],
      ["clip_l.safetensors", catalog.parts.clip_l, 4_000_000],
      ["vae.safetensors", catalog.parts.vae, 2_500_000],
    ];
    for (const [name, entry, bytes] of large) {
      const data = new RandomBytes(name).next(bytes);
      hub.files.set(name, data);
      hub.always.set(name, { throttle: 4000 });
      if (entry) Object.assign(entry, { bytes, sha256: sha256(data) });
    }
    const list = path.join(folder, "catalog.json");
    await writeFile(list, JSON.stringify(catalog));
    const env = { SDCPP_HOME: path.join(folder, "home"), HF_ENDPOINT: hub.url, TEST_CATALOG: list, no_proxy: "127.0.0.1" };
    const recorder = new Recorder();
    const pull = [
      "--import",
      "tsx",
      path.join(packageRoot, "test", "helpers", "small-sdcpp.ts"),
      "pull",
      "sd3.5-medium",
      "--accept-license",
    ];
    await recorder.run("npx node-sd-cpp pull sd3.5-medium --accept-license", pull, env, packageRoot);
    const cli = path.join(packageRoot, "dist", "cli", "cli.js");
    const draw = [cli, "generate", "a green star on a blue background", "--model", "demo", "-s", "7", "--steps", "24"];
    await recorder.run('npx node-sd-cpp generate "a green star on a blue background" --model demo -s 7 --steps 24', draw, {}, folder);
    await writeFile(file, recorder.svg());
  } finally {
    await hub.close();
    await rm(folder, { recursive: true, force: true });
  }
}

async function main(): Promise<void> {
  await sheet(path.join(packageRoot, "docs", "demo-sheet.png"));
  await recording(path.join(packageRoot, "docs", "terminal.svg"));
}

main();
