import { call, fetchBlob, send, show } from "./api.js";
import { compare } from "./compare.js";
import { ask } from "./dialogs.js";
import { button, dialog, element, make, picture, say, select, sentence } from "./dom.js";

/** What the viewer needs of the page around it.
 * @type {{ neighbor: (one: Picture, by: number) => Promise<Picture | undefined>, useSettings: (parameters: Record<string, any>) => void,
 *   useInput: (url: string, name: string) => Promise<void>, submitted: (job: any) => Promise<void>, deleted: () => Promise<void>,
 *   shelf: { kind: string, deletes: boolean } }} */
let page;
/** @type {Picture | undefined} */
let shown;
/** The first of two that are compared. @type {Picture | undefined} */
let first;

/** @param {typeof page} around */
export async function wireViewer(around) {
	page = around;
	button("viewer-previous").onclick = () => step(-1);
	button("viewer-next").onclick = () => step(1);
	dialog("viewer").addEventListener("keydown", (event) => {
		if (event.target instanceof HTMLSelectElement) return;
		if (event.key === "ArrowLeft") void step(-1);
		if (event.key === "ArrowRight") void step(1);
	});
	button("use-settings").onclick = guarded(async ({ name }) => {
		const { parameters } = await call(address("parameters", name));
		dialog("viewer").close();
		page.useSettings(parameters);
	});
	button("use-input").onclick = guarded(async ({ url, name }) => {
		dialog("viewer").close();
		await page.useInput(url, name);
	});
	button("upscale").onclick = guarded(async ({ url }) => {
		const form = new FormData();
		form.append("image", await fetchBlob(url), "picture");
		form.append("upscaler", select("upscaler").value);
		const job = await call("v1/upscales", { body: form });
		dialog("viewer").close();
		await page.submitted(job);
		say("The larger picture is in line.");
	});
	button("compare-with").onclick = guarded(async (one) => {
		if (!first || first.name === one.name) {
			first = one;
			dialog("viewer").close();
			say("Choose the picture to compare it with.");
		} else {
			const [a, b] = [first, one];
			first = undefined;
			await compare(a, b);
		}
	});
	button("download").onclick = guarded(save);
	button("delete").onclick = guarded(async ({ name }) => {
		const text =
			page.shelf.kind === "memory"
				? "It is in memory alone, and goes with the other pictures of its run."
				: "The file is deleted from the folder for good.";
		if (!(await ask({ title: "Delete this picture?", text, yes: "Delete" }))) return;
		await send(address("pictures", name), { method: "DELETE" });
		dialog("viewer").close();
		await page.deleted();
		say("The picture is deleted.");
	});
	const { upscalers, resizers } = await call("v1/upscalers");
	select("upscaler").replaceChildren(
		...[...upscalers, ...resizers].map((value) => make("option", { value, textContent: words[value] ?? value })),
	);
}

/** @type {Record<string, string>} */
const words = { lanczos: "2, smooth", nearest: "2, hard edges" };

/** @param {string} kind @param {string} name */
const address = (kind, name) => `v1/gallery/${kind}/${name.split("/").map(encodeURIComponent).join("/")}`;

/** @param {(one: Picture) => Promise<void>} work */
function guarded(work) {
	return async () => {
		element("viewer-error").textContent = "";
		try {
			if (shown) await work(shown);
		} catch (error) {
			element("viewer-error").textContent = sentence(error);
		}
	};
}

/** Fetched and handed over here, since an address alone cannot have a key. @param {Picture} one */
async function save({ url, name }) {
	const file = URL.createObjectURL(await fetchBlob(url));
	make("a", { href: file, download: name.split("/").at(-1) ?? "picture.png" }).click();
	setTimeout(() => URL.revokeObjectURL(file), 60_000);
}

/** @param {number} by */
async function step(by) {
	const other = shown && (await page.neighbor(shown, by));
	if (other) openViewer(other);
}

/** @param {Picture} one */
export function openViewer(one) {
	shown = one;
	element("viewer-error").textContent = "";
	const text = one.parameters?.prompt || one.name;
	const image = picture("viewer-picture");
	image.removeAttribute("src");
	image.alt = text;
	show(image, one.url).catch((error) => {
		element("viewer-error").textContent = sentence(error);
	});
	button("use-settings").hidden = !one.parameters;
	button("delete").hidden = !page.shelf.deletes;
	button("compare-with").textContent = first && first.name !== one.name ? "Compare with the chosen one" : "Compare…";
	void describe(one);
	if (!dialog("viewer").open) dialog("viewer").showModal();
}

/** What people call it, by the parameters' names. */
const labels = {
	prompt: "Words",
	negativePrompt: "To avoid",
	seed: "Variation number (seed)",
	steps: "Rounds (steps)",
	cfgScale: "Faithfulness (CFG scale)",
	sampler: "Method (sampler)",
	scheduler: "Pace (scheduler)",
	strength: "Changed by (strength)",
	model: "Model",
	device: "Drawn on",
	version: "Drawn by",
};

/** @param {Picture} one */
async function describe(one) {
	const list = element("viewer-parameters");
	const { parameters } = await call(address("parameters", one.name)).catch(() => ({ parameters: one.parameters }));
	if (shown !== one) return;
	const found = parameters ?? {};
	const rows = Object.entries(labels).filter(([name]) => found[name] !== undefined && found[name] !== "");
	const all = rows.map(([name, label]) => [label, String(found[name])]);
	if (found.width) all.push(["Size", `${found.width} × ${found.height}`]);
	for (const lora of found.loras ?? []) all.push(["Style (LoRA)", `${lora.name}, ${lora.weight}`]);
	all.push(["File", one.name], ["Made", new Date(one.time).toLocaleString()]);
	list.replaceChildren(
		...all.flatMap(([label = "", value = ""]) => [make("dt", { textContent: label }), make("dd", { textContent: value })]),
	);
}
