// A server that streams a picture while it is drawn, with Fastify: node examples/sse/fastify.mjs
// Then: curl -N "http://127.0.0.1:3000/draw?prompt=a%20red%20circle&steps=8", or in a page: new EventSource("/draw?prompt=…")
import fastify from "fastify";
import { loadModel } from "node-sd-cpp";
import { eventStream, explain, headers } from "./events.mjs";

const model = await loadModel({ preset: "demo", maxQueue: 20 }); // more are answered with 429
const app = fastify();

app.get("/draw", async (request, reply) => {
  const { prompt, steps, seed } = request.query;
  const gone = new AbortController();
  reply.raw.once("close", () => gone.abort(new Error("the client has left"))); // a run that has ended does not mind
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
  return reply.headers(headers).send(stream);
});

app.setErrorHandler((error, _request, reply) => {
  const { status, body } = explain(error);
  return reply.status(status).send(body);
});

await app.listen({ port: Number(process.env.PORT ?? 3000), host: "127.0.0.1" });
console.log(`http://127.0.0.1:${app.server.address().port}`);
