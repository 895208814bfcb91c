// A server that streams a picture while it is drawn, with Express: node examples/sse/express.mjs
// Then: curl -N "http://127.0.0.1:3000/draw?prompt=a%20red%20circle&steps=8", or in a page: new EventSource("/draw?prompt=…")
import { pipeline } from "node:stream/promises";
import express from "express";
import { loadModel } from "node-sd-cpp";
import { eventStream, explain, headers } from "./events.mjs";

const model = await loadModel({ preset: "demo", maxQueue: 20 }); // more are answered with 429
const app = express();

app.get("/draw", async (request, response) => {
  const { prompt, steps, seed } = request.query;
  const gone = new AbortController();
  response.once("close", () => gone.abort(new Error("the client has left"))); // a run that has ended does not mind
  const run = model.generate({
    prompt,
    steps: steps && Number(steps),
    seed: seed && Number(seed),
    preview: { every: 2 },
    signal: gone.signal,
  });
  run.then(
    () => console.log(`drawn: ${prompt}`),
    (error) => console.log(`not drawn: ${prompt}: ${error.message}`),
  );
  const stream = await eventStream(run);
  response.writeHead(200, headers);
  await pipeline(stream, response);
});

/** Express knows an error handler by its four arguments. */
app.use((error, _request, response, _next) => {
  if (response.headersSent || response.destroyed) return response.destroy();
  const { status, body } = explain(error);
  return response.status(status).json(body);
});

const server = app.listen(Number(process.env.PORT ?? 3000), "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}`));
