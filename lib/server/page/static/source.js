import { call, fetchBlob } from "./api.js";
import { button, element, input, picture, say } from "./dom.js";
import { paint } from "./mask.js";
import { setSourceRatio, showError, strength, useSettings } from "./settings.js";

/** The picture to start from, and the part of it that is drawn anew. @type {{ file: Blob, mask?: Blob, feather: number, url: string } | undefined} */
let source;
const sides = ["left", "right", "top", "bottom"];

export function wireSource() {
	button("choose").onclick = () => input("file").click();
	input("file").onchange = () => {
		const file = input("file").files?.[0];
		input("file").value = "";
		if (file) void take(file, file.name);
	};
	button("source-remove").onclick = () => {
		drop();
		button("choose").focus();
	};
	button("paint").onclick = async () => {
		if (!source) return;
		const painted = await paint(source.url);
		if (!painted || !source) return;
		Object.assign(source, painted);
		button("paint").textContent = painted.mask ? "Change what is redrawn…" : "Paint what to redraw…";
		say(painted.mask ? "Only what you painted is drawn anew." : "The whole picture is drawn anew.");
	};
	addEventListener("dragover", (event) => {
		if (!event.dataTransfer?.types.includes("Files")) return;
		event.preventDefault();
		document.body.classList.add("dropping");
	});
	addEventListener("dragleave", (event) => event.relatedTarget === null && document.body.classList.remove("dropping"));
	addEventListener("drop", (event) => {
		event.preventDefault();
		document.body.classList.remove("dropping");
		const file = event.dataTransfer?.files[0];
		if (file) void take(file, file.name);
	});
	addEventListener("paste", (event) => {
		const file = [...(event.clipboardData?.files ?? [])].find(({ type }) => type.startsWith("image/"));
		if (file) void take(file, "Pasted picture");
	});
}

function drop() {
	if (source) URL.revokeObjectURL(source.url);
	source = undefined;
	for (const side of sides) input(`out-${side}`).value = "";
	picture("source-picture").removeAttribute("src");
	element("source-shown").hidden = true;
	element("error-initImage").textContent = "";
	setSourceRatio(false);
}

/** From the gallery. @param {string} address @param {string} name */
export async function takeAddress(address, name) {
	await take(await fetchBlob(address), name.split("/").at(-1) ?? name);
}

/** One of this program's pictures, or of others that write such texts, has its settings inside. @param {Blob} file @param {string} name */
async function take(file, name) {
	drop();
	const form = new FormData();
	form.append("image", file, "picture");
	let told;
	try {
		told = await call("v1/parameters", { body: form });
	} catch (error) {
		showError(Object.assign(error instanceof Error ? error : new Error(String(error)), { param: "initImage" }));
		return;
	}
	source = { file, url: URL.createObjectURL(file), feather: 0 };
	picture("source-picture").src = source.url;
	element("source-name").textContent = `${name}, ${told.width} × ${told.height}`;
	button("source-settings").hidden = !told.parameters;
	button("source-settings").onclick = () => useSettings(told.parameters);
	button("paint").textContent = "Paint what to redraw…";
	element("source-shown").hidden = false;
	setSourceRatio(true);
	say(`${name} is the picture to start from.${told.parameters ? " It has settings inside." : ""}`);
}

/** Adds it to what is asked for. @param {FormData} form @param {Record<string, any>} options */
export function addSource(form, options) {
	if (!source) return;
	form.append("initImage", source.file, "picture");
	const margins = sides.map((side) => [side, Number(input(`out-${side}`).value)]).filter(([, pixels]) => pixels !== 0);
	if (margins.length > 0) {
		options.outpaint = Object.fromEntries(margins);
		delete options.width;
		delete options.height;
		return;
	}
	options.strength = strength();
	if (source.mask) {
		form.append("mask", source.mask, "mask.png");
		if (source.feather > 0) options.maskFeather = source.feather;
	}
}
