// `pictures` is of preload.js: the door to the main process.
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

function explain({ name, message }) {
  return name === "AbortError" ? "Canceled." : `${name}: ${message}`;
}

function setBusy(busy) {
  generate.disabled = busy;
  cancel.disabled = !busy;
  save.disabled = true;
  if (busy)
    bar.removeAttribute("value"); // moves to and fro until there is progress
  else bar.value = 0;
}

pictures.onPreview(show);
pictures.onProgress((progress) => {
  bar.value = progress.step / progress.steps;
  status.textContent = `${progress.phase}: ${progress.step} of ${progress.steps}`;
});

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  setBusy(true);
  status.textContent = "Starting …";
  const options = { prompt: prompt.value, steps: steps.valueAsNumber, seed: seed.value ? seed.valueAsNumber : undefined };
  const { error, picture, seed: drawn } = await pictures.generate(options);
  setBusy(false);
  save.disabled = !picture;
  if (picture) show(picture);
  status.textContent = error ? explain(error) : `Done. Seed ${drawn}.`;
});

cancel.addEventListener("click", () => pictures.cancel());

save.addEventListener("click", async () => {
  const { error, file } = await pictures.save();
  if (error || file) status.textContent = error ? explain(error) : `Saved as ${file}.`;
});
