import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, symlinkSync, writeFileSync } from "node:fs";
import http from "node:http";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import type { RunningServer } from "../../lib/server/index.js";
import { circle, post, startServer } from "../helpers/server.js";

/** fetch does not let a Host header be set. */
function request(
  server: RunningServer,
  {
    method = "GET",
    target = "/health",
    headers = {},
    body,
  }: { method?: string; target?: string; headers?: Record<string, string>; body?: string | Buffer },
): Promise<{ status: number; headers: http.IncomingHttpHeaders; text: string }> {
  return new Promise((resolve, reject) => {
    const sent = http.request({ host: "127.0.0.1", port: server.port, method, path: target, headers, agent: false }, (answer) => {
      const chunks: Buffer[] = [];
      answer.on("data", (chunk) => chunks.push(chunk));
      answer.on("end", () => resolve({ status: answer.statusCode ?? 0, headers: answer.headers, text: Buffer.concat(chunks).toString() }));
      answer.on("error", reject);
    });
    sent.on("error", reject);
    sent.end(body);
  });
}

const json = { "content-type": "application/json" };

describe("without a key", () => {
  let server: RunningServer;
  let folder: string;
  before(async () => {
    folder = mkdtempSync(path.join(os.tmpdir(), "sdcpp-server-"));
    for (const name of ["loras", "upscalers", "models", "out", "elsewhere"]) mkdirSync(path.join(folder, name));
    writeFileSync(path.join(folder, "elsewhere", "secret.safetensors"), "x");
    writeFileSync(path.join(folder, "loras", "fine.safetensors"), "x");
    symlinkSync(path.join(folder, "elsewhere", "secret.safetensors"), path.join(folder, "loras", "link.safetensors"));
    symlinkSync(path.join(folder, "elsewhere"), path.join(folder, "loras", "folder"));
    server = await startServer({
      loraDir: path.join(folder, "loras"),
      upscalerDir: path.join(folder, "upscalers"),
      modelsDir: path.join(folder, "models"),
      outputDir: path.join(folder, "out"),
      allowedHosts: ["pictures.example"],
      corsOrigins: ["https://app.example"],
      maxBody: 1_000_000,
      requestSeconds: 2,
    });
  });
  after(() => server.close());

  test("only its own names may stand in the Host header", async () => {
    for (const host of ["localhost", "127.0.0.1:1", "127.8.0.1", "[::1]:7860", "a.localhost", "LOCALHOST.", "pictures.example:80"]) {
      assert.equal((await request(server, { target: "/v1/models", headers: { host } })).status, 200, host);
    }
    for (const host of [
      "evil.example",
      "localhost.evil.example",
      "127.0.0.1.evil.example",
      "pictures.example.evil",
      "evil.example:7860",
      "[::2]",
      "a b",
    ]) {
      const { status, text } = await request(server, { target: "/v1/models", headers: { host } });
      assert.ok(status === 403 || (host === "a b" && status === 400), `${host}: ${status} ${text}`);
    }
  });

  test("pages of other origins are refused, and allowed ones told so", async () => {
    const body = JSON.stringify(circle);
    for (const origin of ["https://evil.example", "null", "https://app.example.evil", "http://app.example", "file://"]) {
      const { status, headers } = await request(server, { method: "POST", target: "/v1/jobs", headers: { ...json, origin }, body });
      assert.equal(status, 403, origin);
      assert.equal(headers["access-control-allow-origin"], undefined);
    }
    const origin = "https://app.example";
    const preflight = await request(server, {
      method: "OPTIONS",
      target: "/v1/jobs",
      headers: { origin, "access-control-request-method": "POST" },
    });
    assert.equal(preflight.status, 204);
    assert.equal(preflight.headers["access-control-allow-origin"], origin);
    assert.equal(preflight.headers["access-control-allow-credentials"], undefined);
    const own = await request(server, { target: "/v1/models", headers: { origin: server.url } });
    assert.equal(own.status, 200);
    assert.equal(own.headers["access-control-allow-origin"], undefined);
  });

  test("bodies that need no preflight are refused", async () => {
    for (const type of ["text/plain", "application/x-www-form-urlencoded", undefined]) {
      const headers: Record<string, string> = type === undefined ? {} : { "content-type": type };
      assert.equal(
        (await request(server, { method: "POST", target: "/v1/jobs", headers, body: JSON.stringify(circle) })).status,
        415,
        type,
      );
    }
  });

  test("no name leads out of its folder", async () => {
    const names = [
      "../elsewhere/secret",
      "link",
      "folder/secret",
      "..",
      ".",
      "/etc/passwd",
      "fine\0",
      "%2e%2e/elsewhere/secret",
      "..\\elsewhere\\secret",
      "C:\\x",
    ];
    for (const name of names) {
      for (const body of [
        { prompt: "x", loras: [{ name }] },
        { prompt: `x <lora:${name}:1>` },
        { prompt: "x", hires: { model: name } },
        { prompt: "x", model: name },
      ]) {
        const answer = await post(`${server.url}/v1/jobs`, body);
        const text = await answer.text();
        assert.ok(answer.status === 404 || answer.status === 400, `${JSON.stringify(body)}: ${answer.status} ${text}`);
        assert.ok(!text.includes(folder), text);
      }
    }
    const list = (await (await fetch(`${server.url}/v1/loras`)).json()) as { loras: string[] };
    assert.deepEqual(list.loras, ["fine"]);
    for (const target of [
      "/v1/jobs/../../etc/passwd",
      "/v1/jobs/x/images/..%2f..%2fetc%2fpasswd",
      "/v1/jobs/%00/events",
      "/%2e%2e/package.json",
      "//etc/passwd",
    ]) {
      assert.equal((await request(server, { target })).status, 404, target);
    }
  });

  test("bodies over the limit are refused, announced or not", async () => {
    const large = Buffer.alloc(1_000_001, 0x20);
    assert.equal(
      (
        await request(server, {
          method: "POST",
          target: "/v1/jobs",
          headers: { ...json, "content-length": String(large.length) },
          body: large,
        })
      ).status,
      413,
    );
    const chunked = await request(server, {
      method: "POST",
      target: "/v1/jobs",
      headers: { ...json, "transfer-encoding": "chunked" },
      body: large,
    });
    assert.equal(chunked.status, 413);
  });

  test("JSON bombs are refused before they are parsed", async () => {
    const deep = `{"prompt":${"[".repeat(400_000)}${"]".repeat(400_000)}}`;
    const wide = `{"prompt":[${"1,".repeat(400_000)}1]}`;
    const objects = `${'{"a":'.repeat(100_000)}1${"}".repeat(100_000)}`;
    const strings = `{"prompt":"${"\\\\".repeat(300_000)}"`;
    for (const body of [deep, wide, objects, strings, "", "[]", "null", "{", '{"__proto__":{"steps":3},"prompt":"x","constructor":1}']) {
      const { status } = await request(server, { method: "POST", target: "/v1/jobs", headers: json, body });
      assert.equal(status, 400, body.slice(0, 40));
    }
    assert.equal(({} as { steps?: number }).steps, undefined);
  });

  test("forms with too many or broken parts are refused", async () => {
    const part = '--b\r\ncontent-disposition: form-data; name="prompt"\r\n\r\nx\r\n';
    const headers = { "content-type": "multipart/form-data; boundary=b" };
    for (const body of [`${part.repeat(5000)}--b--\r\n`, part, "--b\r\n\r\n--b--", "nothing"]) {
      assert.equal((await request(server, { method: "POST", target: "/v1/jobs", headers, body })).status, 400, body.slice(0, 20));
    }
    assert.equal(
      (await request(server, { method: "POST", target: "/v1/jobs", headers: { "content-type": "multipart/form-data" }, body: part }))
        .status,
      400,
    );
  });

  test("slow bodies and slow headers are cut off, others are served meanwhile", async () => {
    const closed = (start: string) =>
      new Promise<void>((resolve, reject) => {
        const socket = net.connect(server.port, "127.0.0.1", () => socket.write(start));
        socket.on("error", reject);
        socket.on("data", () => {});
        socket.on("close", () => resolve());
      });
    const slow = [
      closed("POST /v1/jobs HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{"),
      closed("GET /health HTTP/1.1\r\nhost: loc"),
    ];
    assert.equal((await request(server, {})).status, 200);
    await Promise.all(slow);
  });

  test("a thousand idle connections keep nobody out", async () => {
    const idle = await Promise.all(
      Array.from(
        { length: 1000 },
        () =>
          new Promise<net.Socket>((resolve, reject) => {
            const socket = net.connect(server.port, "127.0.0.1", () => resolve(socket));
            socket.on("error", reject);
          }),
      ),
    );
    try {
      assert.equal((await request(server, { target: "/v1/models" })).status, 200);
    } finally {
      for (const socket of idle) socket.destroy();
    }
  });

  test("pictures that are none, or too large, are refused with the field's name", async () => {
    const bomb = Buffer.from(
      '<svg xmlns="http://www.w3.org/2000/svg" width="20000" height="20000"><rect width="20000" height="20000"/></svg>',
    ).toString("base64");
    const file = Buffer.from(
      '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="64" height="64"><image xlink:href="file:///etc/hostname"/></svg>',
    );
    for (const initImage of [bomb, "bm90IGEgcGljdHVyZQ==", "%%%", 7, "file:///etc/passwd", "https://127.0.0.1/x.png"]) {
      const answer = await post(`${server.url}/v1/jobs`, { prompt: "x", initImage });
      assert.equal(answer.status, 400, String(initImage).slice(0, 40));
      assert.match(await answer.text(), /initImage/);
    }
    const linked = await post(`${server.url}/v1/jobs`, { prompt: "x", steps: 1, initImage: file.toString("base64") });
    assert.equal(linked.status, 400, "no SVG is read, so none can name a file");
  });

  test("errors show neither folders nor stacks", async () => {
    for (const [method, target, body] of [
      ["POST", "/v1/jobs", '{"prompt": 1}'],
      ["POST", "/v1/jobs", "{"],
      ["GET", "/v1/jobs/none", undefined],
      ["GET", "/v1/models/none", undefined],
      ["DELETE", "/v1/jobs/none", undefined],
      ["PATCH", "/v1/jobs/none", "{}"],
    ] as const) {
      const { status, text } = await request(server, { method, target, headers: body === undefined ? {} : json, body });
      assert.ok(status >= 400 && status < 500, `${target}: ${status}`);
      assert.doesNotMatch(text, /\bat .*[\\/].*:\d+|node_modules|\/home|\/tmp|\/work/);
      assert.ok(!text.includes(folder) && !text.includes(os.homedir()));
    }
  });
});

describe("with keys", () => {
  let server: RunningServer;
  before(async () => {
    server = await startServer({ apiKeys: ["first-key", "second-key"] });
  });
  after(() => server.close());
  const first = { authorization: "Bearer first-key" };
  const second = { authorization: "Bearer second-key" };

  test("each way of saying a key is taken, anything else refused", async () => {
    const basic = (text: string) => ({ authorization: `Basic ${Buffer.from(text).toString("base64")}` });
    for (const headers of [
      first,
      { authorization: "first-key" },
      basic("anybody:second-key"),
      basic(":first-key"),
      { "api-key": "first-key" },
      { "x-api-key": "second-key" },
    ]) {
      assert.equal(
        (await fetch(`${server.url}/v1/models`, { headers: headers as Record<string, string> })).status,
        200,
        JSON.stringify(headers),
      );
    }
    for (const headers of [
      {},
      { authorization: "Bearer first-kez" },
      { authorization: "Bearer " },
      basic("first-key:"),
      { "api-key": "" },
      { authorization: "Bearer first-key second-key" },
    ]) {
      const answer = await fetch(`${server.url}/v1/models`, { headers: headers as Record<string, string> });
      assert.equal(answer.status, 401, JSON.stringify(headers));
      assert.match(answer.headers.get("www-authenticate") ?? "", /^Bearer/);
    }
    assert.equal((await fetch(`${server.url}/health`)).status, 200);
  });

  test("nobody sees another one's jobs, events or pictures", async () => {
    const prompt = "a secret picture of mine";
    const { id } = (await (await post(`${server.url}/v1/jobs`, { ...circle, prompt }, first)).json()) as { id: string };
    const waiting = (await (await post(`${server.url}/v1/jobs`, { ...circle, prompt }, first)).json()) as { id: string };
    for (const one of [id, waiting.id]) {
      for (const target of ["", "/events", "/images/0.png"]) {
        assert.equal((await fetch(`${server.url}/v1/jobs/${one}${target}`, { headers: second })).status, 404);
        assert.equal((await fetch(`${server.url}/v1/jobs/${one}${target}`)).status, 401);
      }
      assert.equal((await fetch(`${server.url}/v1/jobs/${one}`, { method: "DELETE", headers: second })).status, 404);
    }
    assert.doesNotMatch(await (await fetch(`${server.url}/v1/jobs`, { headers: second })).text(), /secret/);
    assert.deepEqual(await (await fetch(`${server.url}/v1/jobs`, { method: "DELETE", headers: second })).json(), { canceled: [] });
    assert.doesNotMatch(await (await fetch(`${server.url}/metrics`, { headers: second })).text(), /secret/);
    assert.equal((await fetch(`${server.url}/v1/jobs/${waiting.id}`, { headers: first })).status, 200);
    await fetch(`${server.url}/v1/jobs/${id}`, { method: "DELETE", headers: first });
    await fetch(`${server.url}/v1/jobs`, { method: "DELETE", headers: first });
  });
});

test("beyond this machine it listens with a key alone, or when told that this is meant", async () => {
  await assert.rejects(startServer({ host: "0.0.0.0" }), /host: expected apiKeys/);
  const server = await startServer({ host: "0.0.0.0", insecure: true });
  await server.close();
});
