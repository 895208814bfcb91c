// The main process: owns the window and the model. The engine computes in a utility process, because of `isolate`.
const { app, BrowserWindow, dialog, ipcMain } = require("electron");
const path = require("node:path");
const { loadModel } = require("node-sd-cpp");

const modelOptions = { preset: "demo" }; // for Stable Diffusion 3.5: { files: ["/path/to/models"] }
const preview = { mode: "taesd" }; // of a model without TAESD: true

let model; // a promise, once somebody has asked for a picture
let stop; // of the picture in work
let picture; // the last one

/** A second call waits for the same load; after a failure, the next call tries again. */
function load() {
  model ??= loadModel({ ...modelOptions, isolate: true }).catch((error) => {
    model = undefined;
    throw error;
  });
  return model;
}

/** What the page can show: pixels of an image, without the classes that messages cannot carry. */
function pixels({ width, height, channels, data }) {
  return { width, height, channels, data };
}

async function draw(page, { prompt, steps, seed }) {
  stop = new AbortController();
  const run = (await load()).generate({ prompt, steps, seed, preview, signal: stop.signal });
  for await (const event of run) {
    if (event.type === "progress") page.send("progress", { phase: event.phase, step: event.step, steps: event.steps });
    if (event.type === "preview") page.send("preview", pixels(event.preview));
  }
  const { images, seeds } = await run;
  picture = images[0];
  return { seed: String(seeds[0]), picture: pixels(picture) };
}

async function save(page) {
  const { filePath } = await dialog.showSaveDialog(BrowserWindow.fromWebContents(page), {
    defaultPath: "picture.png",
    filters: [{ name: "Picture", extensions: ["png", "jpg", "webp", "avif"] }],
  });
  if (filePath) await picture.toFile(filePath); // with prompt, seed and the other parameters inside
  return { file: filePath };
}

/** What the page may ask for. Errors are part of the answer: as a rejection, one would lose its class and code. */
function answer(channel, work) {
  ipcMain.handle(channel, async (event, options) => {
    try {
      return await work(event.sender, options);
    } catch (error) {
      return { error: { name: error.name, code: error.code, message: error.message } };
    }
  });
}

answer("generate", draw);
answer("save", save);
ipcMain.on("cancel", () => stop?.abort());

app.whenReady().then(() => {
  const window = new BrowserWindow({
    width: 720,
    height: 840,
    webPreferences: { preload: path.join(__dirname, "preload.js"), contextIsolation: true, sandbox: true, nodeIntegration: false },
  });
  window.loadFile("index.html");
});

app.on("window-all-closed", () => app.quit()); // the utility process ends with the app
