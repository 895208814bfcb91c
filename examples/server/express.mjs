// The server of docs/server.md inside an Express app: node express.mjs, then
// curl -H 'content-type: application/json' -H 'accept: image/png' -d '{"prompt": "a red circle"}' localhost:3000/sd/v1/jobs -o circle.png
import express from "express";
import { createHandler } from "node-sd-cpp/server";

const pictures = createHandler({ basePath: "/sd" });
const app = express();
app.use("/sd", (request, response) => pictures.node(request, response)); // before parsers of bodies
app.get("/", (_request, response) => response.send("Pictures are drawn at /sd/v1/jobs."));

const server = app.listen(Number(process.env.PORT ?? 3000), "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}`));
process.once("SIGTERM", async () => {
  server.close();
  await pictures.close();
});
