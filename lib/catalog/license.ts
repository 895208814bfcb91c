import { readFile } from "node:fs/promises";
import path from "node:path";
import { LicenseError } from "../errors.js";
import { fileName, filesOfRepository } from "./catalog.js";
import type { CatalogFile, LicenseId } from "./entries.js";
import { cacheHome } from "./home.js";
import { repositoryFolder, sizeOf, writeAtomically } from "./store.js";

export interface License {
  id: LicenseId;
  name: string;
  /** Date of the text; accepting another version is asked anew. */
  version: string;
  url: string;
  /** What it says, in short. The license decides, not this. Empty where nothing has to be accepted. */
  summary: string[];
  /** The text that a NOTICE file must have. */
  notice?: string;
}

export const licenses: Record<LicenseId, License> = {
  "stability-ai-community": {
    id: "stability-ai-community",
    name: "Stability AI Community License",
    version: "2024-07-05",
    url: "https://stability.ai/community-license-agreement",
    summary: [
      "Research and non-commercial use are free.",
      "Commercial use is free while you and your affiliates have a yearly revenue of at most USD 1,000,000, and has to be registered: https://stability.ai/community-license. Above that you need an Enterprise License.",
      "The Acceptable Use Policy applies: https://stability.ai/use-policy.",
      'If you distribute the weights, or a product or service that uses them: include the license and the NOTICE file (both are stored beside the weights), and show "Powered by Stability AI".',
      "The pictures are yours, but may not be used to create or improve another foundational generative model.",
    ],
    notice:
      "This Stability AI Model is licensed under the Stability AI Community License, Copyright © Stability AI Ltd. All Rights Reserved",
  },
  mit: { id: "mit", name: "MIT License", version: "", url: "https://opensource.org/license/mit", summary: [] },
  "apache-2.0": {
    id: "apache-2.0",
    name: "Apache License 2.0",
    version: "2.0",
    url: "https://www.apache.org/licenses/LICENSE-2.0",
    summary: [],
  },
};

/** Acceptance is remembered a file each, so that nothing has to be merged when two processes accept at once. */
function acceptancePath({ id, version }: License): string {
  return path.join(cacheHome(), "licenses", `${id}-${version}.accepted.json`);
}

/** Whether nothing has to be accepted any more. */
export async function isAccepted(license: License): Promise<boolean> {
  if (license.summary.length === 0) return true;
  try {
    return (JSON.parse(await readFile(acceptancePath(license), "utf8")) as { version?: string }).version === license.version;
  } catch {
    return false;
  }
}

export async function rememberAcceptance(license: License): Promise<void> {
  const { id, name, version, url } = license;
  const record = { id, name, version, url, accepted: new Date().toISOString() };
  await writeAtomically(acceptancePath(license), `${JSON.stringify(record, undefined, 2)}\n`);
}

/** The license for people who have to decide. */
export function licenseText({ name, version, url, summary }: License): string {
  const lines = summary.map((line) => `- ${line}`);
  return [`${name} (${version}), in short; the license decides, not this summary:`, ...lines, `Full text: ${url}`].join("\n");
}

/** Throws LicenseError unless the license was accepted, now or earlier. */
export async function requireAcceptance(license: License, accepted: boolean, model: string): Promise<void> {
  if (await isAccepted(license)) return;
  if (accepted) return rememberAcceptance(license);
  throw new LicenseError(
    `${model} is under the ${license.name}, which has to be accepted first.\n\n${licenseText(license)}\n\n` +
      `Accept it with \`npx node-sd-cpp pull ${model} --accept-license\`, or \`acceptLicense: true\` in code; it is remembered.`,
    { license: { name: license.name, version: license.version, url: license.url, summary: license.summary } },
  );
}

/** Puts the license text and a NOTICE into each repository's folder that holds files of the model. `text` is the license that was pulled. */
export async function writeNotices(files: CatalogFile[], text: string): Promise<void> {
  for (const repo of new Set(files.map((file) => file.repo))) {
    const folder = repositoryFolder(repo);
    const known = filesOfRepository(repo);
    await writeIfOther(path.join(folder, "NOTICE"), notice(repo, known));
    const copy = path.join(folder, path.basename(text));
    const needed = known.some(({ license }) => licenses[license].notice);
    if (needed && (await sizeOf(copy)) === undefined) await writeAtomically(copy, await readFile(text, "utf8"));
  }
}

async function writeIfOther(file: string, text: string): Promise<void> {
  if ((await readFile(file, "utf8").catch(() => undefined)) !== text) await writeAtomically(file, text);
}

function notice(repo: string, files: CatalogFile[]): string {
  const required = new Set(files.flatMap(({ license }) => licenses[license].notice ?? []));
  const lines = files.map((file) => `${fileName(file)}: ${licenses[file.license].name}, ${licenses[file.license].url}`);
  return `${[...required, `Files of ${repo} that node-sd-cpp may fetch into this folder:`, ...lines].join("\n")}\n`;
}
