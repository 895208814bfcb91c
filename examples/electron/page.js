const { generate: draw, cancel: stopDrawing, save: savePicture, onProgress, onPreview } = window.pictures; // of preload.js
const form = document.querySelector("form");
const canvas = document.querySelector("canvas");
const bar = document.querySelector("progress");
const status = document.querySelector("[role=status]");
const { prompt, steps, seed, generate, cancel, save } = form.elements;

/** Pixels as they come from the engine, three bytes each, in a canvas, which wants four. */
function show({ width, height, channels, data }) {
  const image = new ImageData(width, height);
  for (let from = 0, to = 0; from < data.length; from += channels, to += 4) {
    image.data.set([data[from], data[from + 1], data[from + 2], 255], to);
  }
  Object.assign(canvas, { width, height });
  canvas.getContext("2d").putImageData(image, 0, 0);
}

function setBusy(busy) {
  generate.disabled = save.disabled = busy;
  cancel.disabled = !busy;
  if (busy) bar.removeAttribute("value"); // moves to and fro until there is progress
  else bar.value = 0;
}

onPreview(show);
onProgress((progress) => {
  bar.value = progress.step / progress.steps;
  status.textContent = `${progress.phase}: ${progress.step} of ${progress.steps}`;
});

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  setBusy(true);
  status.textContent = "Starting …";
  const options = { prompt: prompt.value, steps: steps.valueAsNumber, seed: seed.value ? seed.valueAsNumber : undefined };
  const { error, picture, seed: drawn } = await draw(options);
  setBusy(false);
  if (picture) {
    show(picture);
    status.textContent = `Done. Seed ${drawn}.`;
  } else {
    save.disabled = true;
    status.textContent = error.name === "AbortError" ? "Canceled." : `${error.name}: ${error.message}`;
  }
});

cancel.addEventListener("click", stopDrawing);

save.addEventListener("click", async () => {
  const file = await savePicture();
  if (file) status.textContent = `Saved as ${file}.`;
});
