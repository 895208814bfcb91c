// The server of docs/server.md inside a Fastify app: node fastify.mjs, then
// curl -H 'content-type: application/json' -H 'accept: image/png' -d '{"prompt": "a red circle"}' localhost:3000/sd/v1/jobs -o circle.png
import Fastify from "fastify";
import { createHandler } from "node-sd-cpp/server";

const pictures = createHandler({ basePath: "/sd" });
const app = Fastify();
app.register(async (scope) => {
  scope.removeAllContentTypeParsers();
  scope.addContentTypeParser("*", (_request, _payload, done) => done(null)); // bodies are read by the handler
  scope.all("/sd/*", (request, reply) => {
    reply.hijack();
    return pictures.node(request.raw, reply.raw);
  });
});
app.get("/", async () => "Pictures are drawn at /sd/v1/jobs.");

console.log(await app.listen({ port: Number(process.env.PORT ?? 3000), host: "127.0.0.1" }));
process.once("SIGTERM", async () => {
  await app.close();
  await pictures.close();
});
