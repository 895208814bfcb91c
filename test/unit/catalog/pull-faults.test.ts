import assert from "node:assert/strict";
import { readFile, rm } from "node:fs/promises";
import path from "node:path";
import { describe, it } from "node:test";
import { ChecksumError, DownloadError } from "../../../lib/errors.js";
import { contents, filesBelow, serveAll, shortStall } from "../../helpers/catalog.js";
import { type Fault, sha256, TestHub } from "../../helpers/hub.js";
import { model, Pulls, repository } from "../../helpers/pulls.js";

const pulls = new Pulls();

/** Faults that a pull gets over by itself. */
const mended: [string, Fault[]][] = [
  ["a connection that is cut at once", [{ dropAfter: 0 }]],
  ["one that is cut after the first byte", [{ dropAfter: 1 }]],
  ["one that is cut before the last byte", [{ dropAfter: 399_999 }]],
  ["one that is cut after the last byte of a body without length", [{ dropAfter: 400_000, declares: null }]],
  ["several cuts", [0.1, 0.3, 0.5, 0.7].map((part) => ({ dropAfter: 400_000 * part }))],
  ["a cut, and then a server that does not know ranges", [{ dropAfter: 100_000 }, { ignoresRange: true }]],
  ["a cut, and then the range of another place", [{ dropAfter: 100_000 }, { rangeShift: 7 }]],
  ["a cut, and then 416", [{ dropAfter: 100_000 }, { status: 416 }]],
  ["a cut of a body without length", [{ dropAfter: 200_000, declares: null }]],
  ["another file for a moment", [{ body: Buffer.alloc(400_000), linked: null, dropAfter: 200_000 }]],
  [
    "another file under the same tag for a moment",
    [{ body: Buffer.alloc(400_000), linked: null, etag: '"x"', dropAfter: 200_000 }, { etag: '"x"' }],
  ],
  [
    "another file without tags for a moment",
    [{ body: Buffer.alloc(400_000), linked: null, etag: null, dropAfter: 200_000 }, { etag: null }],
  ],
  ["a server that ignores If-Range", [{ body: Buffer.alloc(400_000), linked: null, dropAfter: 200_000 }, { ignoresIfRange: true }]],
  ["a weak tag", [{ etag: 'W/"x"', dropAfter: 100_000 }]],
  ["a server that is busy", [{ status: 429, headers: { "retry-after": "0" } }, { status: 503 }, { status: 500 }]],
  ["silence before the headers", [{ silentAfter: -1 }]],
  ["silence in the middle", [{ silentAfter: 200_000 }]],
  ["a slow server", [{ throttle: 4096 }]],
];

describe("a fault is mended by the pull itself:", () => {
  for (const [name, faults] of mended) {
    it(name, async () => {
      pulls.hub.fail(model, ...faults);
      await pulls.run({}, faults.some(({ silentAfter }) => silentAfter !== undefined) ? shortStall : {});
      await pulls.assertComplete();
      assert.deepEqual(pulls.hub.faults.get(model), []);
    });
  }

  it("notices another version by its tag, before the rest has come", async () => {
    pulls.hub.fail(model, { body: Buffer.alloc(400_000), linked: null, dropAfter: 200_000 }, { ignoresIfRange: true, linked: null });
    const { received } = await pulls.run({ connections: 1 });
    assert.ok(received <= 200_000 + 640_000 + 3000, String(received));
    await pulls.assertComplete();
  });

  it("asks for no more than what is missing", async () => {
    pulls.hub.fail(model, { dropAfter: 300_000 });
    await pulls.run();
    const [, second] = pulls.hub.requestsOf(model);
    assert.match(second?.range ?? "", /^bytes=[1-9]\d*-$/);
    assert.match(second?.ifRange ?? "", /^"/);
    await pulls.assertComplete();
  });

  it("and without the tag of a delivering server where the hub confirms the checksum", async () => {
    const other = await TestHub.start();
    try {
      serveAll(other);
      const redirect = { status: 302, headers: { location: `${other.url}/${model}`, "x-linked-etag": `"${sha256(contents[model])}"` } };
      pulls.hub.always.set(model, redirect);
      other.fail(model, { dropAfter: 300_000, linked: null }, { etag: '"of another machine"', linked: null });
      await pulls.run();
      await pulls.assertComplete();
      const [first, second] = other.requests;
      assert.deepEqual([first?.range, second?.ifRange], [undefined, undefined]);
      assert.match(second?.range ?? "", /^bytes=[1-9]\d*-$/);
      assert.equal(other.requests.length, 2);
    } finally {
      await other.close();
    }
  });
});

/** Faults that last: the error, and whether a later pull finds a part to go on from. */
const lasting: [string, Fault, new (message: string) => Error, RegExp, boolean][] = [
  [
    "a connection that is cut at the same byte again and again",
    { dropAfter: 100_000, ignoresRange: true },
    DownloadError,
    /4 failures in a row.*kept/,
    true,
  ],
  ["a server that sends nothing", { silentAfter: -1 }, DownloadError, /4 failures in a row/, false],
  ["a server that is down", { status: 503 }, DownloadError, /HTTP 503.*4 failures/, false],
  ["a server that is busy for an hour", { status: 429, headers: { "retry-after": "3600" } }, DownloadError, /wait 60 minutes/, false],
  ["a file that is gone", { status: 404 }, DownloadError, /HTTP 404/, false],
  ["a request that is refused", { status: 400 }, DownloadError, /HTTP 400/, false],
  ["an answer without a body", { status: 204 }, DownloadError, /HTTP 204/, false],
  ["wrong bytes", { body: Buffer.alloc(400_000), linked: null }, ChecksumError, /sha256 is .*expected/, false],
  ["a length that is too short", { declares: 399_000, linked: null }, DownloadError, /declares 399000 bytes, expected 400000/, false],
  ["a length that is too long", { declares: 400_100, linked: null }, DownloadError, /declares 400100 bytes/, false],
  ["a web page in its place", { body: Buffer.from("<html>log in</html>"), linked: null }, DownloadError, /declares 19 bytes/, false],
  [
    "a file that never ends",
    { body: Buffer.alloc(500_000), declares: null, linked: null },
    DownloadError,
    /longer than 400000 bytes/,
    false,
  ],
  ["a body that is encoded", { headers: { "content-encoding": "gzip" } }, DownloadError, /encoded as gzip/, false],
];

describe("a fault that lasts is an error, leaves nothing wrong, and the next pull mends it:", () => {
  for (const [name, fault, type, message, keeps] of lasting) {
    it(name, async () => {
      pulls.hub.always.set(model, fault);
      await assert.rejects(
        pulls.run({ connections: 1 }, fault.silentAfter ? shortStall : {}),
        (error) => error instanceof type && message.test(error.message),
      );
      const left = (await filesBelow(pulls.home)).filter((file) => path.basename(file).startsWith(model));
      assert.deepEqual(
        left.filter((file) => !file.endsWith(".part.json")),
        keeps ? [`models/${repository}/${model}.part`] : [],
      );
      pulls.hub.always.delete(model);
      await pulls.run();
      await pulls.assertComplete();
    });
  }
});

/** The same for a file of which only the hub knows size and checksum. */
describe("a file that only the hub knows", () => {
  const name = "model-Q8_0.gguf";
  const pullIt = (patience = {}) => pulls.run({}, { id: "sd3.5-medium:q8_0", ...patience });
  const isRight = async () => assert.ok((await readFile(pulls.at(name))).equals(contents[name]));
  const left = async () =>
    (await filesBelow(pulls.home)).filter((file) => path.basename(file).startsWith(`${name}.`) && file.endsWith(".part"));

  it("goes on after a cut", async () => {
    pulls.hub.fail(name, { dropAfter: 300_000 });
    await pullIt();
    await isRight();
    assert.match(pulls.hub.requestsOf(name)[1]?.range ?? "", /^bytes=[1-9]/);
  });

  it("begins anew when the hub has another version, and is that version", async () => {
    pulls.hub.always.set(name, { dropAfter: 300_000, body: Buffer.alloc(600_000, 7), ignoresRange: true });
    await assert.rejects(pullIt(), DownloadError);
    assert.equal((await left()).length, 1);
    pulls.hub.always.delete(name);
    const { statuses, error } = await pulls.watch({}, { id: "sd3.5-medium:q8_0" });
    assert.equal(error, undefined);
    assert.deepEqual(statuses(name), ["resume", "restart", "done"]);
    await isRight();
  });

  it("never mixes two versions, whatever the server makes of If-Range", async () => {
    for (const fault of [{}, { ignoresIfRange: true }, { ignoresIfRange: true, etag: null }]) {
      pulls.hub.fail(name, { dropAfter: 300_000, body: Buffer.alloc(700_000, 7) }, fault);
      const { received } = await pullIt();
      await isRight();
      assert.ok(received <= 1_000_000 + 240_000 + 3000, `${received}: it was noticed before the rest came`);
      await rm(pulls.at(name));
    }
  });

  it("with wrong bytes or a wrong length is an error", async () => {
    pulls.hub.always.set(name, { body: Buffer.alloc(700_000), linked: { sha256: sha256(contents[name]), bytes: 700_000 } });
    await assert.rejects(pullIt(), ChecksumError);
    assert.deepEqual(await left(), []);
    pulls.hub.always.set(name, { declares: 699_999 });
    await assert.rejects(pullIt(), DownloadError);
    pulls.hub.always.set(name, { declares: 700_100, linked: { sha256: sha256(contents[name]), bytes: 700_100 } });
    await assert.rejects(pullIt(shortStall), DownloadError);
    pulls.hub.always.delete(name);
    await pullIt();
    await isRight();
  });
});
