import { call } from "./api.js";
import { wireDialogs, wireFields } from "./dialogs.js";
import { button, element, get, say, select, sentence } from "./dom.js";
import { loadGallery, neighbor, pictures, shelf, wireGallery } from "./gallery.js";
import { changed, isBusy, refresh, wireJobs } from "./jobs.js";
import { wireMask } from "./mask.js";
import { wireModels } from "./models.js";
import { clearErrors, keepForm, loadSettings, models, readSettings, showError, showSeed, useSettings, wireSettings } from "./settings.js";
import { addSource, takeAddress, wireSource } from "./source.js";
import { openViewer, wireViewer } from "./viewer.js";

const firstPrompt = "a red circle on a blue background";
const prompt = get("f-prompt", HTMLTextAreaElement);
let hasPictures = true;

/** @param {{ model: string, options: Record<string, any> }} wanted */
async function submit({ model, options }) {
	clearErrors();
	if (!options.prompt) {
		showError(Object.assign(new Error("Say what the picture should show."), { param: "prompt" }));
		return;
	}
	const form = new FormData();
	addSource(form, options);
	form.append("model", model);
	form.append("options", JSON.stringify(options));
	let job;
	try {
		job = await call("v1/jobs", { body: form });
	} catch (error) {
		showError(error);
		return;
	}
	say("In line.");
	await changed(job);
	showEmpty();
	if (innerWidth < 761) element("stage").scrollIntoView();
}

function showEmpty() {
	element("empty").hidden = hasPictures || isBusy() || !element("stage").hidden;
	const real = models.find(({ family }) => family !== "demo");
	element("empty-note").textContent = real ? `For more than shapes, ${real.id} is on this machine.` : "Real models are under “Models”.";
}

function wireForm() {
	const form = get("form", HTMLFormElement);
	form.onsubmit = (event) => {
		event.preventDefault();
		void submit(readSettings());
	};
	document.addEventListener("keydown", (event) => {
		if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || document.querySelector("dialog[open]")) return;
		event.preventDefault();
		void submit(readSettings());
	});
	button("first").onclick = () => {
		prompt.value = firstPrompt;
		if (models.some(({ id }) => id === "demo")) {
			select("f-model").value = "demo";
			select("f-model").dispatchEvent(new Event("change"));
		}
		button("generate").focus();
		void submit(readSettings());
	};
}

async function start() {
	wireDialogs();
	wireFields();
	wireForm();
	wireSettings();
	wireSource();
	wireMask();
	wireModels();
	wireGallery((total) => {
		hasPictures = total > 0;
		showEmpty();
	});
	wireJobs({
		end: (job) => {
			showSeed(job.images.at(-1)?.seed);
			void loadGallery();
		},
		retry: ({ request, model }) => {
			const { initImage: _picture, mask: _mask, ...options } = request;
			void submit({ model, options });
		},
		open: (url) => {
			const [, name] = /v1\/jobs\/(.*)$/.exec(url) ?? [];
			const [job = "", index = "0"] = name?.split(/\/images\/|\.png/) ?? [];
			const found = pictures.find(
				(one) => one.name === `${job}/${index}.png` || one.name.endsWith(`-${job.slice(0, 8)}-${Number(index) + 1}.png`),
			);
			if (found) openViewer(found);
		},
	});
	try {
		await loadSettings();
		keepForm();
		await wireViewer({ neighbor, useSettings, useInput: takeAddress, submitted: changed, deleted: loadGallery, shelf });
		await refresh();
		await loadGallery();
	} catch (error) {
		element("error-form").textContent = sentence(error);
		setTimeout(() => location.reload(), 5000); // a server that is started a moment later
	}
}

void start();
