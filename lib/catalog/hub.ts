import type { Dispatcher } from "undici";
import { ChecksumError, DownloadError, InvalidOptionError } from "../errors.js";
import type { CatalogFile } from "./entries.js";
import { proxyFor } from "./proxy.js";
import { receive } from "./receive.js";
import { type PullSettings, TransientError } from "./retry.js";

/** What the hub says of a file, whatever server delivers it. */
export interface HubReport {
  bytes?: number;
  sha256?: string;
  commit?: string;
}

export interface Answer extends HubReport {
  status: number;
  /** A strong entity tag: the same tag is the same content, byte by byte. */
  etag?: string;
  headers: Record<string, string | undefined>;
  chunks: AsyncGenerator<Buffer, void>;
  /** Ends the connection if the body has not come to its end. */
  end(): void;
}

/** Where an unfinished file goes on, and how to know that it still is the same file. */
export interface Resume {
  from: number;
  /** The last byte that is wanted; without it all that follow. */
  to?: number;
  etag?: string;
  sha256?: string;
}

const hubDefault = "https://huggingface.co";
const maxRedirects = 10;

/** Certificates do not mend themselves. */
const permanent = /^(CERT_|ERR_TLS_|DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT|UNABLE_TO_)/;

/** The hub's server: `HF_ENDPOINT`, `HF_TOKEN`, proxies and redirects. One for each pull, closed at its end. */
export class Hub {
  readonly endpoint: URL;
  readonly #token: string | undefined;
  readonly #settings: PullSettings;
  readonly #dispatchers = new Map<string, Dispatcher>();

  /** @throws InvalidOptionError for an endpoint or a token that cannot be used */
  constructor(settings: PullSettings, env: NodeJS.ProcessEnv = process.env) {
    this.#settings = settings;
    this.endpoint = readEndpoint(env.HF_ENDPOINT);
    this.#token = readToken(env.HF_TOKEN);
  }

  /** The page for people. */
  page(repo: string): string {
    return `${this.endpoint.href.replace(/\/$/, "")}/${repo}`;
  }

  url(file: CatalogFile): string {
    return `${this.page(file.repo)}/resolve/main/${file.path}`;
  }

  /**
   * Asks for a file, from `resume.from` on if it still is the same, and follows redirects. The answer may have any status.
   * @throws TransientError when another try may help
   * @throws DownloadError, ChecksumError when it may not
   */
  async get(file: CatalogFile, resume: Resume | undefined, signal: AbortSignal): Promise<Answer> {
    let url = new URL(this.url(file));
    let range = resume;
    let known: HubReport = {};
    let trusted = true;
    let reports = true;
    for (let hop = 0; hop <= maxRedirects; hop++) {
      trusted &&= url.origin === this.endpoint.origin; // the token never goes to another server, nor back from there
      // A mirror may send on to the hub: what answers for the same file of the same repository tells of it, where it is delivered from not.
      reports &&= trusted || url.pathname.endsWith(`/${file.repo}/resolve/main/${file.path}`);
      const headers: Record<string, string> = { "accept-encoding": "identity", "user-agent": "node-sd-cpp" };
      if (trusted && this.#token) headers.authorization = `Bearer ${this.#token}`;
      if (range) {
        headers.range = `bytes=${range.from}-${range.to ?? ""}`;
        if (range.etag) headers["if-range"] = range.etag;
      }
      const answer = await this.#request(url, headers, signal);
      if (reports) known = { ...known, ...reportOf(answer.headers, file) };
      if (range?.sha256 && known.sha256 && range.sha256 !== known.sha256) {
        range = undefined;
        if (answer.status === 206) {
          answer.end();
          continue; // the same address once more, for the whole of the new file
        }
      } else if (range?.sha256 && known.sha256) range = { ...range, etag: undefined }; // a tag of one delivering server may mean nothing to another
      if (!isRedirect(answer)) return { ...answer, ...known };
      answer.end();
      url = this.#target(answer.headers.location, url);
    }
    throw new DownloadError(`${this.url(file)} redirects more than ${maxRedirects} times.`);
  }

  /** Ends all connections. */
  async close(): Promise<void> {
    await Promise.all([...this.#dispatchers.values()].map((dispatcher) => dispatcher.destroy()));
  }

  /** What a refused request means for who made it. */
  explain(file: CatalogFile, { status, headers }: Answer): DownloadError {
    const page = this.page(file.repo);
    const token = new URL("/settings/tokens", this.endpoint).href;
    const asked = `${this.url(file)} was refused (HTTP ${status})`;
    if (status === 401 || status === 403) {
      const gate = `open ${page} in a browser, log in and accept the conditions there`;
      if (!this.#token) {
        return new DownloadError(
          `${asked}: ${file.repo} is gated or private. First ${gate}; then make a token with read access at ${token} and set HF_TOKEN to it.`,
        );
      }
      return new DownloadError(
        status === 403 || headers["x-error-code"] === "GatedRepo"
          ? `${asked}: the account of HF_TOKEN has no access to ${file.repo}. To get it, ${gate}; a fine-grained token also needs the right to read gated repositories (${token}).`
          : `${asked}: HF_TOKEN was not accepted. Make another at ${token}, or unset it if ${page} is public.`,
      );
    }
    if (status === 404 || status === 410)
      return new DownloadError(`${asked}: the file is no longer there. See ${page}, and whether there is a newer version of node-sd-cpp.`);
    return new DownloadError(`${asked}.`);
  }

  async #request(url: URL, headers: Record<string, string>, signal: AbortSignal): Promise<Answer> {
    const { request } = await import("undici"); // loaded by who pulls, not by who draws
    try {
      const { stallTimeout } = this.#settings;
      const timeouts = { headersTimeout: stallTimeout, bodyTimeout: stallTimeout };
      const answer = await request(url, { method: "GET", headers, signal, dispatcher: await this.#dispatcher(url), ...timeouts });
      const plain = Object.entries(answer.headers).map(([name, value]) => [name, Array.isArray(value) ? value[0] : value]);
      const known: Record<string, string | undefined> = Object.fromEntries(plain);
      const etag = known.etag?.startsWith('"') ? known.etag : undefined;
      const { statusCode, body } = answer;
      return { status: statusCode, headers: known, etag, chunks: receive(body), end: () => body.destroy() };
    } catch (error) {
      signal.throwIfAborted();
      throw networkError(url, error);
    }
  }

  /** A connection pool for each proxy, and one without. */
  async #dispatcher(url: URL): Promise<Dispatcher> {
    const proxy = proxyFor(url);
    const found = this.#dispatchers.get(proxy);
    if (found) return found;
    const { Agent, ProxyAgent } = await import("undici");
    const connect = { timeout: this.#settings.stallTimeout };
    const made = proxy ? new ProxyAgent({ uri: checkProxy(proxy), connect }) : new Agent({ connect });
    this.#dispatchers.set(proxy, made);
    return made;
  }

  #target(location: string | undefined, from: URL): URL {
    const target = URL.canParse(location ?? "", from.href) ? new URL(location ?? "", from) : undefined;
    if (!target || !location) throw new DownloadError(`${from.origin} redirects to no address.`);
    // What came encrypted has to stay so, even on the way to this machine.
    const safe = target.protocol === "https:" || (from.protocol === "http:" && isLoopbackHttp(target));
    if (!safe) throw new DownloadError(`${from.origin} redirects to ${target.origin}, which is not encrypted; only https is followed.`);
    return target;
  }
}

function isRedirect({ status }: Answer): boolean {
  return [301, 302, 303, 307, 308].includes(status);
}

/** Plain http may be used within this machine only. */
function isLoopbackHttp({ protocol, hostname }: URL): boolean {
  return protocol === "http:" && (hostname === "localhost" || hostname === "[::1]" || /^127(\.\d+){3}$/.test(hostname));
}

function readEndpoint(text: string | undefined): URL {
  if (!text) return new URL(hubDefault);
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url && !url.search && !url.hash && !url.username && (url.protocol === "https:" || isLoopbackHttp(url))) return url;
  throw new InvalidOptionError("HF_ENDPOINT", `expected an https address (http on this machine only), received "${text}"`);
}

function readToken(text: string | undefined): string | undefined {
  const token = text?.trim();
  if (!token) return undefined;
  // Not shown: it is a secret even when it is wrong.
  if (!/^[\x21-\x7e]+$/.test(token)) throw new InvalidOptionError("HF_TOKEN", "expected letters, digits and signs without spaces");
  return token;
}

/** Without showing it: it may hold a password. */
function checkProxy(proxy: string): string {
  if (URL.canParse(proxy) && /^https?:$/.test(new URL(proxy).protocol)) return proxy;
  throw new DownloadError(
    "The proxy of HTTPS_PROXY, HTTP_PROXY or ALL_PROXY cannot be used: expected http://host:port or https://host:port.",
  );
}

/** The hub's own headers, which differ from those of the server that delivers. */
function reportOf(headers: Answer["headers"], file: CatalogFile): HubReport {
  const sha256 = /^(?:W\/)?"?([0-9a-f]{64})"?$/i.exec(headers["x-linked-etag"] ?? "")?.[1]?.toLowerCase();
  const size = headers["x-linked-size"];
  const bytes = size !== undefined && /^\d{1,15}$/.test(size) ? Number(size) : undefined;
  const commit = headers["x-repo-commit"];
  if ((sha256 && file.sha256 && sha256 !== file.sha256) || (bytes !== undefined && file.bytes !== null && bytes !== file.bytes)) {
    const [is, was] = [describe(bytes, sha256), describe(file.bytes ?? undefined, file.sha256 ?? undefined)];
    throw new ChecksumError(
      `${file.repo}/${file.path} on the hub is not the file that the catalog knows: it has ${is}, expected ${was}. Nothing was downloaded; see whether there is a newer version of node-sd-cpp.`,
    );
  }
  return { ...(sha256 && { sha256 }), ...(bytes !== undefined && { bytes }), ...(commit && { commit }) };
}

function describe(bytes?: number, sha256?: string): string {
  return [bytes === undefined ? [] : `${bytes} bytes`, sha256 ? `sha256 ${sha256}` : []].flat().join(" and ");
}

/** Why a request or its body failed; another try may help unless the server's certificate is at fault. */
export function networkError(url: URL | string, error: unknown): Error {
  const { code = "", message } = error as NodeJS.ErrnoException;
  const { host } = new URL(url);
  if (error instanceof DownloadError) return error;
  if (permanent.test(code)) return new DownloadError(`No trustworthy connection to ${host}: ${message} (${code})`, { cause: error });
  return new TransientError(`${host}: ${message || code}`, { cause: error });
}
