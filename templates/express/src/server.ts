import { pipeline } from "node:stream/promises";
import express, { type ErrorRequestHandler } from "express";
import { loadModel, SdcppError } from "node-sd-cpp";
import { eventStream } from "./events.js";

// For Stable Diffusion 3.5: { preset: "sd3.5-medium" }, after npx node-sd-cpp pull sd3.5-medium. A full line is answered with 429.
const model = await loadModel({ preset: "demo", isolate: true, maxQueue: 20 });
const app = express();
app.use(express.static("public"));

/** A query's value as a number; what is none is for the package to refuse. */
const number = (value: unknown) => (value ? Number(value) : undefined);

app.get("/draw", async (request, response) => {
  const { prompt, steps, seed } = request.query;
  const gone = new AbortController();
  response.once("close", () => gone.abort(new Error("the client has left"))); // a run that has ended does not mind
  const run = model.generate({
    prompt: String(prompt ?? ""),
    steps: number(steps),
    seed: number(seed),
    preview: { mode: "taesd", every: 2 }, // of a model without TAESD: true
    signal: gone.signal,
  });
  run.then(
    () => console.log(`drawn: ${prompt}`),
    (error: Error) => console.log(`not drawn: ${prompt}: ${error.message}`),
  );
  const stream = await eventStream(run); // rejects for wrong options, before there is an answer
  response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-cache" });
  await pipeline(stream, response);
});

const answerError: ErrorRequestHandler = (error, _request, response, _next) => {
  if (response.headersSent || response.destroyed) response.destroy();
  else if (error instanceof SdcppError) response.status(error.statusCode).json({ code: error.code, message: error.message });
  else response.status(500).json({ message: "Something went wrong." });
};
app.use(answerError);

const server = app.listen(Number(process.env.PORT ?? 3000), "127.0.0.1", () => {
  const address = server.address();
  if (address && typeof address === "object") console.log(`http://127.0.0.1:${address.port}`);
});
