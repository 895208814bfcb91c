import { createHash, timingSafeEqual } from "node:crypto";
import { unsupportedType } from "./body.js";
import { HttpError } from "./errors.js";
import type { CheckedHandlerOptions } from "./options.js";

/** Who is let in: by the Host header, the origin, the type of the body, the key. */

/** "[::1]:7860" → "::1" */
function hostName(host: string): string {
  const [, name = ""] = /^\[([^\]]*)\](?::\d+)?$/.exec(host) ?? /^([^:]*)(?::\d+)?$/.exec(host) ?? [];
  return name.toLowerCase().replace(/\.$/, "");
}

/** What a server may listen on without being seen by others. */
export const isLoopback = (host: string) => host === "localhost" || host === "::1" || /^127(\.\d{1,3}){3}$/.test(host);

/** A page of another site that was made to resolve to this machine still sends its own name (DNS rebinding). */
export function checkHost(request: Request, { allowedHosts }: CheckedHandlerOptions): void {
  if (allowedHosts.includes("*")) return;
  const name = hostName(request.headers.get("host") ?? new URL(request.url).host);
  if (isLoopback(name) || name.endsWith(".localhost") || allowedHosts.some((host) => hostName(host) === name)) return;
  throw new HttpError(403, "forbidden_host", "This Host name is not one of the server's; name it with allowedHosts (--allowed-hosts).");
}

/** The origin that is to be told it may read the answer; undefined for requests that are not from another page. */
export function checkOrigin(request: Request, { corsOrigins }: CheckedHandlerOptions): string | undefined {
  const origin = request.headers.get("origin");
  if (origin === null) return undefined;
  if (corsOrigins.includes(origin)) return origin;
  const host = request.headers.get("host") ?? new URL(request.url).host;
  const own = URL.canParse(origin) && new URL(origin).host === host;
  if (own) return undefined;
  throw new HttpError(403, "forbidden_origin", "Pages of this origin may not use the server; name it with corsOrigins (--cors-origins).");
}

/** A form or text can be posted by any page without asking first. */
export function checkType(request: Request): void {
  if (!["POST", "PUT", "PATCH"].includes(request.method)) return;
  const type = request.headers.get("content-type");
  const empty = request.body === null || request.headers.get("content-length") === "0"; // some clients name a type even then
  if (empty || (type !== null && /^(application\/json|multipart\/form-data)\b/i.test(type))) return;
  throw unsupportedType();
}

function givenKeys(request: Request): string[] {
  const authorization = request.headers.get("authorization")?.trim() ?? "";
  const [, scheme = "", rest = ""] = /^(bearer|basic)\s+(.*)$/i.exec(authorization) ?? [];
  const found = [request.headers.get("api-key"), request.headers.get("x-api-key")];
  if (scheme.toLowerCase() === "basic") {
    const text = Buffer.from(rest, "base64").toString();
    found.push(text.slice(text.indexOf(":") + 1));
  } else found.push(rest || authorization);
  return found.filter((key): key is string => typeof key === "string" && key !== "");
}

const digest = (text: string) => createHash("sha256").update(text).digest();

/**
 * Whose request it is: each key is an owner; without keys all are the same one. Takes the same time for all wrong keys.
 * @throws HttpError 401
 */
export function ownerOf(request: Request, { apiKeys }: CheckedHandlerOptions, scheme: "Bearer" | "Basic" = "Bearer"): string {
  if (apiKeys.length === 0) return "everybody";
  const given = givenKeys(request).map(digest);
  let owner: string | undefined;
  for (const [index, key] of apiKeys.entries()) {
    const wanted = digest(key);
    for (const one of given) if (timingSafeEqual(one, wanted)) owner = `key ${index + 1}`;
  }
  if (owner !== undefined) return owner;
  const message = given.length > 0 ? "The API key is not one of the server's." : "The server asks for an API key.";
  throw new HttpError(401, "unauthorized", message, undefined, { "www-authenticate": `${scheme} realm="sdcpp"` });
}
