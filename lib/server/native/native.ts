import type { Convention } from "../core.js";
import { catalog } from "./catalog.js";
import { gallery } from "./gallery.js";
import { jobs } from "./jobs.js";
import { lists } from "./lists.js";
import { openapi } from "./openapi.js";
import { upscales } from "./upscales.js";

/** This server's own API. It owns what no other convention does. */
export const native: Convention = {
  name: "native",
  owns: () => true,
  mount(app, core) {
    jobs(app, core);
    lists(app, core);
    upscales(app, core);
    gallery(app, core);
    catalog(app, core);
    openapi(app, core);
  },
  errorBody: ({ status, code, message, param }, { requestId }) => ({ error: { code, message, param, status, request_id: requestId } }),
};
