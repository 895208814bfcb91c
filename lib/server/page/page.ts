import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import path from "node:path";
import type { App, Core } from "../core.js";

const folder = path.join(__dirname, "static");

const types: Record<string, string> = {
  ".html": "text/html; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
};

/** All that the page is made of. Nothing beside these names is ever read. */
export const pageFiles = [
  "index.html",
  "page.css",
  ...["api", "compare", "dialogs", "dom", "gallery", "jobs", "mask", "models", "page", "settings", "source", "viewer"].map(
    (name) => `${name}.js`,
  ),
] as const;

/** Nothing from elsewhere, nothing inline, no forms that are sent, no frames around it. */
export const contentPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' blob: data:",
  "connect-src 'self'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "base-uri 'none'",
].join("; ");

/** Whether a path is one of the page's files, which anybody may read: they tell of nothing. */
export function isOfPage(inside: string): boolean {
  return inside === "/" || pageFiles.some((name) => inside === `/page/${name}`);
}

/** The page for people: static files, which use the native API as any client does. */
export function page(app: App, { options: { basePath } }: Core): void {
  // The addresses in it are relative, so that it works below any prefix.
  if (basePath) app.get(basePath, (context) => context.redirect(`${basePath}/`, 308));
  for (const name of pageFiles) {
    const isMain = name === "index.html";
    const body = readFileSync(path.join(folder, name));
    const etag = `"${createHash("sha256").update(body).digest("base64url").slice(0, 22)}"`;
    app.get(isMain ? `${basePath}/` : `${basePath}/page/${name}`, (context) => {
      context.header("content-security-policy", contentPolicy);
      context.header("cache-control", "no-cache");
      context.header("etag", etag);
      if (context.req.header("if-none-match") === etag) return context.body(null, 304);
      context.header("content-type", types[path.extname(name)]);
      return context.body(new Uint8Array(body));
    });
  }
}
