// The page, a script of its own (no imports). `pictures` is of preload.ts: the door to the main process.
declare const pictures: import("./preload.js").Pictures;

const element = <T extends Element>(selector: string) => document.querySelector<T>(selector) as T;
const form = element<HTMLFormElement>("form");
const prompt_ = element<HTMLInputElement>("[name=prompt]");
const drawButton = element<HTMLButtonElement>("[name=draw]");
const cancelButton = element<HTMLButtonElement>("[name=cancel]");
const saveButton = element<HTMLButtonElement>("[name=save]");
const canvas = element<HTMLCanvasElement>("canvas");
const status_ = element("[role=status]");

/** Pixels as they come from the engine, three bytes each, in a canvas, which wants four. */
function show({ width, height, channels, data }: { width: number; height: number; channels: number; data: Uint8Array }): void {
  const image = new ImageData(width, height);
  for (let from = 0, to = 0; from < data.length; from += channels, to += 4) {
    image.data.set([...data.subarray(from, from + 3), 255], to);
  }
  Object.assign(canvas, { width, height });
  canvas.getContext("2d")?.putImageData(image, 0, 0);
}

function explain({ name, message }: { name: string; message: string }): string {
  return name === "AbortError" ? "Canceled." : message;
}

pictures.onPreview(show);
pictures.onProgress(({ phase, step, steps }) => {
  status_.textContent = `${phase}: ${step} of ${steps}`;
});

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  drawButton.disabled = true;
  cancelButton.disabled = false;
  saveButton.disabled = true;
  status_.textContent = "Starting …";
  const { error, picture } = await pictures.draw(prompt_.value);
  drawButton.disabled = false;
  cancelButton.disabled = true;
  saveButton.disabled = !picture;
  if (picture) show(picture);
  status_.textContent = error ? explain(error) : "Done.";
});

cancelButton.addEventListener("click", () => pictures.cancel());

saveButton.addEventListener("click", async () => {
  const { error, file } = await pictures.save();
  if (error || file) status_.textContent = error ? explain(error) : `Saved as ${file}.`;
});
