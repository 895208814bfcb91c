const ports: Record<string, string> = { "http:": "80", "https:": "443" };

/**
 * The proxy for an address, as curl and npm read the environment: `https_proxy` or `http_proxy`, else `all_proxy`, also in capitals and as npm's
 * settings; none for what `no_proxy` names: `*`, hosts, `.ends` or `*.ends` of hosts, each also with a port. Empty without one.
 */
export function proxyFor(url: URL, env: NodeJS.ProcessEnv = process.env): string {
  const read = (...names: string[]) => names.map((name) => env[name] || env[name.toUpperCase()]).find(Boolean) ?? "";
  const host = url.hostname.toLowerCase();
  const port = url.port || ports[url.protocol];
  const direct = read("npm_config_no_proxy", "npm_config_noproxy", "no_proxy")
    .toLowerCase()
    .split(/[,\s]+/);
  const names = (entry: string) => {
    const [, name = entry, only = port] = /^(.+):(\d+)$/.exec(entry) ?? [];
    if (!name || only !== port) return false;
    return /^[.*]/.test(name) ? host.endsWith(name.replace(/^\*/, "")) : host === name;
  };
  if (direct.some(names)) return "";
  const scheme = url.protocol.slice(0, -1);
  const proxy = read(`npm_config_${scheme}_proxy`, `${scheme}_proxy`, "npm_config_proxy", "all_proxy");
  return proxy && !proxy.includes("://") ? `${scheme}://${proxy}` : proxy;
}
