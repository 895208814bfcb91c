import type { App, Core } from "./core.js";

/** For load balancers and process managers: whether the process answers, and whether it takes work. */
export function health(app: App, core: Core): void {
  app.get("/health", (context) => context.json({ status: "ok" }));
  app.get("/ready", (context) => {
    const full = core.jobs.waiting >= core.options.maxQueue && core.jobs.running !== undefined;
    const status = !core.jobs.open ? "ending" : full ? "full" : "ready";
    return context.json({ status }, status === "ready" ? 200 : 503);
  });
}
