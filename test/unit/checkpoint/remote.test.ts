import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { Readable } from "node:stream";
import { after, before, test } from "node:test";
import { readHeader } from "../../../lib/checkpoint/reader.js";
import { DownloadError, InvalidOptionError, ModelFileError } from "../../../lib/errors.js";
import { fileServer, type Handler, sendFile } from "../../helpers/file-server.js";
import { rawGguf, rawSafetensors, tagged, u32 } from "../../helpers/raw.js";

/** 1 MiB of header in front of 32 MiB of weights. */
const weights = 32 << 20;
const numbers = tagged.array(
  4,
  Array.from({ length: 250_000 }, () => u32(1)),
);
const words = tagged.array(
  8,
  Array.from({ length: 100_000 }, () => Buffer.concat([u32(2), u32(0), Buffer.from("ab")])),
);
const model = rawGguf({
  metadata: [["general.architecture", tagged.text("sd3")], ["numbers", numbers], ["words", words]],
  tensors: [{ name: "a", shape: [weights / 4], type: 0, offset: 0 }],
  data: weights,
}); // biome-ignore format: one entry a line says nothing
const small = rawSafetensors({ a: { dtype: "F32", shape: [2], data_offsets: [0, 8] } }, 8);

let folder: string;
before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "sdcpp-remote-"));
});
after(() => rm(folder, { recursive: true, force: true }));

async function failed(handle: Handler, message: RegExp, kind: new (...args: never[]) => Error = DownloadError): Promise<void> {
  await using server = await fileServer(handle);
  await assert.rejects(readHeader(`${server.url}/model.gguf`), (error) => {
    assert.ok(error instanceof kind, String(error));
    assert.match(error.message, message);
    return true;
  });
}

test("reads the header alone, the same as from a file", async () => {
  await using server = await fileServer((request, response) => sendFile(request, response, model));
  const header = await readHeader(`${server.url}/model.gguf?download=true`);
  const file = path.join(folder, "model.gguf");
  await writeFile(file, model);
  const local = await readHeader(file);
  assert.deepEqual(header.metadata, local.metadata);
  assert.deepEqual(header.files, [{ path: `${server.url}/model.gguf?download=true`, bytes: model.length }]);
  assert.deepEqual(
    header.tensors.map(({ name, offset, bytes }) => ({ name, offset, bytes })),
    local.tensors.map(({ name, offset, bytes }) => ({ name, offset, bytes })),
  );
  assert.ok(server.sent() < 3 << 20, `${server.sent()} bytes`);
  assert.ok(server.requests.every(({ range }) => range));
});

test("a file smaller than what is asked for at first", async () => {
  await using server = await fileServer((request, response) => sendFile(request, response, small));
  const header = await readHeader(`${server.url}/a.safetensors`);
  assert.equal(header.tensors[0]?.name, "a");
  assert.equal(server.requests.length, 1);
});

test("a server that ignores Range sends the beginning alone", async () => {
  let sent = 0;
  function* pieces() {
    for (; sent < model.length; sent += 65_536) yield model.subarray(sent, sent + 65_536);
  }
  await using server = await fileServer((_request, response) => {
    response.writeHead(200, { "content-length": model.length });
    Readable.from(pieces()).pipe(response);
  });
  const header = await readHeader(`${server.url}/model.gguf`);
  assert.equal(header.tensors[0]?.bytes, weights);
  assert.equal(server.requests.length, 1);
  assert.ok(sent < weights / 2, `${sent} bytes`); // more than was asked for fits into the buffers of both sides
});

test("redirects are followed; the caller's headers stay with the first host", async () => {
  await using store = await fileServer((request, response) => sendFile(request, response, small));
  await using hub = await fileServer((_request, response, name) => {
    const target = name === "moved" ? "/model.safetensors" : `${store.url}/signed?key=1`;
    response.writeHead(302, { location: target });
    response.end();
  });
  const headers = { authorization: "Bearer secret" };
  const { files } = await readHeader(`${hub.url}/moved`, { headers });
  assert.equal(files[0]?.path, `${hub.url}/moved`);
  assert.deepEqual(
    hub.requests.map(({ path: name, authorization }) => [name, authorization]),
    [
      ["/moved", "Bearer secret"],
      ["/model.safetensors", "Bearer secret"],
    ],
  );
  assert.deepEqual(
    store.requests.map(({ path: name, authorization }) => [name, authorization]),
    [["/signed", undefined]],
  );
});

test("redirects to nowhere", async () => {
  const to =
    (location: string): Handler =>
    (_request, response) => {
      response.writeHead(302, { location });
      response.end();
    };
  await failed(to("/again"), /redirects more than 10 times/);
  await failed(to("http://[bad"), /redirects to what is no URL/);
  await failed(to("http://192.0.2.1/model.gguf"), /expected an https URL, received "http:\/\/192.0.2.1.*by a redirect/, InvalidOptionError);
  await failed(to("file:///etc/passwd"), /expected an https URL/, InvalidOptionError);
  await assert.rejects(readHeader("http://192.0.2.1/model.gguf"), { code: "ERR_INVALID_OPTION", message: /expected an https URL/ });
  await assert.rejects(readHeader("http://localhost.example/model.gguf"), { code: "ERR_INVALID_OPTION" });
  await assert.rejects(readHeader("https://"), { code: "ERR_INVALID_OPTION", message: /expected a URL/ });
});

test("refusals and lies", async () => {
  const status =
    (code: number): Handler =>
    (_request, response) => {
      response.writeHead(code);
      response.end("no");
    };
  const part =
    (range: string, body: Buffer): Handler =>
    (_request, response) => {
      response.writeHead(206, { "content-range": range });
      response.end(body);
    };
  await failed(status(401), /needs permission \(status 401\).*token/);
  await failed(status(403), /needs permission \(status 403\)/);
  await using gated = await fileServer(status(401));
  const page = `${gated.url}/owner/model`;
  await assert.rejects(readHeader(`${page}/resolve/main/x.gguf`), { message: new RegExp(`license on its page ${page} and give a token`) });
  await failed(status(404), /does not exist \(status 404\)/);
  await failed(status(416), /is empty/);
  await failed(status(503), /status 503/);
  await failed((_request, response) => {
    response.write("chunks without");
    response.end(" a length");
  }, /neither with the requested bytes nor with the file's length/);
  await failed(part("bytes 0-9/*", Buffer.alloc(10)), /without saying of what/);
  await failed(part("bytes 10-19/100", Buffer.alloc(10)), /without saying of what/);
  await failed(part("bytes 0-99/100", Buffer.alloc(50)), /sent less than the 100 bytes/);
  await failed(part("bytes 0-99/100", Buffer.alloc(500)), /sent more than the 100 bytes/);
  await failed((request) => request.socket.destroy(), /cannot be reached/);
  await failed((_request, response) => {
    response.writeHead(206, { "content-range": "bytes 0-99/100", "content-length": 100 });
    response.write(Buffer.alloc(50), () => response.destroy());
  }, /cannot be reached/);
  await failed((request, response) => sendFile(request, response, Buffer.from("<!doctype html><html></html>")), /web page/, ModelFileError);
  await failed((request, response) => sendFile(request, response, small.subarray(0, -4)), /truncated/, ModelFileError);
});

test("a later piece that does not fit the first", async () => {
  const second =
    (answer: Handler): Handler =>
    (request, response, name) =>
      request.headers.range?.startsWith("bytes=0-") ? sendFile(request, response, model) : answer(request, response, name);
  await failed(
    second((request, response) => sendFile(request, response, model.subarray(0, -32))),
    /has changed: it had \d+ bytes/,
  );
  await failed(second((_request, response) => {
    response.writeHead(200, { "content-length": model.length });
    response.end(model);
  }), /with other ones/); // biome-ignore format: short
});

test("an abort ends it with the signal's reason", async () => {
  const controller = new AbortController();
  await using server = await fileServer(() => controller.abort("enough")); // and never answers
  await assert.rejects(readHeader(`${server.url}/model.gguf`, { signal: controller.signal }), (reason) => reason === "enough");
});

test("shards are found beside a URL", async () => {
  await using server = await fileServer((request, response, name) => {
    const tensor = { dtype: "F32", shape: [2], data_offsets: [0, 8] };
    sendFile(request, response, rawSafetensors({ [name.slice(0, 7)]: tensor }, 8));
  });
  const { tensors } = await readHeader(`${server.url}/m-00001-of-00002.safetensors`);
  assert.deepEqual(
    tensors.map(({ name, file }) => [name, file]),
    [
      ["m-00001", `${server.url}/m-00001-of-00002.safetensors`],
      ["m-00002", `${server.url}/m-00002-of-00002.safetensors`],
    ],
  );
});
