import { toJson } from "../../picture/json.js";

export function json(value: object, status: number, headers: Headers): Response {
  headers.set("content-type", "application/json");
  return new Response(toJson(value), { status, headers });
}
