import { monitorEventLoopDelay } from "node:perf_hooks";
import type { App, Core } from "./core.js";

/** Numbers for Prometheus, in its text format (version 0.0.4). No labels but the outcome: nothing tells of prompts or clients. */
export function metrics(app: App, core: Core): void {
  const resolution = 10; // milliseconds between two readings, which are part of each reading
  const delay = monitorEventLoopDelay({ resolution });
  delay.enable();
  core.onClose(() => delay.disable());

  app.get("/metrics", (context) => {
    const { counts, running, waiting } = core.jobs;
    const lines: string[] = [];
    const add = (name: string, type: "counter" | "gauge", help: string, values: Record<string, number> | number) => {
      lines.push(`# HELP sdcpp_${name} ${help}`, `# TYPE sdcpp_${name} ${type}`);
      if (typeof values === "number") lines.push(`sdcpp_${name} ${values}`);
      else for (const [status, value] of Object.entries(values)) lines.push(`sdcpp_${name}{status="${status}"} ${value}`);
    };
    const { done, failed, canceled, refused } = counts;
    add("jobs_total", "counter", "Jobs by how they ended; refused ones found the line full.", { done, failed, canceled, refused });
    add("jobs_running", "gauge", "Jobs in work.", running ? 1 : 0);
    add("jobs_waiting", "gauge", "Jobs in line.", waiting);
    add("pictures_total", "counter", "Finished pictures.", counts.pictures);
    add("steps_total", "counter", "Denoising steps that were computed.", counts.steps);
    add("work_seconds_total", "counter", "Seconds of work.", counts.seconds);
    add("models_loaded", "gauge", "Models in memory.", core.models.loaded.length);
    add("process_resident_bytes", "gauge", "Memory of the server's process.", process.memoryUsage.rss());
    add(
      "event_loop_delay_p99_seconds",
      "gauge",
      "99th percentile of the event loop's delay since the last reading.",
      delay.percentile(99) / 1e9,
    );
    add("uptime_seconds", "gauge", "Since the start.", (Date.now() - core.started) / 1000);
    delay.reset();
    return context.text(`${lines.join("\n")}\n`, 200, { "content-type": "text/plain; version=0.0.4; charset=utf-8" });
  });
}
