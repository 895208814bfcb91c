import { realpathSync } from "node:fs";
import { homedir, hostname, userInfo } from "node:os";
import path from "node:path";

/** What says who somebody is. */
export interface Person {
  homes: string[];
  users: string[];
  hosts: string[];
}

/** Accounts that many machines have, whose names are words of other meaning too. */
const common = /^(root|users?|admin|administrator|node|app|runner|runneradmin|ubuntu|debian|vagrant|nobody|home|default|guest|localhost)$/i;

/** The one who runs this process, by the system and by the environment. */
export function whoIsHere(env: NodeJS.ProcessEnv = process.env): Person {
  const account = attempt(() => userInfo());
  const named = [attempt(homedir), account?.homedir, env.HOME, env.USERPROFILE].filter((home): home is string => Boolean(home));
  const homes = [...new Set(named.flatMap((home) => [home, attempt(() => realpathSync(home)) ?? home]))];
  const users = [account?.username, env.USER, env.LOGNAME, env.USERNAME, env.SUDO_USER, ...homes.map((home) => path.basename(home))];
  const host = attempt(hostname);
  return { homes, users: known(users), hosts: known([host, host?.split(".")[0], env.COMPUTERNAME, env.HOSTNAME]) };
}

function known(names: (string | undefined)[]): string[] {
  return [...new Set(names.filter((name): name is string => Boolean(name) && !common.test(name as string)))];
}

function attempt<T>(get: () => T): T | undefined {
  try {
    return get();
  } catch {
    return undefined; // as of an account that the system does not know
  }
}

const literal = (text: string) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
const longestFirst = (texts: readonly string[]) => [...texts].sort((a, b) => b.length - a.length);

/**
 * Takes out of a text who somebody is: homes become `~`, names of users `<user>`, of machines `<host>`; in folders of homes (`/home`,
 * `/Users`) all names. Paths may have either slash, also doubled, as in JSON.
 */
export function anonymizer({ homes, users, hosts }: Person): (text: string) => string {
  const rules: [RegExp, string][] = longestFirst(homes).flatMap((home): [RegExp, string][] => {
    const parts = home.split(/[\\/]+/);
    while (parts.at(-1) === "") parts.pop();
    if (parts.length < 2) return []; // "/" is no home to hide
    return [[new RegExp(`(?<![\\w.~-])${parts.map(literal).join("[\\\\/]+")}(?![\\w-])`, "gi"), "~"]];
  });
  rules.push([/([\\/](?:home|Users)[\\/]+)(?:[^\\/:"'<>|\n]+(?=[\\/])|[^\\/:"'<>|\s]+)/gi, "$1<user>"]);
  const word = (name: string) => new RegExp(`(?<![\\p{L}\\p{N}])${literal(name)}(?![\\p{L}\\p{N}])`, "giu");
  for (const name of longestFirst(hosts)) rules.push([word(name), "<host>"]);
  for (const name of longestFirst(users)) rules.push([word(name), "<user>"]);
  return (text) => rules.reduce((left, [pattern, instead]) => left.replace(pattern, instead), text);
}

/** The same for all texts in an object, but not for the names of its members. */
export function anonymous<T>(value: T, person: Person = whoIsHere()): T {
  const clean = anonymizer(person);
  const walk = (inner: unknown): unknown => {
    if (typeof inner === "string") return clean(inner);
    if (Array.isArray(inner)) return inner.map(walk);
    if (typeof inner !== "object" || inner === null) return inner;
    return Object.fromEntries(Object.entries(inner).map(([name, member]) => [name, walk(member)]));
  };
  return walk(value) as T;
}
