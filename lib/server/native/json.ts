/** 64-bit seeds are text in JSON. */
export function replacer(_name: string, value: unknown): unknown {
  return typeof value === "bigint" ? String(value) : value;
}

export function json(value: object, status: number, headers: Headers): Response {
  headers.set("content-type", "application/json");
  return new Response(JSON.stringify(value, replacer), { status, headers });
}
