import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { proxyFor } from "../../../lib/catalog/proxy.js";

const proxyOf = (address: string, env: NodeJS.ProcessEnv) => proxyFor(new URL(address), env);
const hub = "https://hub.example/file";

describe("the proxy of an address", () => {
  it("is that of its scheme, else of all; small letters and npm's settings go first", () => {
    const all = { all_proxy: "http://all:1", HTTP_PROXY: "http://plain:2", https_proxy: "http://small:3", HTTPS_PROXY: "http://capital:4" };
    assert.equal(proxyOf(hub, all), "http://small:3");
    assert.equal(proxyOf("http://hub.example/file", all), "http://plain:2");
    assert.equal(proxyOf(hub, { ALL_PROXY: "http://all:1", HTTP_PROXY: "http://plain:2" }), "http://all:1");
    assert.equal(proxyOf(hub, { npm_config_https_proxy: "http://npm:5", ...all }), "http://npm:5");
    assert.equal(proxyOf(hub, { npm_config_proxy: "http://npm:5", all_proxy: "http://all:1" }), "http://npm:5");
    assert.equal(proxyOf(hub, {}), "");
    assert.equal(proxyOf(hub, { https_proxy: "", HTTPS_PROXY: "http://capital:4" }), "http://capital:4");
  });

  it("has the address's scheme when it names none", () => {
    assert.equal(proxyOf(hub, { https_proxy: "proxy:3128" }), "https://proxy:3128");
    assert.equal(proxyOf("http://hub.example/", { http_proxy: "proxy:3128" }), "http://proxy:3128");
  });

  it("is none for what no_proxy names", () => {
    const direct = (address: string, noProxy: string) =>
      proxyOf(address, { https_proxy: "http://p:1", http_proxy: "http://p:1", no_proxy: noProxy }) === "";
    for (const [address, noProxy, expected] of [
      [hub, "*", true],
      [hub, "hub.example", true],
      [hub, "HUB.Example", true],
      [hub, "other.example, hub.example", true],
      [hub, "other.example hub.example", true],
      [hub, ".example", true],
      [hub, "*.example", true],
      [hub, "*example", true],
      [hub, "example", false],
      [hub, "my.hub.example", false],
      ["https://my.hub.example/", "hub.example", false],
      [hub, "hub.example:443", true],
      [hub, "hub.example:80", false],
      ["http://hub.example/", "hub.example:80", true],
      ["https://hub.example:8443/", "hub.example:8443", true],
      ["https://hub.example:8443/", "*.example:443", false],
      ["http://[::1]:8080/", "[::1]:8080", true],
      ["http://[::1]:8080/", "[::1]", true],
      ["http://127.0.0.1:8080/", "127.0.0.1", true],
      [hub, " , ", false],
    ] as const) {
      assert.equal(direct(address, noProxy), expected, `${address} by "${noProxy}"`);
    }
    assert.equal(proxyOf(hub, { https_proxy: "http://p:1", npm_config_noproxy: "hub.example" }), "");
  });
});
