/**
 * The element of an id, which has to be there.
 * @template {HTMLElement} T
 * @param {string} id
 * @param {new () => T} type
 * @returns {T}
 */
export function get(id, type) {
	const element = document.getElementById(id);
	if (!(element instanceof type)) throw new Error(`The page has no ${id}.`);
	return element;
}

/** @param {string} id */
export const button = (id) => get(id, HTMLButtonElement);
/** @param {string} id */
export const input = (id) => get(id, HTMLInputElement);
/** @param {string} id */
export const select = (id) => get(id, HTMLSelectElement);
/** @param {string} id */
export const dialog = (id) => get(id, HTMLDialogElement);
/** @param {string} id */
export const element = (id) => get(id, HTMLElement);
/** @param {string} id */
export const picture = (id) => get(id, HTMLImageElement);

/**
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {Partial<HTMLElementTagNameMap[T]> & { label?: string }} properties `label` is its accessible name
 * @param {(Node | string)[]} children
 * @returns {HTMLElementTagNameMap[T]}
 */
export function make(tag, { label, ...properties } = {}, ...children) {
	const made = Object.assign(document.createElement(tag), properties);
	if (label !== undefined) made.setAttribute("aria-label", label);
	made.append(...children);
	return made;
}

/**
 * @param {string} text
 * @param {() => unknown} onclick
 * @param {string} [label]
 */
export function action(text, onclick, label) {
	return make("button", { type: "button", textContent: text, onclick, label });
}

/** Said by screen readers; others see it elsewhere. @param {string} text */
export function say(text) {
	element("live").textContent = text;
}

/** @param {number} seconds */
export function duration(seconds) {
	if (seconds < 90) return `${Math.max(1, Math.round(seconds))} s`;
	if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
	return `${(seconds / 3600).toFixed(1)} h`;
}

/** @param {number} bytes */
export function size(bytes) {
	return bytes >= 1e9 ? `${(bytes / 1e9).toFixed(1)} GB` : `${Math.max(1, Math.round(bytes / 1e6))} MB`;
}

/** As a sentence: the server names the field first, which the place of the text says already. @param {unknown} error */
export function sentence(error) {
	const message = error instanceof Error ? error.message : String(error);
	const text = message.replace(/^[a-z][\w.[\]]*: /i, "");
	const begun = /^[a-z]+[ ,]/.test(text) ? text.charAt(0).toUpperCase() + text.slice(1) : text; // names of files stay as they are
	return /[.!?]$/.test(begun) ? begun : `${begun}.`;
}
