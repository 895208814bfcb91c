// All that the page may do. It runs in a sandbox: no Node, no addon.
import { contextBridge, ipcRenderer } from "electron";

const pictures = {
  draw: (prompt: string) => ipcRenderer.invoke("draw", prompt),
  cancel: () => ipcRenderer.send("cancel"),
  save: () => ipcRenderer.invoke("save"),
  onProgress: (listener: (progress: { phase: string; step: number; steps: number }) => void) =>
    ipcRenderer.on("progress", (_event, progress) => listener(progress)),
  onPreview: (listener: (picture: { width: number; height: number; channels: number; data: Uint8Array }) => void) =>
    ipcRenderer.on("preview", (_event, picture) => listener(picture)),
};

export type Pictures = typeof pictures;

contextBridge.exposeInMainWorld("pictures", pictures);
