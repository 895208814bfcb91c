import { randomBytes } from "node:crypto";
import type { App, Core, RequestContext } from "../core.js";
import { HttpError } from "../errors.js";
import type { Job } from "../job.js";
import type { Answer, Format } from "./request.js";

/** As OpenAI's. */
const mostSeconds = 3600;
const path = "/v1/images/files";

interface Link {
  job: string;
  owner: string;
  index: number;
  format: Format;
  quality: number;
  /** Milliseconds since 1970. */
  expires: number;
}

/** Addresses of pictures for whoever has them: they need no key, cannot be guessed and end after an hour, or when the server forgets the job. */
export class Links {
  readonly #links = new Map<string, Link>();

  constructor(readonly core: Core) {}

  static isOne(address: string): boolean {
    return address.startsWith(`${path}/`);
  }

  /** @returns a whole URL, as the client reached the server */
  add(context: RequestContext, { id, owner }: Job, index: number, { format, compression }: Answer): string {
    const now = Date.now();
    for (const [token, { expires }] of this.#links) {
      if (expires > now) break; // they are in the order of their ends
      this.#links.delete(token);
    }
    const token = randomBytes(24).toString("base64url");
    const expires = now + Math.min(mostSeconds, this.core.options.keepSeconds) * 1000;
    this.#links.set(token, { job: id, owner, index, format, quality: compression, expires });
    const url = new URL(context.req.url);
    const secure = url.protocol === "https:" || context.req.header("x-forwarded-proto")?.split(",")[0]?.trim() === "https";
    return `${secure ? "https" : "http"}://${url.host}${this.core.options.basePath}${path}/${token}.${format}`;
  }

  mount(app: App): void {
    app.get(`${path}/:name`, async (context) => {
      const [, token = "", ending] = /^([\w-]+)\.(png|jpeg|webp)$/.exec(context.req.param("name")) ?? [];
      const link = this.#links.get(token);
      const gone = new HttpError(404, "not_found", "There is no such picture, or it was made too long ago.");
      if (!link || link.format !== ending || link.expires <= Date.now()) throw gone;
      const { job, owner, index, format, quality } = link;
      const picture = this.core.jobs.get(job, owner).pictures[index];
      if (!picture) throw gone;
      const bytes = await picture.encode(format, format === "png" ? {} : { quality });
      context.header("content-type", `image/${format}`);
      context.header("cache-control", `private, max-age=${Math.floor((link.expires - Date.now()) / 1000)}, immutable`);
      context.header("cross-origin-resource-policy", "cross-origin"); // chat pages show it as a picture
      return context.body(bytes);
    });
  }
}
