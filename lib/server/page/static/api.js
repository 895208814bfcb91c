import { ask } from "./dialogs.js";
import { element } from "./dom.js";

/** The address under which the server is mounted. */
const root = new URL("..", import.meta.url);

/** An error that the server has told. */
export class ApiError extends Error {
	/** @param {{ status: number, code?: string, message?: string, param?: string }} told */
	constructor({ status, code = "", message = `The server answered with ${status}.`, param }) {
		super(message);
		this.status = status;
		this.code = code;
		this.param = param;
	}
}

/** For as long as the tab is open. */
const stored = "node-sd-cpp key";
/** @type {Promise<boolean> | undefined} */
let asking;

/** @param {Record<string, string>} [more] @returns {Record<string, string>} */
function headers(more = {}) {
	const key = sessionStorage.getItem(stored);
	return key ? { ...more, "x-api-key": key } : more;
}

function askForKey() {
	const wrong = sessionStorage.getItem(stored) !== null;
	const text = wrong ? "That key is not one of the server's. Try another one." : "This server asks for a key. Whoever started it has one.";
	asking ??= ask({ title: "API key", text, yes: "Continue", key: true }).then((key) => {
		asking = undefined;
		if (key) sessionStorage.setItem(stored, key);
		return Boolean(key);
	});
	return asking;
}

/** @param {boolean} lost */
export function showConnection(lost) {
	const text = lost ? "The connection to the server is lost. Trying again…" : "";
	if (element("connection").textContent !== text) element("connection").textContent = text;
}

/** @param {string} address a path that the server has told, or one below its root */
export const resolve = (address) => new URL(address, root);

/**
 * @param {string} path
 * @param {{ method?: string, body?: FormData | object, signal?: AbortSignal, more?: Record<string, string> }} [options]
 * @returns {Promise<Response>}
 */
export async function send(path, { method, body, signal, more } = {}) {
	const isForm = body instanceof FormData;
	/** @type {Record<string, string>} */
	const type = body && !isForm ? { "content-type": "application/json" } : {};
	for (;;) {
		let answer;
		try {
			answer = await fetch(resolve(path), {
				method: method ?? (body ? "POST" : "GET"),
				headers: headers({ ...type, ...more }),
				...(body ? { body: isForm ? body : JSON.stringify(body) } : {}),
				...(signal ? { signal } : {}),
			});
		} catch (error) {
			if (signal?.aborted) throw error;
			showConnection(true);
			throw new Error("The server cannot be reached.", { cause: error });
		}
		showConnection(false);
		if (answer.ok) return answer;
		if (answer.status === 401 && (await askForKey())) continue;
		const told = await answer.json().catch(() => ({}));
		throw new ApiError({ status: answer.status, ...told.error });
	}
}

/**
 * @param {string} path
 * @param {Parameters<typeof send>[1]} [options]
 * @returns {Promise<any>}
 */
export async function call(path, options) {
	return (await send(path, options)).json();
}

/** Shows a picture; where a key is needed it is fetched with it, since an address alone cannot have one. @param {HTMLImageElement} image @param {string} address */
export async function show(image, address) {
	image.dataset.address = address;
	if (sessionStorage.getItem(stored) === null) {
		image.src = resolve(address).href;
		return;
	}
	const url = URL.createObjectURL(await fetchBlob(address));
	if (image.dataset.address !== address) return URL.revokeObjectURL(url); // another one was asked for meanwhile
	image.src = url;
	await image.decode().catch(() => {});
	URL.revokeObjectURL(url);
}

/** @param {string} address */
export async function fetchBlob(address) {
	return (await send(address)).blob();
}

/** @param {number} ms @param {AbortSignal} signal @returns {Promise<void>} */
const pause = (ms, signal) =>
	new Promise((done) => {
		const timer = setTimeout(done, ms);
		const stop = () => {
			clearTimeout(timer);
			done();
		};
		signal.addEventListener("abort", stop, { once: true });
	});

/** The server gives a sign of life every 15 seconds: a line that is quiet for longer is dead. Milliseconds. */
const mostSilence = 40_000;

/**
 * Events of a job to its end. A connection that is lost is opened again, and goes on behind the last event that came.
 * @param {string} path
 * @param {(type: string, data: any) => void} onEvent
 * @param {AbortSignal} signal
 */
export async function follow(path, onEvent, signal) {
	let last = "";
	for (let wait = 300; !signal.aborted; wait = Math.min(5000, wait * 1.7)) {
		const silent = new AbortController();
		let timer = setTimeout(() => silent.abort(), mostSilence);
		try {
			const both = AbortSignal.any([signal, silent.signal]);
			const answer = await send(path, { signal: both, more: last ? { "last-event-id": last } : {} });
			const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader();
			let text = "";
			for (let part = await reader?.read(); part && !part.done; part = await reader?.read()) {
				wait = 300;
				clearTimeout(timer);
				timer = setTimeout(() => silent.abort(), mostSilence);
				const blocks = (text + part.value).split("\n\n");
				text = blocks.pop() ?? "";
				for (const block of blocks) {
					const field = (/** @type {string} */ name) => new RegExp(`^${name}: (.*)$`, "m").exec(block)?.[1];
					const [type, data] = [field("event"), field("data")];
					if (!type || !data) continue; // a sign of life
					last = field("id") ?? last;
					onEvent(type, JSON.parse(data));
					if (type === "done" || type === "failed" || type === "canceled") return;
				}
			}
			if (!signal.aborted) showConnection(true);
		} catch (error) {
			if (signal.aborted) return;
			if (error instanceof ApiError) throw error; // the server is there, and has no such job
			showConnection(true);
		} finally {
			clearTimeout(timer);
		}
		await pause(wait, signal);
	}
}
