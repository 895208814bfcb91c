import { ApiError, call, follow, show } from "./api.js";
import { action, button, duration, element, get, make, picture, say, sentence } from "./dom.js";

const channel = new BroadcastChannel("node-sd-cpp");
/** Jobs that have not ended, the one in work first. @type {Job[]} */
let active = [];
/** The one that is shown. @type {{ job: Job, stop: AbortController } | undefined} */
let watched;
/** @type {(job: Job) => void} */
let onEnd = () => {};
/** @type {(job: Job) => void} */
let onRetry = () => {};
/** @type {(url: string) => void} */
let onOpen = () => {};
let said = "";

/** @param {{ end: (job: Job) => void, retry: (job: Job) => void, open: (url: string) => void }} callbacks */
export function wireJobs({ end, retry, open }) {
	[onEnd, onRetry, onOpen] = [end, retry, open];
	button("stop").onclick = async () => {
		if (!watched) return;
		button("stop").disabled = true;
		element("progress-text").textContent = "Stopping…";
		await call(`v1/jobs/${watched.job.id}`, { method: "DELETE" }).catch(tell);
		await changed();
	};
	button("queue-clear").onclick = async () => {
		await call("v1/jobs", { method: "DELETE" }).catch(tell);
		await changed();
		say("The line is empty.");
	};
	channel.onmessage = () => void refresh();
	document.addEventListener("visibilitychange", () => {
		if (document.hidden)
			unwatch(); // a browser has few connections to one server, and other tabs need them
		else void refresh();
	});
	// Other programs with the same key, and tabs of other browsers, put jobs into the line too.
	setInterval(() => !document.hidden && void refresh(), 5000);
}

/** Something was put into the line, moved or taken out: here, and in other tabs. @param {Job} [submitted] */
export async function changed(submitted) {
	if (submitted) active.push(submitted);
	channel.postMessage("changed");
	await refresh();
}

/** Also finds the jobs of before a reload. */
export async function refresh() {
	try {
		/** @type {{ jobs: Job[] }} */
		const { jobs } = await call("v1/jobs?status=queued,running");
		const place = (/** @type {Job} */ job) => (job.status === "running" ? 0 : (job.position ?? Infinity));
		const gone = active.filter(({ id }) => id !== watched?.job.id && !jobs.some((job) => job.id === id));
		active = jobs.sort((a, b) => place(a) - place(b));
		for (const { id } of gone) await ended(id);
	} catch {
		return; // the connection is shown, and the next try comes
	}
	const first = active[0];
	if (first && watched?.job.id !== first.id && !document.hidden) {
		const current = active.find(({ id }) => id === watched?.job.id);
		if (!watched || current?.status === "queued") watch(first);
	}
	showQueue();
}

/** One that came to its end before it was watched. @param {string} id */
async function ended(id) {
	const job = await call(`v1/jobs/${id}`).catch(() => undefined);
	if (!job || job.status === "canceled") return;
	if (watched) return onEnd(job);
	stage(job);
	onEvent(job, job.status, job.status === "failed" ? job.error : job);
}

export const isBusy = () => active.length > 0;

function unwatch() {
	watched?.stop.abort();
	watched = undefined;
}

/** @param {Job} job */
function watch(job) {
	unwatch();
	const stop = new AbortController();
	watched = { job, stop };
	stage(job);
	button("stop").disabled = false;
	progress(job.progress.fraction, job.status === "queued" ? "Waiting in line…" : "Getting ready…");
	follow(`v1/jobs/${job.id}/events`, (type, data) => stop.signal.aborted || onEvent(job, type, data), stop.signal).catch((error) => {
		if (error instanceof ApiError && error.status === 404)
			end(job, "It is no longer known to the server, which may have been started anew.");
		else tell(error);
	});
}

/** @param {Job} job */
function stage(job) {
	said = "";
	button("retry").hidden = true;
	element("stage").hidden = false;
	element("stage-error").textContent = "";
	element("stage-caption").textContent = job.request.prompt ?? "Making a picture larger";
	picture("stage-picture").onclick = null;
	picture("stage-picture").hidden = true;
}

/** @param {number} fraction @param {string} text */
function progress(fraction, text) {
	get("progress", HTMLProgressElement).value = fraction;
	element("progress-text").textContent = text;
}

/** @param {string} type @param {any} data @param {Job} job */
function onEvent(job, type, data) {
	if (type === "queued") progress(0, data.position === 1 ? "Next in line" : `Number ${data.position} in line`);
	else if (type === "running") progress(0, "Getting ready…");
	else if (type === "phase") announce(phases[data.phase] ?? data.phase);
	else if (type === "progress") onProgress(data);
	else if (type === "preview") preview(data.preview);
	else if (type === "image") void showResult(data, false);
	else if (type === "done") {
		progress(1, "Done");
		void showResult(data.images.at(-1), true);
		announce(data.images.length === 1 ? "The picture is finished." : `${data.images.length} pictures are finished.`);
		end(data);
	} else if (type === "canceled") end(data, "", "Stopped.");
	else if (type === "failed") end({ ...job, error: data }, sentence(new Error(data.message)));
}

/** @type {Record<string, string>} */
const phases = {
	load: "Loading the model…",
	encode: "Reading the words…",
	sample: "Drawing…",
	upscale: "Making it larger…",
	decode: "Finishing the picture…",
};

/** Once for each phase: every step would be too much to listen to. @param {string} text */
function announce(text) {
	element("progress-text").textContent = text;
	if (text !== said) say(text);
	said = text;
}

/** @param {{ phase: string, step: number, steps: number, image: number, images: number, eta: number }} data */
function onProgress({ phase, step, steps, image, images, eta }) {
	const works = phase === "sample" || phase === "upscale";
	const part = works ? step / steps : phase === "decode" ? 1 : 0;
	const which = images > 1 ? `Picture ${image + 1} of ${images}: ` : "";
	const left = works && Number.isFinite(eta) ? ` · about ${duration(eta)} left` : "";
	const text = phase === "sample" ? `round ${step} of ${steps}` : (phases[phase] ?? phase);
	const line = `${which}${text}${left}`;
	progress(phase === "load" ? 0 : Math.min(1, (image + part) / images), line.charAt(0).toUpperCase() + line.slice(1));
}

/** @param {string} address */
function preview(address) {
	const shown = picture("stage-picture");
	shown.dataset.address = "";
	shown.src = address;
	shown.alt = "The picture as it is so far";
	shown.hidden = false;
}

/** @param {{ url: string } | undefined} image @param {boolean} isLast */
async function showResult(image, isLast) {
	if (!image) return;
	const shown = picture("stage-picture");
	shown.alt = isLast ? "The finished picture" : "A finished picture";
	shown.hidden = false;
	shown.onclick = () => onOpen(image.url);
	await show(shown, image.url).catch(tell);
}

/** @param {Job} job @param {string} [error] @param {string} [text] */
function end(job, error = "", text = error ? "Not drawn" : "Done") {
	if (watched?.job.id === job.id) unwatch();
	active = active.filter(({ id }) => id !== job.id);
	button("stop").disabled = true;
	element("stage-error").textContent = error;
	progress(error || text === "Stopped." ? 0 : 1, text);
	if (text === "Stopped.") {
		announce(text);
		if (job.images.length === 0) picture("stage-picture").hidden = true;
	}
	button("retry").hidden = !error || job.kind !== "generate";
	button("retry").onclick = () => onRetry(job);
	onEnd(job);
	void refresh();
}

/** @param {unknown} error */
function tell(error) {
	element("stage").hidden = false;
	element("stage-error").textContent = sentence(error);
}

function showQueue() {
	const waiting = active.filter(({ id, status }) => status === "queued" && id !== watched?.job.id);
	element("queue").hidden = waiting.length === 0;
	const focused = document.activeElement instanceof HTMLElement ? document.activeElement.dataset.key : undefined;
	element("queue-list").replaceChildren(
		...waiting.map((job, at) => {
			const text = job.request.prompt ?? "Making a picture larger";
			const move = (/** @type {number} */ by) => async () => {
				await call(`v1/jobs/${job.id}`, { method: "PATCH", body: { position: at + 1 + by } }).catch(() => {}); // it may have begun
				await changed();
				say(`Moved to place ${at + 1 + by}.`);
			};
			const up = action("↑", move(-1), `Earlier: ${text}`);
			const down = action("↓", move(1), `Later: ${text}`);
			up.disabled = at === 0;
			down.disabled = at === waiting.length - 1;
			const remove = action(
				"✕",
				async () => {
					await call(`v1/jobs/${job.id}`, { method: "DELETE" }).catch(() => {});
					await changed();
				},
				`Take out: ${text}`,
			);
			for (const [name, one] of Object.entries({ up, down, remove })) one.dataset.key = `${job.id} ${name}`;
			return make("li", {}, make("span", { textContent: text, title: text }), up, down, remove);
		}),
	);
	if (focused) {
		const again = [...element("queue-list").querySelectorAll("button")].find(({ dataset }) => dataset.key === focused);
		const near = again?.disabled ? again.parentElement?.querySelector("button:not(:disabled)") : again;
		if (near instanceof HTMLElement) near.focus();
	}
}
