import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { generateOptions } from "../../lib/options/index.js";
import type { RunningServer } from "../../lib/server/index.js";
import { startServer } from "../helpers/server.js";

let server: RunningServer;
before(async () => {
  server = await startServer();
});
after(() => server.close());

test("the description of the API is valid OpenAPI, and has every option", async () => {
  const description = (await (await fetch(`${server.url}/openapi.json`)).json()) as {
    components: { schemas: { Request: { properties: object } } };
  };
  const { Validator } = await import("@seriousme/openapi-schema-validator");
  const { valid, errors } = await new Validator().validate(description as never);
  assert.ok(valid, JSON.stringify(errors));
  const { properties } = description.components.schemas.Request;
  const wanted = Object.keys(generateOptions).filter((name) => !["signal", "force", "priority"].includes(name));
  assert.deepEqual(Object.keys(properties).sort(), [...wanted, "model"].sort());
});

test("the metrics are in Prometheus' text format", async () => {
  const answer = await fetch(`${server.url}/metrics`);
  assert.match(answer.headers.get("content-type") ?? "", /^text\/plain; version=0\.0\.4/);
  for (const line of (await answer.text()).trimEnd().split("\n")) {
    assert.match(line, /^(# (HELP|TYPE) sdcpp_[a-z0-9_]+ .+|sdcpp_[a-z0-9_]+(\{status="[a-z]+"\})? [0-9.e+-]+)$/);
  }
});

test("health and readiness are told to anybody", async () => {
  assert.deepEqual(await (await fetch(`${server.url}/health`)).json(), { status: "ok" });
  assert.deepEqual(await (await fetch(`${server.url}/ready`)).json(), { status: "ready" });
});
