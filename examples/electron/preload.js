// All that the page may do. It runs in a sandbox: no Node, no addon.
const { contextBridge, ipcRenderer } = require("electron");

contextBridge.exposeInMainWorld("pictures", {
  generate: (options) => ipcRenderer.invoke("generate", options),
  cancel: () => ipcRenderer.send("cancel"),
  save: () => ipcRenderer.invoke("save"),
  onProgress: (listener) => ipcRenderer.on("progress", (_event, progress) => listener(progress)),
  onPreview: (listener) => ipcRenderer.on("preview", (_event, preview) => listener(preview)),
});
