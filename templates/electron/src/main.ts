// The main process: owns the window and the model. The engine computes in a utility process, because of `isolate`.
import path from "node:path";
import { app, BrowserWindow, dialog, type IpcMainInvokeEvent, ipcMain } from "electron";
import { type Image, loadModel, type Model } from "node-sd-cpp";

let model: Promise<Model> | undefined;
let stop: AbortController | undefined; // of the picture in work
let picture: Image | undefined; // the last one

/** A second call waits for the same load; after a failure, the next call tries again. */
function load(): Promise<Model> {
  // For Stable Diffusion 3.5: { preset: "sd3.5-medium" }, after npx node-sd-cpp pull sd3.5-medium.
  model ??= loadModel({ preset: "demo", isolate: true }).catch((error) => {
    model = undefined;
    throw error;
  });
  return model;
}

/** What messages can carry of an image. */
const pixels = ({ width, height, channels, data }: Image) => ({ width, height, channels, data });

async function draw({ sender }: IpcMainInvokeEvent, prompt: string) {
  stop = new AbortController();
  const preview = { mode: "taesd" } as const; // of a model without TAESD: true
  const run = (await load()).generate({ prompt, preview, signal: stop.signal });
  for await (const event of run) {
    if (event.type === "progress") sender.send("progress", { phase: event.phase, step: event.step, steps: event.steps });
    if (event.type === "preview") sender.send("preview", pixels(event.preview));
  }
  const { images } = await run;
  picture = images[0];
  return { picture: picture && pixels(picture) };
}

async function save({ sender }: IpcMainInvokeEvent) {
  const window = BrowserWindow.fromWebContents(sender);
  if (!picture || !window) return {};
  const filters = [{ name: "Picture", extensions: ["png", "jpg", "webp", "avif"] }];
  const { filePath } = await dialog.showSaveDialog(window, { defaultPath: "picture.png", filters });
  if (filePath) await picture.toFile(filePath); // with prompt, seed and the other parameters inside
  return { file: filePath };
}

/** What the page may ask for. Errors are part of the answer: as a rejection, one would lose its name. */
function answer<Given>(channel: string, work: (event: IpcMainInvokeEvent, given: Given) => Promise<object>): void {
  ipcMain.handle(channel, async (event, given: Given) => {
    try {
      return await work(event, given);
    } catch (error) {
      const { name, message } = error as Error;
      return { error: { name, message } };
    }
  });
}

answer("draw", draw);
answer("save", save);
ipcMain.on("cancel", () => stop?.abort());

app.whenReady().then(() => {
  const preload = path.join(__dirname, "preload.js");
  const window = new BrowserWindow({ width: 640, height: 760, webPreferences: { preload, contextIsolation: true, sandbox: true } });
  window.loadFile("index.html");
});

app.on("window-all-closed", () => app.quit()); // the utility process ends with the app
