import { call } from "./api.js";
import { ask } from "./dialogs.js";
import { action, button, dialog, duration, element, make, say, sentence, size } from "./dom.js";
import { showModels } from "./settings.js";

let timer = 0;
/** Estimates and errors that stay while the list is drawn anew, by model. @type {Map<string, string>} */
const notes = new Map();
const finished = new Set();

export function wireModels() {
	button("open-models").onclick = async () => {
		dialog("models").showModal();
		await refresh();
	};
	dialog("models").addEventListener("close", () => clearTimeout(timer));
}

async function refresh() {
	clearTimeout(timer);
	let isPulling = false;
	try {
		const [here, catalog] = await Promise.all([call("v1/models"), call("v1/catalog")]);
		showModels(here.data);
		showHere(here.data);
		showThere(catalog);
		isPulling = catalog.pulls.some((/** @type {Pull} */ { status }) => status === "running");
		for (const { id, model, status } of catalog.pulls) {
			if (status === "done" && !finished.has(id)) say(`${model} is downloaded.`);
			if (status !== "running") finished.add(id);
		}
	} catch (error) {
		element("models-note").textContent = sentence(error);
	}
	if (dialog("models").open) timer = window.setTimeout(refresh, isPulling ? 1000 : 10_000);
}

/** Draws a list anew without taking the focus away. @param {HTMLElement} list @param {HTMLElement[]} items */
function replace(list, items) {
	const { activeElement } = document;
	const label = list.contains(activeElement) ? activeElement?.getAttribute("aria-label") : undefined;
	list.replaceChildren(...items);
	if (label) [...list.querySelectorAll("button")].find((one) => one.getAttribute("aria-label") === label)?.focus();
}

/** @param {string} id @param {(Node | string)[]} about @param {HTMLElement[]} actions */
function item(id, about, actions) {
	const note = notes.get(id);
	const said = note ? [make("p", { textContent: note })] : [];
	return make("li", {}, make("div", {}, make("strong", { textContent: id }), ...about, ...said), ...actions);
}

/** @param {string} text */
const line = (text) => make("p", { className: "hint", textContent: text });

/** @param {{ id: string, license?: string, loaded: boolean, family?: string }[]} models */
function showHere(models) {
	const items = models.map(({ id, license, loaded, family }) => {
		const about = family === "demo" ? "Tiny, draws simple shapes. " : "";
		return item(id, [line(`${about}${license ?? ""}${loaded ? " · in memory" : ""}`)], [fitButton(id)]);
	});
	replace(element("models-here"), items);
}

/** @param {{ models: Listed[], pulls: Pull[], pull_allowed: boolean }} catalog */
function showThere({ models, pulls, pull_allowed: allowed }) {
	element("models-note").textContent = allowed ? "" : "This server does not allow downloads (--allow-pull).";
	const open = models.filter(
		({ state, id }) => state !== "complete" || pulls.some(({ model, status }) => model === id && status === "running"),
	);
	// Those with a short name too are what most people want.
	open.sort((a, b) => Math.sign(b.aliases.length) - Math.sign(a.aliases.length));
	const items = open.map((model) => {
		const { id, aliases, name, bytes, bytes_on_disk: there, license, gated } = model;
		const pull = pulls.find((one) => one.model === id);
		const some = there > 0 ? `, ${size(there)} of them are here` : "";
		const about = [
			line(`${name} · ${size(bytes)}${some}${aliases.length > 0 ? " · the usual choice" : ""}`),
			line(`${license?.name ?? ""}${gated ? " · needs a token of the hub (HF_TOKEN)" : ""}`),
		];
		if (pull?.status === "running")
			return item(id, [...about, ...running(pull)], [action("Cancel", cancel(pull), `Cancel the download of ${id}`)]);
		if (pull?.status === "failed") about.push(make("p", { className: "error", textContent: sentence(new Error(pull.error?.message)) }));
		const word = there > 0 ? "Continue download" : "Download";
		const begin = action(word, () => void start(model), `${word} ${id}`);
		begin.disabled = !allowed;
		return item(id, about, [fitButton(id), begin]);
	});
	replace(element("models-there"), items);
}

/** @param {Pull} pull */
function running({ bytes = 0, size: all = 0, bytesPerSecond = 0, eta, phase, retry, model }) {
	const bar = make("progress", { max: all || 1, value: bytes, label: `Download of ${model}` });
	const left = eta === undefined ? "" : `, about ${duration(eta)} left`;
	const text =
		phase === "check" ? "Checking what is there" : `${size(bytes)} of ${size(all)}, ${(bytesPerSecond / 1e6).toFixed(1)} MB/s${left}`;
	return [bar, line(retry ? `Waiting: ${retry}` : all ? text : "Beginning…")];
}

/** @param {Pull} pull */
const cancel = (pull) => async () => {
	await call(`v1/pulls/${pull.id}`, { method: "DELETE" }).catch(() => {});
	await refresh();
};

/** @param {Listed} model */
async function start({ id, license }) {
	notes.delete(id);
	if (license && license.summary.length > 0 && !license.accepted) {
		if (!(await ask({ title: `License of ${id}`, text: license.text, yes: "I accept the license" }))) return;
	}
	await call("v1/pulls", { body: { model: id, acceptLicense: true } }).catch((error) => notes.set(id, sentence(error)));
	await refresh();
}

/** @param {string} id */
function fitButton(id) {
	return action(
		"Does it fit?",
		async () => {
			notes.set(id, "Reading the model's files…");
			await refresh();
			notes.set(id, await call(`v1/estimate?model=${encodeURIComponent(id)}`).then(fit, sentence));
			say(notes.get(id) ?? "");
			await refresh();
		},
		`Does it fit? ${id}`,
	);
}

/** @param {{ width: number, height: number, fits: boolean, devices: Record<string, { peak: number, available: number }>, suggestions: { text: string }[] }} estimate */
function fit({ width, height, fits, devices, suggestions }) {
	const needs = Object.entries(devices).map(([device, { peak, available }]) => `${size(peak)} of ${size(available)} free (${device})`);
	const advice = fits || !suggestions[0] ? "" : ` ${suggestions[0].text}`;
	return `${fits ? "It fits" : "It does not fit"}: a picture of ${width} × ${height} needs ${needs.join(" and ")}.${advice}`;
}
