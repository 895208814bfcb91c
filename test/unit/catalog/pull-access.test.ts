import assert from "node:assert/strict";
import { rm } from "node:fs/promises";
import { describe, it } from "node:test";
import { ChecksumError, DownloadError } from "../../../lib/errors.js";
import { contents, filesBelow, serveAll } from "../../helpers/catalog.js";
import { sha256, TestHub } from "../../helpers/hub.js";
import { startProxy } from "../../helpers/proxy.js";
import { model, Pulls } from "../../helpers/pulls.js";

const pulls = new Pulls();

describe("access", () => {
  const gated = { id: "sd3.5-large-turbo:q4_0" };

  it("explains a gated model", async () => {
    pulls.hub.always.set("LICENSE.md", { status: 401, headers: { "x-error-code": "GatedRepo" } });
    const page = `${pulls.hub.url}/gated/turbo`;
    const expected =
      (...parts: string[]) =>
      (error: unknown) =>
        error instanceof DownloadError && parts.every((part) => error.message.includes(part)) && !error.message.includes("secret");
    await assert.rejects(pulls.run({}, gated), expected(page, "accept the conditions", "set HF_TOKEN", "/settings/tokens"));
    process.env.HF_TOKEN = "secret";
    await assert.rejects(pulls.run({}, gated), expected(page, "account of HF_TOKEN has no access"));
    pulls.hub.always.set("LICENSE.md", { status: 403 });
    await assert.rejects(pulls.run({}, gated), expected(page, "account of HF_TOKEN has no access"));
    pulls.hub.always.set("LICENSE.md", { status: 401 });
    await assert.rejects(pulls.run({}, gated), expected("HF_TOKEN was not accepted"));
    assert.equal(pulls.hub.requests.length, 4, "nothing was tried again");
  });

  it("sends the token to the endpoint, and to nobody it redirects to", async () => {
    const other = await TestHub.start();
    try {
      serveAll(other);
      process.env.HF_TOKEN = " secret\n";
      const back = `${pulls.hub.url}/back/turbo.gguf`;
      pulls.hub.fail("turbo.gguf", { status: 302, headers: { location: `${other.url}/elsewhere/turbo.gguf` } });
      other.fail("turbo.gguf", { status: 307, headers: { location: back } });
      pulls.hub.fail("vae.safetensors", { status: 308, headers: { location: "/moved/vae.safetensors" } });
      await pulls.run({}, gated);
      assert.deepEqual(
        pulls.hub.requestsOf("turbo.gguf").map(({ authorization }) => authorization),
        ["Bearer secret", undefined],
      );
      assert.deepEqual(
        pulls.hub.requestsOf("vae.safetensors").map(({ authorization }) => authorization),
        ["Bearer secret", "Bearer secret"],
      );
      assert.deepEqual(
        other.requests.map(({ authorization }) => authorization),
        [undefined],
      );
    } finally {
      await other.close();
    }
  });

  it("takes the hub's word for a file that a mirror sends on to it, and nobody else's", async () => {
    const [hub, store] = [await TestHub.start(), await TestHub.start()];
    const name = "model-Q8_0.gguf"; // whose checksum the catalog does not know
    const place = `/three/medium-gguf/resolve/main/${name}`;
    try {
      for (const server of [hub, store]) serveAll(server);
      process.env.HF_TOKEN = "secret";
      const run = () => pulls.run({}, { id: "sd3.5-medium:q8_0" });
      pulls.hub.always.set(name, { status: 308, headers: { location: `${store.url}/elsewhere/${name}` } });
      await assert.rejects(run(), (error) => error instanceof DownloadError && /could not be checked/.test(error.message));
      pulls.hub.always.set(name, { status: 308, headers: { location: hub.url + place } });
      hub.always.set(name, { status: 302, headers: { location: `${store.url}/${name}`, "x-linked-etag": `"${sha256(contents[name])}"` } });
      store.always.set(name, { linked: { sha256: "0".repeat(64) } }); // of no weight
      await run();
      assert.deepEqual(
        [hub, store].map((server) => server.requestsOf(name).at(-1)?.authorization),
        [undefined, undefined],
      );
      hub.always.set(name, { status: 302, headers: { location: `${store.url}/${name}`, "x-linked-etag": `"${"1".repeat(64)}"` } });
      await rm(pulls.at(name));
      await assert.rejects(run(), ChecksumError);
    } finally {
      await Promise.all([hub.close(), store.close()]);
    }
  });

  it("follows no redirect that is endless, unencrypted or none", async () => {
    const cases: [string | undefined, RegExp][] = [
      [`/${model}`, /redirects more than 10 times/],
      ["http://192.0.2.1/model.gguf", /not encrypted/],
      ["ftp://127.0.0.1/model.gguf", /not encrypted/],
      [undefined, /redirects to no address/],
      ["http://[", /redirects to no address/],
    ];
    for (const [location, message] of cases) {
      pulls.hub.always.set(model, { status: 302, headers: location === undefined ? {} : { location } });
      await assert.rejects(pulls.run(), (error) => error instanceof DownloadError && message.test(error.message));
    }
  });

  it("goes through a proxy, except where NO_PROXY says so", async () => {
    const proxy = await startProxy();
    try {
      process.env.http_proxy = proxy.url;
      await pulls.run();
      assert.ok(proxy.targets.length > 0 && proxy.targets.every((target) => target === new URL(pulls.hub.url).host), String(proxy.targets));
      const before = proxy.targets.length;
      process.env.no_proxy = "127.0.0.1";
      await pulls.run({}, { id: "sd3.5-medium:q8_0" });
      assert.equal(proxy.targets.length, before);
      Object.assign(process.env, { no_proxy: "", http_proxy: "socks5://user:secret@127.0.0.1:1" });
      await assert.rejects(pulls.run({}, gated), (error) => error instanceof DownloadError && !/secret/.test(error.message));
    } finally {
      await proxy.close();
    }
  });

  it("refuses a file that is no longer the catalog's, before it comes", async () => {
    pulls.hub.always.set(model, { linked: { sha256: "0".repeat(64), bytes: 400_000 } });
    await assert.rejects(
      pulls.run(),
      (error) => error instanceof ChecksumError && /not the file that the catalog knows.*0{64}/.test(error.message),
    );
    pulls.hub.always.set(model, { linked: { sha256: sha256(contents[model]), bytes: 5 } });
    await assert.rejects(pulls.run(), (error) => error instanceof ChecksumError && /5 bytes/.test(error.message));
    assert.ok((await filesBelow(pulls.home)).every((file) => !file.includes(model)));
  });

  it("refuses a file whose checksum nobody tells", async () => {
    pulls.hub.always.set("model-Q8_0.gguf", { linked: null });
    const unknown = (error: unknown) => error instanceof DownloadError && /could not be checked/.test(error.message);
    await assert.rejects(pulls.run({}, { id: "sd3.5-medium:q8_0" }), unknown);
  });
});
