import { type ErrorInfo, inTheirWords } from "../errors.js";

/** Options by the names that they have in requests. */
const names: Record<string, string> = {
  negativePrompt: "negative_prompt",
  width: "size",
  height: "size",
  batchCount: "n",
  cfgScale: "cfg_scale",
  initImage: "image",
};

/** Codes that clients of OpenAI know. */
const codes: Record<string, string> = {
  ERR_INVALID_OPTION: "invalid_value",
  ERR_QUEUE_FULL: "rate_limit_exceeded",
  unauthorized: "invalid_api_key",
};

function typeOf(status: number): string {
  if (status === 401) return "authentication_error";
  if (status === 403) return "permission_error";
  if (status === 429) return "rate_limit_error";
  return status >= 500 ? "server_error" : "invalid_request_error";
}

/** `{ error: { message, type, param, code } }` */
export function errorBody({ status, code, message, param }: ErrorInfo): { error: object } {
  const field = param === undefined ? undefined : (names[param] ?? param);
  return {
    error: {
      message: inTheirWords(message, param, names),
      type: typeOf(status),
      param: field ?? null,
      code: codes[code] ?? code.replace(/^ERR_/, "").toLowerCase(),
    },
  };
}
