import { call } from "./api.js";
import { action, button, element, get, input, make, select, sentence } from "./dom.js";

const form = () => get("form", HTMLFormElement);
const ratios = ["1:1", "4:3", "3:4", "3:2", "2:3", "16:9", "9:16"];
const asPicture = "As the picture";

/** @type {Model[]} */
export let models = [];
/** @type {string[]} */
let loras = [];
let limits = { maxPixels: 2 ** 22, maxSteps: 150, maxImages: 10 };

export async function loadSettings() {
	const [list, names, samplers, most] = await Promise.all(["v1/models", "v1/loras", "v1/samplers", "v1/limits"].map((path) => call(path)));
	limits = most;
	loras = names.loras;
	fill("f-sampler", samplers.samplers);
	fill("f-scheduler", samplers.schedulers);
	choices("ratios", "ratio", [...ratios, asPicture], onRatio);
	choices("counts", "count", ["1", "2", "3", "4"].slice(0, Math.max(1, most.maxImages)), () => {});
	input("f-steps").max = String(most.maxSteps);
	element("lora-none").hidden = loras.length > 0;
	button("lora-add").hidden = loras.length === 0;
	showModels(list.data);
	applyDefaults();
	setSourceRatio(false);
}

/** @param {Model[]} list */
export function showModels(list) {
	models = list;
	const { value } = select("f-model");
	fill(
		"f-model",
		list.map(({ id }) => id),
	);
	if (list.some(({ id }) => id === value)) select("f-model").value = value;
	note();
}

export function wireSettings() {
	select("f-model").onchange = () => applyDefaults();
	button("reset").onclick = () => applyDefaults();
	button("dice").onclick = () => {
		input("f-seed").value = String(Math.floor(Math.random() * 2 ** 32));
		lock(true);
	};
	button("lock").onclick = () => lock(button("lock").ariaPressed !== "true");
	input("f-seed").oninput = () => lock(input("f-seed").value.trim() !== "");
	button("lora-add").onclick = () => addLora().focus();
	input("f-strength").oninput = showStrength;
	for (const side of ["width", "height"]) input(`f-${side}`).oninput = () => check("ratio", undefined);
	form().addEventListener("input", (event) => {
		if (event.target instanceof HTMLElement) clearError(event.target.id.replace(/^f-/, ""));
	});
	showStrength();
}

function showStrength() {
	element("strength-shown").textContent = `${Math.round(Number(input("f-strength").value) * 100)} %`;
}

/** @param {string} id @param {string[]} names */
function fill(id, names) {
	select(id).replaceChildren(...names.map((name) => make("option", { value: name, textContent: name })));
}

/** Buttons of which one is pressed. @param {string} id @param {string} name @param {string[]} values @param {(value: string) => void} onchange */
function choices(id, name, values, onchange) {
	const made = values.map((value) => {
		const radio = make("input", { type: "radio", name, value, onchange: () => onchange(value) });
		return make("label", {}, radio, make("span", { textContent: value }));
	});
	element(id).querySelector("div")?.remove();
	element(id).append(make("div", {}, ...made));
}

/** @param {string} name @param {string | undefined} value */
function check(name, value) {
	for (const radio of form().querySelectorAll(`input[name="${name}"]`)) {
		if (radio instanceof HTMLInputElement) radio.checked = radio.value === value;
	}
}

/** @param {string} name */
const checked = (name) => new FormData(form()).get(name);
const model = () => models.find(({ id }) => id === select("f-model").value) ?? models[0];

/** Sizes of about as many pixels as the model was made for, in multiples of 16, no larger than it and the server allow. @param {string} ratio */
function sizeOf(ratio) {
	const { defaults, max_side: most = 16384 } = /** @type {Model} */ (model());
	const [x = 1, y = 1] = ratio.split(":").map(Number);
	const pixels = Math.min(defaults.width * defaults.height, limits.maxPixels);
	const round = (/** @type {number} */ side) => Math.max(16, Math.min(Math.floor(most / 16) * 16, Math.round(side / 16) * 16));
	return { width: round(Math.sqrt((pixels * x) / y)), height: round(Math.sqrt((pixels * y) / x)) };
}

/** @param {string} ratio */
function onRatio(ratio) {
	if (ratio === asPicture) return size("", "");
	const { width, height } = sizeOf(ratio);
	size(width, height);
}

/** @param {string | number} width @param {string | number} height */
function size(width, height) {
	input("f-width").value = String(width);
	input("f-height").value = String(height);
	clearError("width");
	clearError("height");
}

/** The shape of the picture to start from can be chosen where there is one. @param {boolean} has */
export function setSourceRatio(has) {
	const radio = form().querySelector(`input[value="${asPicture}"]`);
	if (!(radio instanceof HTMLInputElement)) return;
	const label = /** @type {HTMLElement} */ (radio.closest("label"));
	if (has === !label.hidden) return;
	label.hidden = !has;
	check("ratio", has ? asPicture : "1:1");
	onRatio(has ? asPicture : "1:1");
}

/** What the model's makers recommend. */
function applyDefaults() {
	const { defaults = {} } = model() ?? {};
	for (const name of ["steps", "cfgScale"]) input(`f-${name}`).value = String(defaults[name] ?? "");
	for (const name of ["sampler", "scheduler"]) select(`f-${name}`).value = String(defaults[name]);
	input("f-skipLayerGuidance").checked = false;
	input("f-strength").value = "0.75";
	if (checked("ratio") !== asPicture) {
		check("ratio", "1:1");
		size(defaults.width, defaults.height);
	}
	if (!checked("count")) check("count", "1");
	for (const error of form().querySelectorAll(".error")) clearError(error.id.slice(6));
	showStrength();
	note();
}

function note() {
	const one = model();
	element("model-note").textContent =
		one?.family === "demo" ? "The demo is tiny and draws simple shapes alone. “Models” above has real ones." : (one?.license ?? "");
}

let lastSeed = "";

/** With an empty field the last picture's number is kept. @param {boolean} on */
function lock(on) {
	button("lock").ariaPressed = String(on);
	const field = input("f-seed");
	if (!on) field.value = "";
	else if (field.value === "") field.value = lastSeed || String(Math.floor(Math.random() * 2 ** 32));
}

/** The seed of the last picture, to be kept if one likes it. @param {string | undefined} seed */
export function showSeed(seed) {
	if (seed === undefined) return;
	lastSeed = seed;
	element("seed-last").textContent = `Last: ${seed}`;
}

function addLora({ name = loras[0] ?? "", weight = 1 } = {}) {
	const choice = make("select", { label: "Style" }, ...loras.map((value) => make("option", { value, textContent: value })));
	choice.value = name;
	const amount = make("input", { type: "number", min: "-2", max: "2", step: "0.05", value: String(weight), label: "Weight of the style" });
	const row = make("li", {}, choice, amount);
	const remove = () => {
		row.remove();
		button("lora-add").focus();
	};
	row.append(action("✕", remove, "Remove the style"));
	element("lora-rows").append(row);
	return choice;
}

/** What is asked for, as the API takes it. Fields that are empty are left to the model. */
export function readSettings() {
	const data = new FormData(form());
	/** @type {Record<string, any>} */
	const options = { preview: true, batchCount: Number(data.get("count") ?? 1) };
	for (const name of ["prompt", "negativePrompt", "sampler", "scheduler"]) {
		const text = String(data.get(name) ?? "").trim();
		if (text) options[name] = text;
	}
	for (const name of ["steps", "cfgScale", "width", "height"]) {
		const text = String(data.get(name) ?? "");
		if (text) options[name] = Number(text);
	}
	const seed = input("f-seed").value.trim();
	if (seed) options.seed = seed;
	if (input("f-skipLayerGuidance").checked) options.skipLayerGuidance = true;
	const rows = [...element("lora-rows").children].map((row) => ({
		name: row.querySelector("select")?.value,
		weight: Number(row.querySelector("input")?.value || 1),
	}));
	if (rows.length > 0) options.loras = rows;
	return { model: select("f-model").value, options };
}

export const strength = () => Number(input("f-strength").value);

/** The settings of a picture, from its file. What the file does not say stays the model's own. @param {Record<string, any>} parameters */
export function useSettings(parameters) {
	const named = models.find(({ id, aliases }) => id === parameters.model || aliases.includes(parameters.model));
	if (named) select("f-model").value = named.id;
	applyDefaults();
	for (const name of ["prompt", "negativePrompt"]) get(`f-${name}`, HTMLTextAreaElement).value = parameters[name] ?? "";
	for (const name of ["steps", "cfgScale"]) if (parameters[name] !== undefined) input(`f-${name}`).value = String(parameters[name]);
	for (const name of ["sampler", "scheduler"]) {
		if ([...select(`f-${name}`).options].some(({ value }) => value === parameters[name])) select(`f-${name}`).value = parameters[name];
	}
	if (parameters.strength !== undefined) input("f-strength").value = String(parameters.strength);
	input("f-skipLayerGuidance").checked = Boolean(parameters.skipLayerGuidance);
	if (parameters.width && parameters.height) {
		size(parameters.width, parameters.height);
		check(
			"ratio",
			ratios.find((ratio) => same(sizeOf(ratio), parameters)),
		);
	}
	element("lora-rows").replaceChildren();
	for (const lora of parameters.loras ?? []) if (loras.includes(lora.name)) addLora(lora);
	if (parameters.seed !== undefined) {
		input("f-seed").value = String(parameters.seed);
		lock(true);
	}
	showStrength();
	const isMore = ["negativePrompt", "skipLayerGuidance", "loras"].some((name) => parameters[name]);
	if (isMore) get("more", HTMLDetailsElement).open = true;
	element("f-prompt").focus();
}

/** @param {{ width: number, height: number }} a @param {Record<string, any>} b */
const same = (a, b) => a.width === b.width && a.height === b.height;

/** @param {string} name */
function clearError(name) {
	const text = document.getElementById(`error-${name}`);
	if (text) text.textContent = "";
	document.getElementById(`f-${name}`)?.removeAttribute("aria-invalid");
}

/** Says what was wrong at the field that caused it, and goes there. @param {unknown} error */
export function showError(error) {
	const param = /** @type {{ param?: string }} */ (error)?.param ?? "";
	const [whole = ""] = param.split(/[.[]/);
	const name = document.getElementById(`error-${whole}`) ? whole : whole === "mask" ? "initImage" : "form";
	const place = element(`error-${name}`);
	place.textContent = sentence(error);
	const field = document.getElementById(`f-${name}`);
	field?.setAttribute("aria-invalid", "true");
	const fold = place.closest("details");
	if (fold) fold.open = true;
	(field ?? button("generate")).focus();
}

export function clearErrors() {
	for (const error of form().querySelectorAll(".error")) clearError(error.id.slice(6));
}

const kept = "node-sd-cpp form";

/** A reload keeps what was typed. */
export function keepForm() {
	const fields = [...form().elements].filter((field) => "value" in field && field.id.startsWith("f-"));
	const save = () => {
		const values = fields.map((field) => [field.id, /** @type {HTMLInputElement} */ (field).value]);
		sessionStorage.setItem(kept, JSON.stringify({ values: Object.fromEntries(values), locked: button("lock").ariaPressed }));
	};
	const { values = {}, locked } = JSON.parse(sessionStorage.getItem(kept) ?? "{}");
	if (models.some(({ id }) => id === values["f-model"])) {
		select("f-model").value = values["f-model"];
		applyDefaults();
	}
	for (const field of fields) {
		const value = values[field.id];
		if (value !== undefined && field.id !== "f-model") /** @type {HTMLInputElement} */ (field).value = value;
	}
	if (values["f-width"])
		check(
			"ratio",
			ratios.find((ratio) => same(sizeOf(ratio), { width: +values["f-width"], height: +values["f-height"] })),
		);
	lock(locked === "true");
	if (locked === "true") input("f-seed").value = values["f-seed"] ?? "";
	showStrength();
	addEventListener("pagehide", save);
}
