import { spawn } from "node:child_process";

/** What shows a web address, by system; none of them is a shell. */
const programs: Partial<Record<NodeJS.Platform, string[]>> = {
  darwin: ["open"],
  win32: ["rundll32", "url.dll,FileProtocolHandler"],
};

/** Shows a page in the user's browser, if there is one; where there is none, nothing happens: the address is printed anyway. */
export function openInBrowser(url: string): void {
  const [program = "xdg-open", ...args] = programs[process.platform] ?? [];
  const child = spawn(program, [...args, url], { stdio: "ignore", detached: true });
  child.on("error", () => {});
  child.unref();
}
